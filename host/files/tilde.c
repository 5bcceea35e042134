/* SPDX-License-Identifier: MIT */
#include "files/tilde.h"

#include <stdlib.h>
#include <string.h>

#include "os/paths.h"
#include "util.h"

int ffcl_tilde(char **out, const char *text, ffcl_error *err)
{
    const size_t n = *text == '~' ? strcspn(text + 1, FFCL_PATH_SEPARATORS) : 0;
    char *user = NULL, *home = NULL;
    *out = NULL;
    if (*text == '~') {
        user = ffcl_format("%.*s", (int)n, text + 1);
        home = user ? ffcl_path_home(user) : NULL;
    }
    int rc = 0;
    if (home || *text != '~' || (user && n && !text[1 + n]))
        *out = home ? ffcl_format("%s%s", home, text + 1 + n) : ffcl_format("%s", text);
    else if (user && n)
        rc = ffcl_fail(err, FFCL_EUSAGE, "%.200s: there is no user %s here; ./%.200s is the path "
                       "of that name", text, user, text);
    else if (user)
        rc = ffcl_fail(err, FFCL_EUSAGE, "%.200s: there is no home: HOME is not set", text);
    if (!rc && !*out)
        rc = ffcl_fail(err, FFCL_ENOMEM, "out of memory for the path %.200s", text);
    free(user);
    free(home);
    return rc;
}

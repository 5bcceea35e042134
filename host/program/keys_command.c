/* SPDX-License-Identifier: MIT
 * ffcl keys. */
#include <stdlib.h>

#include "program/command.h"

static int run_keys(ffcl_session *s)
{
    char *text = NULL;
    int rc = ffcl_take_nothing(s);
    if (!rc)
        rc = ffcl_config_reference(&text, &s->err);
    if (!rc)
        fputs(text, stdout);
    free(text);
    return rc;
}

const ffcl_command ffcl_keys_command = {
    .name = "keys", .summary = "explain every key of the INI file",
    .usage = "keys\n", .help = "", .run = run_keys,
};

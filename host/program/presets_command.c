/* SPDX-License-Identifier: MIT
 * ffcl presets. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program/command.h"

static int run_presets(ffcl_session *s)
{
    char *text = NULL;
    int rc = ffcl_take_nothing(s);
    if (!rc)
        rc = ffcl_config_presets(&text, &s->err);
    /* A line begins with the name of a preset or with as many blanks. */
    for (char *line = text, *end; !rc && line && *line; line = end) {
        end = line + strcspn(line, "\n");
        if (*end)
            *end++ = '\0';
        const size_t name = strcspn(line, " "), blanks = strspn(line + name, " ");
        printf("%.*s", (int)name, line);
        ffcl_help_wrap(stdout, (int)name, (int)(name + blanks), line + name + blanks);
    }
    free(text);
    return rc;
}

const ffcl_command ffcl_presets_command = {
    .name = "presets", .summary = "list the families of checkpoints that are known",
    .usage = "presets\n", .help = "", .run = run_presets,
};

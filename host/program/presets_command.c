/* SPDX-License-Identifier: MIT
 * ffcl presets. */
#include <stdio.h>
#include <stdlib.h>

#include "program/command.h"

static int run_presets(ffcl_session *s)
{
    char *text = NULL;
    int rc = ffcl_take_nothing(s);
    if (!rc)
        rc = ffcl_config_presets(&text, &s->err);
    if (!rc)
        fputs(text, stdout);
    free(text);
    return rc;
}

const ffcl_command ffcl_presets_command = {
    .name = "presets", .summary = "list the families of checkpoints that are known",
    .usage = "presets\n", .help = "", .run = run_presets,
};

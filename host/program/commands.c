/* SPDX-License-Identifier: MIT
 * The table of commands, in the order of the help. */
#include <string.h>

#include "program/command.h"
#include "util.h"

const ffcl_command *const ffcl_commands[] = {
    &ffcl_sample_command,
    &ffcl_init_command,
    &ffcl_inspect_command,
    &ffcl_convert_command,
    &ffcl_classes_command,
    &ffcl_devices_command,
    &ffcl_eval_command,
    &ffcl_bench_command,
    &ffcl_report_command,
    &ffcl_verify_command,
    &ffcl_tune_command,
    &ffcl_selfcheck_command,
    &ffcl_keys_command,
    &ffcl_presets_command,
    &ffcl_help_command,
    &ffcl_version_command,
    &ffcl_tune_candidate_command,
    &ffcl_unit_trial_command,
    NULL,
};

const ffcl_command *ffcl_command_find(const char *name)
{
    for (const ffcl_command *const *c = ffcl_commands; *c; c++)
        if (!strcmp(name, (*c)->name))
            return *c;
    return NULL;
}

const char *ffcl_command_nearest(const char *name)
{
    const char *nearest = NULL;
    size_t least = (strlen(name) + 1) / 3 + 1;  /* letters that may be wrong, and 1 */
    if (ffcl_command_elsewhere(name))
        return ffcl_command_elsewhere(name);
    for (const ffcl_command *const *c = ffcl_commands; *c; c++) {
        size_t distance = ffcl_edit_distance(name, (*c)->name);
        if (!(*c)->is_hidden && distance < least) {
            least = distance;
            nearest = (*c)->name;
        }
    }
    return nearest;
}

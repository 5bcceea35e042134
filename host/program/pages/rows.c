/* SPDX-License-Identifier: MIT
 * What the tables of commands and keys say to those who write man pages and completion. */
#include <string.h>

#include "program/pages/pages.h"

const ffcl_command *ffcl_pages_command(size_t *at)
{
    while (ffcl_commands[*at] && ffcl_commands[*at]->is_hidden)
        ++*at;
    return ffcl_commands[*at] ? ffcl_commands[(*at)++] : NULL;
}

int ffcl_pages_takes(const ffcl_command *command, const char *word)
{
    return strstr(command->usage, word) != NULL;
}

int ffcl_pages_takes_files(const ffcl_command *command)
{
    return ffcl_pages_takes(command, "FILE") || ffcl_pages_takes(command, ".safetensors") ||
           ffcl_pages_takes(command, "SAMPLES");
}

void ffcl_pages_words(FILE *out, const ffcl_config_row *row, pages_visitor *visit)
{
    static const char *const classes[] = {"random", "balanced", "file:", NULL};
    static const char *const devices[] = {"auto", "gpu", "cpu", "all", NULL};
    const char *const *words = row->type == FFCL_TYPE_CLASSES ? classes
                             : ffcl_pages_values(row) == PAGES_DEVICES ? devices : NULL;
    int has_initial = 0;
    for (; words && *words; words++) {
        visit(out, *words);
        has_initial |= !strcmp(*words, row->initial);
    }
    for (const ffcl_config_choice *c = row->choices; c && c->name; c++) {
        visit(out, c->name);
        has_initial |= !strcmp(c->name, row->initial);
    }
    /* "auto", "none", "off" and the like; and the default of a number, which is a beginning. */
    if (!has_initial && *row->initial && !strchr(row->initial, ' '))
        visit(out, row->initial);
}

pages_values ffcl_pages_values(const ffcl_config_row *row)
{
    if (row->type == FFCL_TYPE_INPUT || row->type == FFCL_TYPE_OUTPUT)
        return PAGES_FILES;
    if (row->type == FFCL_TYPE_CLASSES)
        return PAGES_CLASSES;
    return strcmp(row->section, "device") || strcmp(row->key, "select") ? PAGES_NOTHING
                                                                        : PAGES_DEVICES;
}

pages_values ffcl_pages_option_values(const ffcl_option *option)
{
    if (!option->value)
        return PAGES_NOTHING;
    if (!strcmp(option->value, "SELECT"))
        return PAGES_DEVICES;
    /* FILE, FILE.png, TRACE.json, REF, FOLDER ... */
    return strstr(option->value, "FILE") || strchr(option->value, '.') ||
           !strcmp(option->value, "REF") || !strcmp(option->value, "FOLDER") ? PAGES_FILES
                                                                             : PAGES_NOTHING;
}

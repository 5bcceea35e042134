/* SPDX-License-Identifier: MIT
 * Man pages and completion, made from the table of commands and the table of INI keys when ffcl is
 * built; no part of the program. */
#ifndef FFCL_PROGRAM_PAGES_H
#define FFCL_PROGRAM_PAGES_H

#include <stdio.h>

#include "config_table.h"
#include "program/command.h"

/* What completes a value of a key, beside the words of its row. */
typedef enum pages_values {
    PAGES_NOTHING, PAGES_FILES, PAGES_DEVICES, PAGES_CLASSES
} pages_values;

/* Each writes one file to out.  date: of the version, as YYYY-MM-DD. */
void ffcl_pages_man(FILE *out, const char *date);
void ffcl_pages_man_ini(FILE *out, const char *date);
void ffcl_pages_bash(FILE *out);
void ffcl_pages_zsh(FILE *out);
void ffcl_pages_fish(FILE *out);

/* rows.c: the commands that people call, one after another; NULL after the last.  *at begins at
 * 0. */
const ffcl_command *ffcl_pages_command(size_t *at);

/* Whether its usage speaks of words of this kind, such as "section.key=value". */
int ffcl_pages_takes(const ffcl_command *command, const char *word);

/* Whether it takes words that are files. */
int ffcl_pages_takes_files(const ffcl_command *command);

/* Calls visit with each word that the key may have as a value: choices, "auto" and the like. */
typedef void pages_visitor(FILE *out, const char *word);
void ffcl_pages_words(FILE *out, const ffcl_config_row *row, pages_visitor *visit);

pages_values ffcl_pages_values(const ffcl_config_row *row);

/* Likewise of an option. */
pages_values ffcl_pages_option_values(const ffcl_option *option);

#endif

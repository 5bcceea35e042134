/* SPDX-License-Identifier: MIT
 * An INI file with every key, made from the key table: config/sample.ini, ffcl init. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_table.h"

enum { WIDTH = 79, MOST_LINE = 198 };

/* The words of Markdown help as comment lines, without the backticks. */
static void write_comment(FILE *out, const char *text)
{
    size_t at = 0;
    while (*text) {
        const size_t length = strcspn(text, " ");
        size_t shown = 0;
        for (size_t i = 0; i < length; i++)
            shown += text[i] != '`';
        if (at && at + 1 + shown > WIDTH) {
            fputc('\n', out);
            at = 0;
        }
        at += at ? 1 : 2;
        fputs(at == 2 ? "; " : " ", out);
        for (size_t i = 0; i < length; i++)
            if (text[i] != '`')
                fputc(text[i], out);
        at += shown;
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

static const char *value_of(const ffcl_config_row *row, const ffcl_template_value *values,
                            int *is_given)
{
    *is_given = 0;
    for (const ffcl_template_value *v = values; v && v->key; v++)
        if (!strcmp(v->section, row->section) && !strcmp(v->key, row->key)) {
            *is_given = 1;
            return v->value;
        }
    return row->initial;
}

static void write_conditions(FILE *out)
{
    fputs("\n[" FFCL_CONFIG_CONDITION "]\n", out);
    write_comment(out, "What each scalar embedder of the checkpoint is fed with, where it is not "
                       "what the preset says: delta (the step length), t, r, guidance, or a "
                       "number");
    fputs(";t_embedder = delta\n", out);
}

/* Why a value would not be read back as it is; NULL where it would. */
static const char *unfit(const ffcl_config_row *row, const char *value)
{
    const size_t n = strlen(value);
    if (strpbrk(value, "\r\n"))
        return "it has a line end in it";
    if (strstr(value, " ;") || strstr(value, "\t;"))
        return "a blank and a semicolon begin a comment";
    if (n && (strchr(" \t", *value) || strchr(" \t", value[n - 1])))
        return "blanks around a value are left out";
    if (n > 1 && strchr("\"'", *value) && value[n - 1] == *value)
        return "values stand without quotation marks";
    if (strlen(row->key) + 3 + n > MOST_LINE)
        return "a line has at most 198 characters";
    return NULL;
}

static int check_values(const ffcl_template_value *values, ffcl_error *err)
{
    for (const ffcl_template_value *v = values; v && v->key; v++) {
        const ffcl_config_row *row = ffcl_config_find(v->section, v->key);
        const char *why = unfit(row, v->value);
        if (why)
            return ffcl_fail(err, FFCL_ECONFIG, "[%s] %s = %.300s cannot stand in an INI file: %s; "
                             "give it another name, or a link", v->section, v->key, v->value, why);
    }
    return 0;
}

int ffcl_config_template(char **out, const ffcl_template_value *values, int only_given,
                         ffcl_error *err)
{
    size_t size = 0;
    const char *section = "";
    *out = NULL;
    if (check_values(values, err))
        return err->code;
    FILE *stream = open_memstream(out, &size);
    if (!stream)
        return ffcl_fail(err, FFCL_ENOMEM, "host memory does not suffice for the INI file");
    for (size_t i = 0; i < ffcl_config_n_rows; i++) {
        const ffcl_config_row *row = &ffcl_config_rows[i];
        int is_given;
        const char *value = value_of(row, values, &is_given);
        if (strcmp(section, row->section)) {
            if (!strcmp(section, "model"))
                write_conditions(stream);
            fprintf(stream, "\n[%s]\n", row->section);
            section = row->section;
        }
        write_comment(stream, row->help);
        fprintf(stream, "%s%s =%s%s\n", only_given && !is_given ? ";" : "", row->key,
                *value ? " " : "", value);
    }
    if (fclose(stream)) {
        free(*out);
        *out = NULL;
        return ffcl_fail(err, FFCL_ENOMEM, "host memory does not suffice for the INI file");
    }
    return 0;
}

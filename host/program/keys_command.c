/* SPDX-License-Identifier: MIT
 * ffcl keys: as text for a terminal, or as the page docs/ini.md. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config_table.h"
#include "program/command.h"

/* The keys that are asked for by "section", "[section]", "key" or "section.key"; all without a
 * word. */
static int is_wanted(const ffcl_config_row *row, const char *word)
{
    const size_t n = word ? strlen(row->section) : 0;
    return !word || !strcasecmp(word, row->section) || !strcasecmp(word, row->key) ||
           (!strncasecmp(word, row->section, n) && word[n] == '.' &&
            (!word[n + 1] || !strcasecmp(word + n + 1, row->key))) ||
           (*word == '[' && !strncasecmp(word + 1, row->section, n) && !strcmp(word + 1 + n, "]"));
}

static int unknown_word(ffcl_session *s, const char *word)
{
    const char *dot = strchr(word, '.');
    const ffcl_config_row *near = ffcl_config_nearest(NULL, dot ? dot + 1 : word);
    s->err.code = FFCL_EUSAGE;
    snprintf(s->err.text, sizeof s->err.text, "there is no key or section %.200s%s%s%s%s%s; see "
             "ffcl keys --help", word, near ? " (did you mean " : "", near ? near->section : "",
             near ? "." : "", near ? near->key : "", near ? "?)" : "");
    return FFCL_EUSAGE;
}

static int print_rows(ffcl_session *s, const char *word)
{
    const char *section = "";
    size_t n = 0;
    for (size_t i = 0; i < ffcl_config_n_rows; i++) {
        const ffcl_config_row *row = &ffcl_config_rows[i];
        if (!is_wanted(row, word))
            continue;
        char *expected = ffcl_config_expected(row);
        if (!expected)
            return ffcl_fail(&s->err, FFCL_ENOMEM, "out of memory for the keys");
        if (strcmp(section, row->section))
            printf("%s[%s]\n", n ? "\n" : "", row->section);
        section = row->section;
        printf("  %s = %s\n", row->key, row->initial);
        ffcl_help_wrap(stdout, 0, 6, row->help);
        ffcl_help_wrap(stdout, 0, 6, expected);
        free(expected);
        n++;
    }
    return n ? 0 : unknown_word(s, word);
}

static int run_keys(ffcl_session *s)
{
    char *text = NULL;
    int rc = s->n_words > 1 ? ffcl_bad_usage(s, "one key or section at a time, and not also",
                                             s->words[1]) : 0;
    if (rc)
        return rc;
    if (!ffcl_option_text(s, "markdown"))
        return print_rows(s, s->n_words ? s->words[0] : NULL);
    rc = ffcl_config_reference(&text, &s->err);
    if (!rc)
        fputs(text, stdout);
    free(text);
    return rc;
}

static const ffcl_option options[] = {
    {"markdown", 0, NULL, "print the page docs/ini.md", NULL},
    {NULL, 0, NULL, NULL, NULL},
};

const ffcl_command ffcl_keys_command = {
    .name = "keys", .summary = "explain the keys of the INI file",
    .usage = "keys [SECTION | KEY | SECTION.KEY]\n", .options = options,
    .help = "Each key with its default, what it means and what it may be.\n", .run = run_keys,
};

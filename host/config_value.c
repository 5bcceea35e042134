/* SPDX-License-Identifier: MIT */
#include "config_value.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files/tilde.h"
#include "os/paths.h"
#include "util.h"

enum { MOST_CONDITIONS = 1000 };

/* "1,5" where a number is wanted. */
static int is_decimal_comma(const ffcl_config_row *row, const char *text)
{
    const char *comma = strchr(text, ',');
    return (row->type == FFCL_TYPE_REAL || row->type == FFCL_TYPE_REAL_AUTO) && comma &&
           strspn(text, "0123456789+-") == (size_t)(comma - text) && comma[1] &&
           strspn(comma + 1, "0123456789") == strlen(comma + 1);
}

int ffcl_config_bad_value(const ffcl_config_source *source, const ffcl_config_row *row,
                          const char *text, const char *problem, ffcl_error *err)
{
    char *expected = ffcl_config_expected(row);
    const char *cut = strlen(text) > 80 ? "... " : *text ? " " : "";
    const char *near = row->choices ? ffcl_config_nearest_choice(row, text) : NULL;
    /* Only ";" begins a comment after a value: without this hint "7 # lucky" looks fine. */
    const char *hint = strstr(text, " #") ? " (a comment after a value begins with ;)"
                       : *text == '"' || *text == '\'' ? " (values stand without quotation marks)"
                       : is_decimal_comma(row, text) ? " (with a decimal point)" : "";
    int rc = ffcl_fail(err, FFCL_ECONFIG, "%s: [%s] %s = %.80s%s%s; expected %s%s%s%s%s",
                       source->where, row->section, row->key, text, cut,
                       *text ? problem : "is empty",
                       expected ? expected : "another value", hint, near ? "; did you mean " : "",
                       near ? near : "", near ? "?" : "");
    free(expected);
    return rc;
}

int ffcl_config_no_memory(const ffcl_config_source *source, ffcl_error *err)
{
    return ffcl_fail(err, FFCL_ENOMEM, "%s: host memory does not suffice for this value",
                     source->where);
}

int ffcl_config_digits(const char *text, size_t length, uint64_t *out)
{
    uint64_t value = 0;
    if (!length)
        return -1;
    for (size_t i = 0; i < length; i++)
        if (text[i] < '0' || text[i] > '9')
            return -1;
    for (size_t i = 0; i < length; i++) {
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return -2;
        value = value * 10 + digit;
    }
    *out = value;
    return 0;
}

/* A decimal number in the C locale, whatever the caller's: 0, or -1 (not a number). */
static int parse_real(const char *text, double *out)
{
    size_t length = strlen(text);
    /* Keeps out what strtod also takes: leading blanks, hex, inf and nan. */
    if (!length || strspn(text, "0123456789+-.eE") != length)
        return -1;
    locale_t c = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    if (!c)
        return -1;
    char *end;
    *out = strtod_l(text, &end, c);
    freelocale(c);
    return *end || end == text ? -1 : 0;
}

static int store_real(void *member, const ffcl_config_row *row, const char *text,
                      const ffcl_config_source *source, ffcl_error *err)
{
    double value = (double)NAN;
    if (row->type == FFCL_TYPE_REAL_AUTO && !strcmp(text, "auto")) {
        memcpy(member, &value, sizeof value);
        return 0;
    }
    if (parse_real(text, &value))
        return ffcl_config_bad_value(source, row, text, "is not a number", err);
    if (!(value >= row->min && value <= row->max))
        return ffcl_config_bad_value(source, row, text, "is out of range", err);
    memcpy(member, &value, sizeof value);
    return 0;
}

static int store_count(void *member, const ffcl_config_row *row, const char *text,
                       const ffcl_config_source *source, ffcl_error *err)
{
    size_t value = 0;
    if (row->type != FFCL_TYPE_COUNT_AUTO || strcmp(text, "auto")) {
        uint64_t number = 0;
        const char *digits = text + (text[0] == '-');
        int rc = ffcl_config_digits(digits, strlen(digits), &number);
        if (rc == -1)
            return ffcl_config_bad_value(source, row, text, "is not a whole number", err);
        if (rc || digits != text || (double)number < row->min || (double)number > row->max)
            return ffcl_config_bad_value(source, row, text, "is out of range", err);
        value = (size_t)number;
    }
    memcpy(member, &value, sizeof value);
    return 0;
}

static int store_rank(void *member, const ffcl_config_row *row, const char *text,
                      const ffcl_config_source *source, ffcl_error *err)
{
    const size_t all = FFCL_ALL_RANKS;
    if (strcmp(text, "all"))
        return store_count(member, row, text, source, err);
    memcpy(member, &all, sizeof all);
    return 0;
}

static int store_seed(void *member, const ffcl_config_row *row, const char *text,
                      const ffcl_config_source *source, ffcl_error *err)
{
    int negative = text[0] == '-';
    uint64_t value = 0;
    int rc = ffcl_config_digits(text + negative, strlen(text + negative), &value);
    if (rc == -1)
        return ffcl_config_bad_value(source, row, text, "is not a whole number", err);
    if (rc || (negative && value > (uint64_t)1 << 63))
        return ffcl_config_bad_value(source, row, text, "is out of range", err);
    if (negative)
        value = 0 - value;
    memcpy(member, &value, sizeof value);
    return 0;
}

static int store_choice(void *member, const ffcl_config_row *row, const char *text,
                        const ffcl_config_source *source, ffcl_error *err)
{
    _Static_assert(sizeof(ffcl_rng) == sizeof(int) && sizeof(ffcl_precision) == sizeof(int) &&
                   sizeof(ffcl_byte_rule) == sizeof(int) &&
                   sizeof(ffcl_on_bad) == sizeof(int) &&
                   sizeof(ffcl_null_class) == sizeof(int), "choices are stored as int");
    for (const ffcl_config_choice *c = row->choices; c->name; c++) {
        if (!strcmp(c->name, text)) {
            memcpy(member, &c->value, sizeof c->value);
            return 0;
        }
    }
    return ffcl_config_bad_value(source, row, text, "is not known", err);
}

/* Whose home "~/x" and "~user/x" are in is found here, also where no shell has done it. */
static int expand_home(char **out, const char *text, const ffcl_config_source *source,
                       ffcl_error *err)
{
    ffcl_error why;
    const int rc = ffcl_tilde(out, text, &why);
    if (rc == FFCL_ENOMEM)
        return ffcl_config_no_memory(source, err);
    if (rc)
        return ffcl_fail(err, FFCL_ECONFIG, "%s: %s", source->where, why.text);
    ffcl_path_clean(*out);
    return 0;
}

int ffcl_config_input_path(char **out, const char *text, const ffcl_config_source *source,
                           ffcl_error *err)
{
    char *whole;
    *out = NULL;
    const int rc = expand_home(&whole, text, source, err);
    if (rc)
        return rc;
    char *inside = ffcl_path_join(source->folder, whole);
    /* Where neither exists the later error should cite what was typed. */
    const int is_here = inside && source->is_override && (!access(whole, F_OK) ||
                                                          access(inside, F_OK));
    free(is_here ? inside : whole);
    *out = is_here ? whole : inside;
    return *out ? 0 : ffcl_config_no_memory(source, err);
}

/* The grid is what is written where nothing else is asked for: a folder or an npz stands for it,
 * unless it is named. */
static int settle_grid(ffcl_config *cfg, const ffcl_config_row *row,
                       const ffcl_config_source *source)
{
    if (strcmp(source->where, "default") == 0)
        return 0;
    if (row->offset == offsetof(struct ffcl_config, output.grid)) {
        cfg->output.has_grid = 1;
        return 0;
    }
    if (cfg->output.has_grid)
        return 0;
    free(cfg->output.grid);
    cfg->output.grid = NULL;
    if (cfg->output.folder || cfg->output.npz)
        return 0;
    cfg->output.grid = ffcl_format("%s", ffcl_config_find("output", "grid")->initial);
    return cfg->output.grid ? 0 : -1;
}

static int store_string(char **member, const ffcl_config_row *row, const char *text,
                        const ffcl_config_source *source, ffcl_error *err)
{
    char *value = NULL;
    const size_t length = strlen(text);
    /* What other keys have for nothing, where it would name a file. */
    static const char *const nothings[] = {"none", "off", "no", "false", "null", NULL};
    const int is_library = row->offset == offsetof(struct ffcl_config, blas.library);
    int rc = 0;
    /* They would count: the file "x.png" with its marks. */
    if (length > 1 && (*text == '"' || *text == '\'') && text[length - 1] == *text)
        return ffcl_fail(err, FFCL_ECONFIG, "%s: [%s] %s = %.80s stands in quotation marks, and "
                         "values stand without (./%.80s is a file whose name has them)",
                         source->where, row->section, row->key, text, text);
    if (is_library && *text != '~' && !ffcl_path_is_absolute(text) &&
        strpbrk(text, FFCL_PATH_SEPARATORS))
        return ffcl_fail(err, FFCL_ECONFIG, "%s: [%s] %s = %.80s is a relative path: a library is "
                         "code that runs, so it is a name that the loader finds or an absolute "
                         "path", source->where, row->section, row->key, text);
    if (row->type == FFCL_TYPE_OUTPUT && ffcl_is_one_of(text, nothings))
        return ffcl_fail(err, FFCL_ECONFIG, "%s: [%s] %s = %s: nothing behind = stands for none, "
                         "and ./%s is a path of that name", source->where, row->section, row->key,
                         text, text);
    if (!*text && row->type != FFCL_TYPE_OUTPUT)
        return ffcl_config_bad_value(source, row, text, "is empty", err);
    if (*text) {
        int is_path = row->type == FFCL_TYPE_INPUT;
        for (const ffcl_config_choice *c = row->choices; c && c->name; c++)
            is_path &= strcmp(c->name, text) != 0;
        if (is_path)
            rc = ffcl_config_input_path(&value, text, source, err);
        else if (row->type == FFCL_TYPE_OUTPUT || is_library)
            rc = expand_home(&value, text, source, err);
        else if (!(value = ffcl_format("%s", text)))
            rc = ffcl_config_no_memory(source, err);
        if (rc)
            return rc;
    }
    free(*member);
    *member = value;
    return 0;
}

static int is_blank(char c)
{
    return c == ' ' || c == '\t';
}

void ffcl_config_trim(const char **text, size_t *length)
{
    while (*length && is_blank(**text)) {
        ++*text;
        --*length;
    }
    while (*length && is_blank((*text)[*length - 1]))
        --*length;
}

char **ffcl_config_string(ffcl_config *cfg, const ffcl_config_row *row)
{
    int is_string = row->type == FFCL_TYPE_TEXT || row->type == FFCL_TYPE_INPUT ||
                    row->type == FFCL_TYPE_OUTPUT || row->type == FFCL_TYPE_TIMES;
    return is_string ? (char **)(void *)((char *)cfg + row->offset) : NULL;
}

size_t ffcl_config_times(const char *text, double *out)
{
    size_t n = 0;
    while (*text) {
        char number[64];
        size_t length = strcspn(text, ",");
        const char *entry = text;
        double value = 0;
        text += length + (text[length] == ',');
        ffcl_config_trim(&entry, &length);
        snprintf(number, sizeof number, "%.*s", (int)ffcl_min(length, sizeof number - 1), entry);
        if (parse_real(number, &value) || !(value >= 0 && value <= 1))
            return 0;
        if (out)
            out[n] = value;
        n++;
    }
    return n < 2 ? 0 : n;
}

/* uniform, or a list, which also says how many steps there are. */
static int store_times(ffcl_config *cfg, const ffcl_config_row *row, const char *text,
                       const ffcl_config_source *source, ffcl_error *err)
{
    if (strcmp(text, "uniform")) {
        const size_t n = ffcl_config_times(text, NULL);
        if (n == 0)
            return ffcl_config_bad_value(source, row, text, "is no list of times", err);
        double *list = malloc(n * sizeof *list);
        if (!list)
            return ffcl_config_no_memory(source, err);
        ffcl_config_times(text, list);
        int ordered = fabs(list[n - 1] - list[0]) == 1;
        for (size_t i = 1; i < n; i++)
            ordered &= list[0] < list[n - 1] ? list[i] > list[i - 1] : list[i] < list[i - 1];
        free(list);
        if (!ordered)
            return ffcl_config_bad_value(source, row, text, "does not lead from 1 to 0 or from "
                                         "0 to 1", err);
    }
    return store_string(ffcl_config_string(cfg, row), row, text, source, err);
}

int ffcl_config_store(ffcl_config *cfg, const ffcl_config_row *row, const char *text,
                      const ffcl_config_source *source, ffcl_error *err)
{
    void *member = (char *)cfg + row->offset;
    switch (row->type) {
    case FFCL_TYPE_TEXT:
    case FFCL_TYPE_INPUT:
        if (store_string(ffcl_config_string(cfg, row), row, text, source, err))
            return err ? err->code : FFCL_ECONFIG;
        return row->offset == offsetof(struct ffcl_config, sampler.class_names)
                   ? ffcl_config_rename_classes(cfg, source, err) : 0;
    case FFCL_TYPE_OUTPUT:
        if (store_string(ffcl_config_string(cfg, row), row, text, source, err))
            return err ? err->code : FFCL_ECONFIG;
        return settle_grid(cfg, row, source) ? ffcl_config_no_memory(source, err) : 0;
    case FFCL_TYPE_CHOICE:
        return store_choice(member, row, text, source, err);
    case FFCL_TYPE_COUNT:
    case FFCL_TYPE_COUNT_AUTO:
        return store_count(member, row, text, source, err);
    case FFCL_TYPE_TIMES:
        return store_times(cfg, row, text, source, err);
    case FFCL_TYPE_REAL:
    case FFCL_TYPE_REAL_AUTO:
        return store_real(member, row, text, source, err);
    case FFCL_TYPE_SEED:
        return store_seed(member, row, text, source, err);
    case FFCL_TYPE_RANK:
        return store_rank(member, row, text, source, err);
    case FFCL_TYPE_CLASSES:
        return ffcl_config_store_classes(cfg, row, text, source, err);
    }
    return 0;
}

/* The kind of a word: 0, or -1. */
static int parse_word(const char *text, size_t length, ffcl_input_kind *out)
{
    ffcl_config_trim(&text, &length);
    for (int kind = FFCL_INPUT_DELTA; kind < FFCL_INPUT_NUMBER; kind++) {
        const char *name = ffcl_config_input_name((ffcl_input_kind)kind);
        if (strlen(name) == length && !strncmp(text, name, length)) {
            *out = (ffcl_input_kind)kind;
            return 0;
        }
    }
    return -1;
}

int ffcl_config_parse_input(const char *text, ffcl_condition *out)
{
    const char *comma = strchr(text, ',');
    out->has_second = comma != NULL;
    if (comma)
        return parse_word(text, (size_t)(comma - text), &out->kind) ||
               parse_word(comma + 1, strlen(comma + 1), &out->second) ? -1 : 0;
    if (!parse_word(text, strlen(text), &out->kind))
        return 0;
    out->kind = FFCL_INPUT_NUMBER;
    return parse_real(text, &out->number) || !isfinite((float)out->number) ? -1 : 0;
}

int ffcl_config_store_condition(ffcl_config *cfg, const char *prefix, const char *text,
                                const ffcl_config_source *source, ffcl_error *err)
{
    ffcl_condition parsed = {.origin = source->is_override ? FFCL_BY_COMMAND : FFCL_BY_FILE};
    if (!*prefix)
        return ffcl_fail(err, FFCL_ECONFIG, "%s: [condition] a key is missing before =; expected "
                         "the prefix of an embedder such as t_embedder", source->where);
    if (ffcl_config_parse_input(text, &parsed))
        return ffcl_fail(err, FFCL_ECONFIG, "%s: [condition] %.80s = %.80s is not known; expected "
                         "delta, t, r, guidance, omega, t_min, t_max, goal, two of them as in "
                         "t, r, or a number of float32", source->where, prefix, text);
    for (size_t i = 0; i < cfg->n_conditions; i++) {
        if (!strcmp(cfg->conditions[i].prefix, prefix)) {
            parsed.prefix = cfg->conditions[i].prefix;
            cfg->conditions[i] = parsed;
            return 0;
        }
    }
    size_t bytes;
    if (cfg->n_conditions == MOST_CONDITIONS)
        return ffcl_fail(err, FFCL_ECONFIG, "%s: [condition] has more than %d lines", source->where,
                         MOST_CONDITIONS);
    if (ffcl_mul(&bytes, cfg->n_conditions + 1, sizeof *cfg->conditions))
        return ffcl_config_no_memory(source, err);
    ffcl_condition *list = realloc(cfg->conditions, bytes);
    if (!list)
        return ffcl_config_no_memory(source, err);
    cfg->conditions = list;
    parsed.prefix = ffcl_format("%s", prefix);
    if (!parsed.prefix)
        return ffcl_config_no_memory(source, err);
    list[cfg->n_conditions++] = parsed;
    return 0;
}

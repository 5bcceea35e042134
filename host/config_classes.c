/* SPDX-License-Identifier: MIT
 * [sampler] classes: words, a file, or a list of numbers, ranges and names. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "class_names.h"
#include "config_value.h"
#include "files/input.h"
#include "util.h"

enum { MOST_LIST = 256 << 20 };     /* bytes of a file of class labels */

static const char *const words[] = {[FFCL_CLASSES_RANDOM] = "random",
                                    [FFCL_CLASSES_BALANCED] = "balanced"};

/* A list that is being read. */
typedef struct class_list {
    const ffcl_config_row *row;
    const ffcl_config_source *source;
    const char *which;              /* [sampler] class_names */
    ffcl_class_names *names;        /* NULL: no name has been met */
    int64_t *labels;                /* (room) */
    size_t n, room;
} class_list;

static int bad_class(const class_list *l, const char *entry, size_t length, const char *problem,
                     ffcl_error *err)
{
    char *expected = ffcl_config_expected(l->row);
    int rc = ffcl_fail(err, FFCL_ECONFIG, "%s: [%s] %s: %.*s%s %s; expected %s", l->source->where,
                       l->row->section, l->row->key, (int)ffcl_min(length, 80), entry,
                       length > 80 ? "..." : "", problem, expected ? expected : "numbers");
    free(expected);
    return rc;
}

/* Appends labels first .. last. */
static int add(class_list *l, const char *entry, size_t length, uint64_t first, uint64_t last,
               ffcl_error *err)
{
    if (last - first >= FFCL_CONFIG_MAX_IMAGES - l->n)
        return bad_class(l, entry, length, "makes more than 10000000 entries", err);
    const size_t n = l->n + (size_t)(last - first) + 1;
    if (n > l->room) {
        const size_t room = ffcl_max(n, 2 * l->room);
        int64_t *grown = realloc(l->labels, room * sizeof *grown);
        if (!grown)
            return ffcl_config_no_memory(l->source, err);
        l->labels = grown;
        l->room = room;
    }
    for (uint64_t label = first; label <= last; label++)
        l->labels[l->n++] = (int64_t)label;
    return 0;
}

static int has_letter(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (isalpha((unsigned char)text[i]) || text[i] == '*' || text[i] == '?')
            return 1;
    return 0;
}

/* Fails as no class, or several, have the name. */
static int unclear_name(const class_list *l, const char *entry, size_t length, size_t found,
                        ffcl_error *err)
{
    const int shown = (int)ffcl_min(length, 80);
    char list[600] = "", word[81], problem[900];
    size_t used = 0;
    if (!found) {
        snprintf(word, sizeof word, "%.*s", shown, entry);
        for (size_t i = 1; i < sizeof words / sizeof *words; i++)
            if (!strcmp(word, words[i]))
                return bad_class(l, entry, length, "stands alone, not in a list", err);
            else if (ffcl_edit_distance(word, words[i]) <= 2)
                snprintf(list, sizeof list, "%s", words[i]);
        if (!*list)
            ffcl_class_names_suggest(l->names, entry, length, list, sizeof list);
        snprintf(problem, sizeof problem, "is not a number, a range or a name of %.200s (%s%s%s)",
                 strcmp(l->which, FFCL_IMAGENET_NAMES) ? l->which : "ImageNet's classes",
                 *list ? "did you mean " : "ffcl classes lists them", list, *list ? "?" : "");
        return bad_class(l, entry, length, problem, err);
    }
    for (size_t i = 0; i < ffcl_class_names_count(l->names) && used < 500; i++)
        if (ffcl_class_names_match(l->names, i, entry, length))
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%zu (%.120s)",
                                     used ? ", " : "", i, ffcl_class_names_get(l->names, i));
    return ffcl_fail(err, FFCL_ECONFIG, "%s: [%s] %s: %.*s is the name of %zu classes: %s; give "
                     "the number, or %.*s* for all", l->source->where, l->row->section, l->row->key,
                     shown, entry, found, list, shown, entry);
}

/* A name is of one class; one with * or ? stands for all that it fits. */
static int add_name(class_list *l, const char *entry, size_t length, ffcl_error *err)
{
    const int is_pattern = memchr(entry, '*', length) || memchr(entry, '?', length);
    size_t found = 0, label = 0;
    int rc = l->names ? 0 : ffcl_class_names_open(&l->names, l->which, err);
    for (size_t i = 0; !rc && i < ffcl_class_names_count(l->names); i++) {
        if (!ffcl_class_names_match(l->names, i, entry, length))
            continue;
        found++;
        label = i;
        if (is_pattern)
            rc = add(l, entry, length, i, i, err);
    }
    if (rc)
        return rc;
    if (!found || (!is_pattern && found > 1))
        return unclear_name(l, entry, length, found, err);
    return is_pattern ? 0 : add(l, entry, length, label, label, err);
}

/* One entry of the list: "a", "a-b" or a name. */
static int add_entry(class_list *l, const char *entry, size_t length, ffcl_error *err)
{
    uint64_t first = 0, last = 0;
    const char *dash = memchr(entry, '-', length);
    const char *a = entry, *b = dash ? dash + 1 : entry;
    size_t na = dash ? (size_t)(dash - entry) : length;
    size_t nb = dash ? length - na - 1 : length;
    if (!length)
        return bad_class(l, ",", 1, "has no number before it", err);
    if (has_letter(entry, length))
        return add_name(l, entry, length, err);
    ffcl_config_trim(&a, &na);
    ffcl_config_trim(&b, &nb);
    const int rc_a = ffcl_config_digits(a, na, &first), rc_b = ffcl_config_digits(b, nb, &last);
    if (rc_a == -1 || rc_b == -1)
        return bad_class(l, entry, length, "is not a number or range", err);
    if (rc_a || rc_b || first > FFCL_CONFIG_MAX_LABEL || last > FFCL_CONFIG_MAX_LABEL)
        return bad_class(l, entry, length, "is out of range (0 to 2147483647)", err);
    if (first > last)
        return bad_class(l, entry, length, "runs backwards", err);
    return add(l, entry, length, first, last, err);
}

static int add_list(class_list *l, const char *text, ffcl_error *err)
{
    int rc = 0;
    for (const char *rest = text; *rest && !rc;) {
        const char *entry = rest;
        size_t length = strcspn(rest, ",");
        rest += length + (rest[length] == ',');
        ffcl_config_trim(&entry, &length);
        rc = add_entry(l, entry, length, err);
        rest += strspn(rest, " \t");
    }
    return rc;
}

static void forget(ffcl_config *cfg)
{
    free(cfg->sampler.classes);
    free(cfg->sampler.class_text);
    cfg->sampler.classes = NULL;
    cfg->sampler.class_text = NULL;
    cfg->sampler.n_classes = cfg->sampler.n_named = 0;
}

/* Labels as a list of numbers, the caller's to free. */
static char *write_numbers(const int64_t *labels, size_t n)
{
    char *text = malloc(12 * n + 1), *at = text;
    if (text)
        *at = '\0';
    for (size_t i = 0; text && i < n; i++)
        at += sprintf(at, "%s%lld", i ? "," : "", (long long)labels[i]);
    return text;
}

/* What was written, where it has names: behind what came before, as numbers if that had none. */
static int keep_text(ffcl_config *cfg, const char *text, size_t n_before,
                     const ffcl_config_source *source, ffcl_error *err)
{
    char *before = cfg->sampler.class_text;
    if (!before && n_before)
        before = write_numbers(cfg->sampler.classes, n_before);
    cfg->sampler.class_text = before || !n_before ? ffcl_format("%s%s%s", before ? before : "",
                                                                before ? "," : "", text) : NULL;
    free(before);
    return cfg->sampler.class_text ? 0 : ffcl_config_no_memory(source, err);
}

/* The list in place of the old one, or behind it where source continues. */
static int store_list(ffcl_config *cfg, const ffcl_config_row *row, const char *text,
                      const ffcl_config_source *source, ffcl_error *err)
{
    class_list l = {.row = row, .source = source, .which = cfg->sampler.class_names};
    const size_t before = source->continues ? cfg->sampler.n_classes : 0;
    if (source->continues) {
        l.labels = cfg->sampler.classes;
        l.n = l.room = before;
        cfg->sampler.classes = NULL;
    }
    int rc = add_list(&l, text, err);
    if (!rc && !l.n && !source->is_continued)
        rc = ffcl_config_bad_value(source, row, text, "is empty", err);
    if (!rc && !source->continues)
        forget(cfg);
    if (!rc || source->continues) {
        cfg->sampler.classes = l.labels;
        cfg->sampler.n_classes = rc ? before : l.n;
        cfg->sampler.kind = FFCL_CLASSES_LIST;
        l.labels = NULL;
    }
    if (!rc && l.names)
        cfg->sampler.n_named = ffcl_class_names_count(l.names);
    if (!rc && (l.names || cfg->sampler.class_text))
        rc = keep_text(cfg, text, before, source, err);
    free(l.labels);
    ffcl_class_names_close(&l.names);
    return rc;
}

int ffcl_config_rename_classes(ffcl_config *cfg, const ffcl_config_source *source,
                               ffcl_error *err)
{
    const ffcl_config_source again = {.where = source->where, .folder = source->folder};
    if (!cfg->sampler.n_named)
        return 0;
    char *text = ffcl_format("%s", cfg->sampler.class_text);
    int rc = text ? store_list(cfg, ffcl_config_find("sampler", "classes"), text, &again, err)
                  : ffcl_config_no_memory(source, err);
    free(text);
    return rc;
}

/* Between commas and line ends of a file: numbers and ranges that blanks separate, or a name. */
static char *copy_entries(char *to, const char *from, size_t length, int *any)
{
    const int is_name = has_letter(from, length);
    ffcl_config_trim(&from, &length);
    while (length) {
        size_t n = 0;
        while (n < length && (is_name || !strchr(" \t", from[n])))
            n++;
        if (*any)
            *to++ = ',';
        memmove(to, from, n);
        to += n;
        *any = 1;
        from += n;
        length -= n;
        ffcl_config_trim(&from, &length);
    }
    return to;
}

/* The whole file as a list with commas between its entries; the caller frees it. */
static int read_list(char **out, const char *path, ffcl_error *err)
{
    size_t n = 0;
    int any = 0, rc = ffcl_input_read(out, &n, path, MOST_LIST, err);
    if (rc)
        return rc;
    if (memchr(*out, '\0', n))
        return ffcl_fail(err, FFCL_ECONFIG, "%s is no text: it holds a zero byte", path);
    char *to = *out;
    for (const char *p = *out; *p;) {
        p += strspn(p, ", \t\r\n");
        const size_t length = strcspn(p, ",\r\n");
        to = copy_entries(to, p, length, &any);
        p += length;
    }
    if (!any)
        return ffcl_fail(err, FFCL_ECONFIG, "%s holds no class label", path);
    *to = '\0';
    return 0;
}

int ffcl_config_store_classes(ffcl_config *cfg, const ffcl_config_row *row, const char *text,
                              const ffcl_config_source *source, ffcl_error *err)
{
    if (source->continues || source->is_continued)
        return store_list(cfg, row, text, source, err);
    for (int kind = FFCL_CLASSES_RANDOM; kind <= FFCL_CLASSES_BALANCED; kind++)
        if (!strcmp(text, words[kind])) {
            forget(cfg);
            cfg->sampler.kind = (ffcl_classes_kind)kind;
            return 0;
        }
    if (strncmp(text, "file:", 5))
        return store_list(cfg, row, text, source, err);
    char *list = NULL, *path = NULL;
    int rc = ffcl_config_input_path(&path, text + 5, source, err);
    if (!rc)
        rc = read_list(&list, path, err);
    /* An error in the list should cite the list. */
    const ffcl_config_source inside = {.where = path};
    if (!rc)
        rc = store_list(cfg, row, list, &inside, err);
    free(list);
    free(path);
    return rc;
}

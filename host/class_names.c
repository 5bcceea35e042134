/* SPDX-License-Identifier: MIT */
#include "class_names.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/input.h"
#include "text.h"
#include "util.h"

enum { MOST_BYTES = 16 << 20, MOST_CLASSES = 1000000, NAME_BYTES = 200 };

/* config/imagenet-classes.txt, of which the Makefile makes C. */
extern const unsigned char ffcl_imagenet_text[];
extern const size_t ffcl_imagenet_bytes;

typedef struct one_class {
    char synset[10];            /* "n02099601", or "" */
    const char *names;          /* "tench, Tinca tinca", in the text */
} one_class;

struct ffcl_class_names {
    char *text;
    one_class *classes;         /* (n) */
    size_t n;
};

/* ---- reading ------------------------------------------------------------------------------ */

/* "n01440764 " at the start of a line is a synset, as in the lists that go with ImageNet. */
static char *take_synset(char *line, char *synset)
{
    size_t n = line[0] == 'n' ? strspn(line + 1, "0123456789") : 0;
    *synset = '\0';
    if (n != 8 || !isspace((unsigned char)line[9]))
        return line;
    memcpy(synset, line, 9);
    synset[9] = '\0';
    return line + 9 + strspn(line + 9, " \t");
}

/* Cuts the text into lines; comments and empty lines count for nothing. */
static int cut_lines(ffcl_class_names *c, const char *which, ffcl_error *err)
{
    size_t number = 0, room = 0;
    for (char *line = c->text, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        number++;
        line[strcspn(line, "\r")] = '\0';
        line += strspn(line, " \t");
        if (*line == '#' || !*line)
            continue;
        if (c->n == MOST_CLASSES)
            return ffcl_fail(err, FFCL_ECONFIG, "%s has more than %d classes", which,
                             MOST_CLASSES);
        if (c->n == room) {
            room = room ? 2 * room : 1024;
            one_class *grown = realloc(c->classes, room * sizeof *grown);
            if (!grown)
                return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the names of classes");
            c->classes = grown;
        }
        one_class *one = &c->classes[c->n++];
        one->names = take_synset(line, one->synset);
        if (!one->names[strspn(one->names, ", \t")])
            return ffcl_fail(err, FFCL_ECONFIG, "%s:%zu: the line has no name", which, number);
        ffcl_text_clean((char *)one->names, 0);
    }
    if (!c->n)
        return ffcl_fail(err, FFCL_ECONFIG, "%s has no name of a class", which);
    return 0;
}

int ffcl_class_names_open(ffcl_class_names **out, const char *which, ffcl_error *err)
{
    ffcl_class_names *c = calloc(1, sizeof *c);
    size_t n = 0;
    int rc = c ? 0 : ffcl_fail(err, FFCL_ENOMEM, "out of memory for the names of classes");
    *out = NULL;
    if (!rc && strcmp(which, FFCL_IMAGENET_NAMES))
        rc = ffcl_input_read(&c->text, &n, which, MOST_BYTES, err);
    else if (!rc && !(c->text = ffcl_format("%.*s", (int)ffcl_imagenet_bytes,
                                            (const char *)ffcl_imagenet_text)))
        rc = ffcl_fail(err, FFCL_ENOMEM, "out of memory for the names of classes");
    if (!rc && n != strlen(c->text) && n)
        rc = ffcl_fail(err, FFCL_ECONFIG, "%s is no text: it holds a zero byte", which);
    if (!rc)
        rc = cut_lines(c, which, err);
    if (rc)
        ffcl_class_names_close(&c);
    *out = c;
    return rc;
}

void ffcl_class_names_close(ffcl_class_names **names)
{
    if (!*names)
        return;
    free((*names)->text);
    free((*names)->classes);
    free(*names);
    *names = NULL;
}

size_t ffcl_class_names_count(const ffcl_class_names *c)
{
    return c->n;
}

const char *ffcl_class_names_get(const ffcl_class_names *c, size_t label)
{
    return c->classes[label].names;
}

void ffcl_class_names_first(const ffcl_class_names *c, size_t label, char *text, size_t size)
{
    const char *names = c->classes[label].names;
    size_t n = strcspn(names, ",");
    while (n && isspace((unsigned char)names[n - 1]))
        n--;
    snprintf(text, size, "%.*s", (int)n, names);
}

/* ---- finding ------------------------------------------------------------------------------ */

static char fold(char c)
{
    return c == '_' ? ' ' : (char)tolower((unsigned char)c);
}

/* Does the pattern, (p_end) with * and ?, fit the whole name? */
static int fits(const char *p, const char *p_end, const char *name, const char *name_end)
{
    const char *star = NULL, *retry = NULL;
    while (name < name_end) {
        if (p < p_end && *p == '*') {
            star = p++;
            retry = name;
        } else if (p < p_end && (*p == '?' || fold(*p) == fold(*name))) {
            p++;
            name++;
        } else if (star) {          /* the last * takes one letter more */
            p = star + 1;
            name = ++retry;
        } else {
            return 0;
        }
    }
    while (p < p_end && *p == '*')
        p++;
    return p == p_end;
}

/* The next of the names from *at on, without blanks around it; its length, 0 at the end. */
static size_t next_name(const char **at, const char **name)
{
    *at += strspn(*at, ", \t");
    size_t n = strcspn(*at, ",");
    *name = *at;
    *at += n;
    while (n && isspace((unsigned char)(*name)[n - 1]))
        n--;
    return n;
}

int ffcl_class_names_match(const ffcl_class_names *c, size_t label, const char *text,
                           size_t length)
{
    const one_class *one = &c->classes[label];
    const char *at = one->names, *name;
    size_t n;
    if (*one->synset && strlen(one->synset) == length && !strncmp(one->synset, text, length))
        return 1;
    while ((n = next_name(&at, &name)))
        if (fits(text, text + length, name, name + n))
            return 1;
    return 0;
}

/* Do two letters beside each other make the difference? */
static int is_swapped(const char *a, const char *b)
{
    size_t i = 0;
    while (a[i] && a[i] == b[i])
        i++;
    return a[i] && b[i] && a[i] == b[i + 1] && a[i + 1] == b[i] && !strcmp(a + i + 2, b + i + 2);
}

/* How far a name is from the text: 0 where it has that word, 1 where one of its words begins so,
 * SIZE_MAX where it is too far. */
static size_t distance(const char *text, const char *name)
{
    const size_t n = strlen(text);
    int begins = 0;
    for (const char *at = strstr(name, text); n > 2 && at; at = strstr(at + 1, text))
        if (at == name || !isalpha((unsigned char)at[-1])) {
            if (!isalpha((unsigned char)at[n]))
                return 0;
            begins = 1;
        }
    if (begins)
        return 1;
    if (is_swapped(text, name))
        return 1;
    const size_t d = ffcl_edit_distance(text, name), most = n < 3 ? 0 : n < 6 ? 1 : n < 12 ? 2 : 3;
    return d <= most ? d : SIZE_MAX;
}

static void fold_text(char *out, const char *text, size_t length)
{
    size_t n = 0;
    for (size_t i = 0; i < length && n + 1 < NAME_BYTES; i++)
        if (text[i] != '*' && text[i] != '?')
            out[n++] = fold(text[i]);
    out[n] = '\0';
}

void ffcl_class_names_suggest(const ffcl_class_names *c, const char *text, size_t length,
                              char *list, size_t size)
{
    enum { MOST = 3 };
    char wanted[NAME_BYTES], folded[NAME_BYTES], first[NAME_BYTES];
    size_t labels[MOST], far[MOST], found = 0, used = 0;
    fold_text(wanted, text, length);
    *list = '\0';
    for (size_t label = 0; *wanted && label < c->n; label++) {
        const char *at = c->classes[label].names, *name;
        size_t n, least = SIZE_MAX;
        while ((n = next_name(&at, &name))) {
            fold_text(folded, name, n);
            least = ffcl_min(least, distance(wanted, folded));
        }
        size_t place = found;
        while (place && far[place - 1] > least)
            place--;
        if (least == SIZE_MAX || place == MOST)
            continue;
        for (size_t i = ffcl_min(found, MOST - 1); i > place; i--) {
            labels[i] = labels[i - 1];
            far[i] = far[i - 1];
        }
        labels[place] = label;
        far[place] = least;
        found = ffcl_min(found + 1, MOST);
    }
    for (size_t i = 0; i < found && used < size; i++) {
        ffcl_class_names_first(c, labels[i], first, sizeof first);
        used += (size_t)snprintf(list + used, size - used, "%s%s (%zu)", i ? ", " : "", first,
                                 labels[i]);
    }
}

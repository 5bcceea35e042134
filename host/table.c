/* SPDX-License-Identifier: MIT */
#include "table.h"

#include <stdio.h>
#include <string.h>

/* How far lines that go on below are moved in. */
enum { INDENT = 2 };

static int columns_of(const char *text, size_t length)
{
    int n = 0;
    for (size_t i = 0; i < length; i++)
        n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

int ffcl_columns_of(const char *text)
{
    return columns_of(text, strlen(text));
}

/* Blanks before column i; none before the first of a line. */
static int gap_of(const ffcl_table *t, size_t i)
{
    const int is_first = i == 0 || (t->is_stacked && i == t->n_names);
    return t->is_tight ? !is_first : t->column[i].gap;
}

/* Of the columns of one line, the numbers' where names have their own. */
static int width_of(const ffcl_table *t)
{
    int width = 0;
    for (size_t i = t->is_stacked ? t->n_names : 0; i < t->n; i++)
        if (!t->column[i].is_out)
            width += gap_of(t, i) + t->column[i].width;
    return width;
}

void ffcl_table_fit(ffcl_table *t)
{
    t->is_tight = width_of(t) > t->most;
    t->is_stacked = t->n_names && width_of(t) > t->most;
    while (width_of(t) > t->most) {
        size_t last = 0;
        for (size_t i = 0; i < t->n; i++)
            if (!t->column[i].is_out && t->column[i].rank > t->column[last].rank)
                last = i;
        if (t->column[last].rank == 0 || t->column[last].is_out)
            break;
        t->column[last].is_out = 1;
    }
}

/* A line under way: what has been written of it, and where it ends. */
typedef struct line {
    char *text;
    size_t size, used;
    int at;
} line;

static void add(line *l, int blanks, const char *text, size_t n)
{
    if (l->used < l->size)
        l->used += (size_t)snprintf(l->text + l->used, l->size - l->used, "%*s%.*s",
                                    blanks > 0 ? blanks : 0, "", (int)n, text);
    l->at += (blanks > 0 ? blanks : 0) + columns_of(text, n);
}

static void begin_line(line *l)
{
    add(l, 0, "\n", 1);
    l->at = 0;
}

/* From column `begin`, where nothing else is, or right after that; or below, for want of room. */
static void add_cell(line *l, int begin, const char *cell, int length, int most)
{
    if (begin <= l->at && l->at > 0)
        begin = l->at + 1;
    if (begin + length > most && l->at > INDENT) {
        begin_line(l);
        begin = INDENT;
    }
    /* Names may have several words. */
    size_t n = strspn(cell, " ");       /* a name may be moved in */
    for (; *cell; cell += n, cell += strspn(cell, " "), begin = l->at + 1, n = 0) {
        n += strcspn(cell + n, " ");
        if (begin + columns_of(cell, n) > most && l->at > INDENT) {
            begin_line(l);
            begin = INDENT;
        }
        add(l, begin - l->at, cell, n);
    }
}

/* Blanks are written when something follows them, so that no line ends in any.  A name that is too
 * long has a line of its own. */
static void add_cells(const ffcl_table *t, const char *const *cells, size_t from, size_t to,
                      line *l)
{
    int column = 0;
    for (size_t i = from; i < to; i++) {
        const ffcl_column *c = &t->column[i];
        if (c->is_out)
            continue;
        const int length = ffcl_columns_of(cells[i]), begin = column + gap_of(t, i);
        column = begin + c->width;
        if (!length)
            continue;
        add_cell(l, c->is_left ? begin : column - length, cells[i], length, t->most);
        if (c->is_left && length > c->width && i + 1 < to)
            begin_line(l);
    }
}

void ffcl_table_line(const ffcl_table *t, const char *const *cells, char *text, size_t size)
{
    line l = {.text = text, .size = size};
    text[0] = '\0';
    if (t->is_stacked) {
        add_cells(t, cells, 0, t->n_names, &l);
        begin_line(&l);
    }
    add_cells(t, cells, t->is_stacked ? t->n_names : 0, t->n, &l);
}

void ffcl_table_head(const ffcl_table *t, char *text, size_t size)
{
    const char *heads[FFCL_TABLE_MOST];
    for (size_t i = 0; i < t->n; i++)
        heads[i] = t->column[i].head;
    ffcl_table_line(t, heads, text, size);
}

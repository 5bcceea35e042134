/* SPDX-License-Identifier: MIT
 * Tables of text, and what becomes of one where the terminal has no room for it.  In this order:
 * the gaps between columns shrink, the names get a line of their own above the numbers, columns are
 * left out; what is still too wide goes on in a line below, but no cell is ever cut in two. */
#ifndef FFCL_TABLE_H
#define FFCL_TABLE_H

#include <stddef.h>

enum { FFCL_TABLE_MOST = 12 };

typedef struct ffcl_column {
    const char *head;
    int width;                  /* of the longest cell that is usual, the head's at least */
    int gap;                    /* blanks before it, where there is room; else one */
    int rank;                   /* those of the highest rank are left out first; 0: never */
    int is_left;                /* its cells begin at the left: names */
    int is_out;                 /* left out, says ffcl_table_fit */
} ffcl_column;

typedef struct ffcl_table {
    ffcl_column column[FFCL_TABLE_MOST];
    size_t n;
    size_t n_names;             /* of them, the first, that may have a line of their own; 0: none */
    int most;                   /* columns of the terminal; INT_MAX where none counts */
    int is_tight, is_stacked;   /* says ffcl_table_fit */
} ffcl_table;

/* Decides what the table looks like within t->most; once, before the first line. */
void ffcl_table_fit(ffcl_table *t);

/* The heads. */
void ffcl_table_head(const ffcl_table *t, char *text, size_t size);

/* A line, or more of them with newlines between, of a cell for each column; "" is a blank one. */
void ffcl_table_line(const ffcl_table *t, const char *const *cells, char *text, size_t size);

/* Columns that UTF-8 text takes, as far as every character takes one. */
int ffcl_columns_of(const char *text);

#endif

/* SPDX-License-Identifier: MIT */
#include "cl/choices.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct choice {
    ffcl_op op;
    size_t n, *sizes;
    const ffcl_variant *variant;
} choice;

/* A hash table with open addressing, at most half full. */
struct ffcl_choices {
    choice *table;
    size_t room, used;          /* room is a power of 2 */
};

enum { FIRST_ROOM = 256 };

void ffcl_sizes_add(ffcl_sizes *s, size_t number)
{
    assert(s->n < FFCL_MOST_SIZES);
    s->list[s->n++] = number;
}

/* Offsets count by what vectors need: 16 elements. */
void ffcl_sizes_tensor(ffcl_sizes *s, const ffcl_tensor *t)
{
    static const ffcl_tensor absent;
    if (!t)
        t = &absent;
    const size_t list[] = {t->at % 16, t->batch, t->rows,  t->cols,
                           t->ld,      t->stride, t->width, (size_t)t->dtype << 8 | t->layout};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        ffcl_sizes_add(s, list[i]);
}

int ffcl_choices_open(ffcl_ctx *ctx)
{
    ffcl_choices *c = calloc(1, sizeof *c);
    if (c)
        c->table = calloc(FIRST_ROOM, sizeof *c->table);
    if (!c || !c->table) {
        free(c);
        return ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for the choice of variants");
    }
    c->room = FIRST_ROOM;
    ctx->choices = c;
    return 0;
}

void ffcl_choices_forget(ffcl_ctx *ctx)
{
    ffcl_choices *c = ctx->choices;
    if (!c)
        return;
    for (size_t i = 0; i < c->room; i++)
        free(c->table[i].sizes);
    memset(c->table, 0, c->room * sizeof *c->table);
    c->used = 0;
}

void ffcl_choices_close(ffcl_ctx *ctx)
{
    if (!ctx->choices)
        return;
    ffcl_choices_forget(ctx);
    free(ctx->choices->table);
    free(ctx->choices);
    ctx->choices = NULL;
}

/* FNV-1a, a word at a time. */
static uint64_t hash(ffcl_op op, const size_t *sizes, size_t n)
{
    uint64_t h = 14695981039346656037u ^ op;
    for (size_t i = 0; i < n; i++)
        h = (h ^ sizes[i]) * 1099511628211u;
    return h ^ h >> 32;
}

static choice *find(choice *table, size_t room, ffcl_op op, const size_t *sizes, size_t n)
{
    size_t i = hash(op, sizes, n) & (room - 1);
    while (table[i].sizes && (table[i].op != op || table[i].n != n ||
                              memcmp(table[i].sizes, sizes, n * sizeof *sizes) != 0))
        i = (i + 1) & (room - 1);
    return &table[i];
}

static int grow(ffcl_choices *c)
{
    choice *table = calloc(2 * c->room, sizeof *table);
    if (!table)
        return -1;
    for (size_t i = 0; i < c->room; i++) {
        const choice *old = &c->table[i];
        if (old->sizes)
            *find(table, 2 * c->room, old->op, old->sizes, old->n) = *old;
    }
    free(c->table);
    c->table = table;
    c->room *= 2;
    return 0;
}

const ffcl_variant **ffcl_choices_at(ffcl_choices *choices, ffcl_op op, const ffcl_sizes *sizes)
{
    const size_t bytes = sizes->n * sizeof *sizes->list;
    if (!choices || (2 * choices->used >= choices->room && grow(choices) != 0))
        return NULL;
    choice *c = find(choices->table, choices->room, op, sizes->list, sizes->n);
    if (!c->sizes) {
        c->sizes = malloc(bytes);
        if (!c->sizes)
            return NULL;
        memcpy(c->sizes, sizes->list, bytes);
        c->op = op;
        c->n = sizes->n;
        choices->used++;
    }
    return &c->variant;
}

size_t ffcl_choices_count(const ffcl_choices *choices, ffcl_op op, const ffcl_variant *v)
{
    size_t n = 0;
    for (size_t i = 0; choices && i < choices->room; i++)
        n += choices->table[i].sizes && choices->table[i].op == op &&
             choices->table[i].variant == v;
    return n;
}

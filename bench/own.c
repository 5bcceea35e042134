/* SPDX-License-Identifier: MIT
 * Cases of shapes that were given, the variants of an operation side by side; and what variants are
 * called, which is as ffcl --profile has them: "softmax/group". */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "util.h"

/* Elements of a tensor that no device holds; what is below it can be counted in 64 bits. */
static const double most_elements = 0x1p40;

static int malformed(const char *text, ffcl_error *err)
{
    return ffcl_fail(err, FFCL_EUSAGE, "a shape is whole numbers above 0 such as 4096x4096x4096 or "
                     "1x64x64x512:512:3, not %.100s", text);
}

int ffcl_bench_parse_sizes(const char *text, struct ffcl_bench_sizes *sizes, ffcl_error *err)
{
    const char *at = text;
    *sizes = (struct ffcl_bench_sizes){.text = text};
    for (;; at++) {
        char *end;
        errno = 0;
        const unsigned long long number = isdigit((unsigned char)*at) ? strtoull(at, &end, 10) : 0;
        if (number == 0 || sizes->n == FFCL_MAX_DIMS)
            return malformed(text, err);
        if (errno || (double)number >= most_elements)
            return ffcl_fail(err, FFCL_EDEVMEM, "%.100s needs more memory than any device has",
                             text);
        sizes->size[sizes->n++] = (size_t)number;
        at = end;
        if (!*at)
            return 0;
        if (*at != 'x' && *at != ':')
            return malformed(text, err);
    }
}

const ffcl_operation *ffcl_bench_operation(const char *word)
{
    enum { SHORTEST = 4 };
    const size_t length = strlen(word);
    for (int i = 0; i < FFCL_N_OPS && length >= SHORTEST; i++)
        if (strncmp(ffcl_operations[i]->name, word, length) == 0)
            return ffcl_operations[i];
    return NULL;
}

void ffcl_bench_variant_text(ffcl_ctx *ctx, const ffcl_bench_case *c, char *text, size_t size)
{
    text[0] = '\0';
    if (!c->row->describe)
        return;
    const char *name = c->row->variant ? c->row->variant
                                       : ffcl_case_choice(ctx, c->row, &c->shape)->name;
    snprintf(text, size, "%s/%s", ffcl_operations[c->row->op]->name, name);
}

int ffcl_bench_is_variant(const char *asked, const char *text)
{
    const char *slash = strchr(text, '/');
    return strcmp(asked, text) == 0 || (slash && strcmp(asked, slash + 1) == 0);
}

int ffcl_bench_check_variant(const char *asked, const ffcl_operation *of, ffcl_error *err)
{
    char known[1024] = "", text[40];
    if (!asked)
        return 0;
    for (int i = 0; i < FFCL_N_OPS; i++)
        for (size_t k = 0; (!of || of == ffcl_operations[i]) && k < ffcl_operations[i]->n; k++) {
            const size_t used = strlen(known);
            snprintf(text, sizeof text, "%s/%s", ffcl_operations[i]->name,
                     ffcl_operations[i]->variants[k].name);
            if (ffcl_bench_is_variant(asked, text))
                return 0;
            snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", text);
        }
    return ffcl_fail(err, FFCL_EUSAGE, "there is no variant %.60s%s%s; there are %s", asked,
                     of ? " of " : "", of ? of->name : "", known);
}

/* How much a row does beside its operation. */
static int extras(const ffcl_row *row)
{
    int n = row->batch_invariant;
    for (unsigned uses = (unsigned)row->uses; uses; uses &= uses - 1)
        n++;
    return n;
}

typedef struct search {
    ffcl_ctx *ctx;
    const ffcl_bench_options *o;
    const ffcl_operation *op;       /* whose variants are wanted; NULL: rows by name */
    const ffcl_row *only;           /* or the one that is called so, though others contain it */
    ffcl_bench_case *cases;
    size_t n, room;
    char letters[256];              /* what the rows that match take */
    int has_count;                  /* one takes that many sizes, */
    char reason[160];               /* and why it cannot be timed */
} search;

static int matches(const search *s, const ffcl_row *row)
{
    if (strncmp(row->name, "ceiling_", 8) == 0)
        return 0;
    if (!s->op && s->only)
        return row == s->only;
    return s->op ? row->describe && ffcl_operations[row->op] == s->op
                 : ffcl_row_matches(s->o->pattern, row->name);
}

/* Rows of one variant, precision and unit are the same kernels, the plainest of which is timed. */
static int is_same_kernel(const ffcl_row *a, const ffcl_row *b)
{
    return a->dtype == b->dtype && a->unit == b->unit &&
           strcmp(a->variant ? a->variant : "", b->variant ? b->variant : "") == 0;
}

static void put(search *s, const ffcl_bench_case *c, size_t first)
{
    for (size_t i = first; s->op && i < s->n; i++)
        if (is_same_kernel(s->cases[i].row, c->row)) {
            if (extras(c->row) < extras(s->cases[i].row))
                s->cases[i] = *c;
            return;
        }
    s->cases[s->n++] = *c;
}

static void note_letters(search *s, const char *names)
{
    const size_t used = strlen(s->letters), length = strlen(names);
    /* A form may begin another: BxC and BxCxk. */
    for (const char *at = s->letters; (at = strstr(at, names)); at += length)
        if ((!at[length] || at[length] == ',') && (at == s->letters || at[-1] == ' '))
            return;
    /* The plainest form first. */
    if (used && length < strcspn(s->letters, ",")) {
        char others[sizeof s->letters];
        memcpy(others, s->letters, used + 1);
        snprintf(s->letters, sizeof s->letters, "%s, %.*s", names,
                 (int)(sizeof others - length - 3), others);
        return;
    }
    snprintf(s->letters + used, sizeof s->letters - used, "%s%s", used ? ", " : "", names);
}

/* Why the device is not to time it; NULL: it is. */
static const char *why_not(const search *s, const ffcl_bench_case *c, char reason[120])
{
    ffcl_case trial = {.ctx = s->ctx, .row = c->row, .shape = c->shape, .as_is = 1};
    ffcl_case_begin(&trial);
    const char *skip = ffcl_unit_is_emulated(s->ctx, c->row->unit) ? "its unit would be emulated"
                                                                   : ffcl_case_skip(&trial);
    snprintf(reason, 120, "%s", skip ? skip : "");
    ffcl_case_end(&trial);
    return skip ? reason : NULL;
}

static void try_row(search *s, const ffcl_row *row, const struct ffcl_bench_sizes *sizes,
                    size_t first)
{
    ffcl_bench_case c = {.row = row, .large = 1, .is_own = 1};
    char names[96], room[120];
    ffcl_row_sizes(row, names, sizeof names);
    note_letters(s, names);
    const char *reason = ffcl_row_shape(row, sizes->size, sizes->n, &c.shape);
    if (reason && strstr(reason, "another number"))
        return;
    s->has_count = 1;
    if (!reason && s->o->variant) {
        ffcl_bench_variant_text(s->ctx, &c, room, sizeof room);
        if (!ffcl_bench_is_variant(s->o->variant, room))
            return;
    }
    if (!reason)
        reason = why_not(s, &c, room);
    if (!reason && row->dtype == FFCL_F16 && s->ctx->matrix_unit == FFCL_UNIT_NONE && !s->o->all &&
        !s->o->variant && strcmp(row->name, s->o->pattern))
        reason = "half precision is not used on this device; --all times it";
    if (!reason)
        put(s, &c, first);
    else if (!*s->reason)
        snprintf(s->reason, sizeof s->reason, "%s: %s", row->name, reason);
}

static int check_size(const struct ffcl_bench_sizes *sizes, ffcl_error *err)
{
    double pair = 1.0;
    /* Two sizes of a GEMM make an operand; others have all of them in one. */
    for (size_t i = 0; i < sizes->n; i++)
        pair *= (double)sizes->size[i];
    return pair < 0x1p56 ? 0 : ffcl_fail(err, FFCL_EDEVMEM, "%.100s needs more memory than any "
                                         "device has", sizes->text);
}

static int find(search *s, const struct ffcl_bench_sizes *sizes, ffcl_error *err)
{
    const size_t first = s->n;
    const ffcl_row *row;
    int rc = check_size(sizes, err);
    s->letters[0] = s->reason[0] = '\0';
    s->has_count = 0;
    for (size_t i = 0; rc == 0 && (row = ffcl_row_at(i)); i++)
        if (matches(s, row))
            try_row(s, row, sizes, first);
    if (rc || s->n > first)
        return rc;
    if (!*s->letters)
        return ffcl_fail(err, FFCL_EUSAGE, "no kernel matches %s, and no operation is called so; "
                         "ffcl bench --list shows them", s->o->pattern);
    if (!*s->reason && s->has_count)
        return ffcl_fail(err, FFCL_EUSAGE, "no kernel of the variant %s takes %s %.100s",
                         s->o->variant, s->o->pattern, sizes->text);
    if (!*s->reason)
        return ffcl_fail(err, FFCL_EUSAGE, "%s takes %s, not %.100s", s->o->pattern, s->letters,
                         sizes->text);
    return ffcl_fail(err, FFCL_EUSAGE, "nothing can compute %s %.100s here: %s", s->o->pattern,
                     sizes->text, s->reason);
}

int ffcl_bench_own_cases(ffcl_bench_case **list, size_t *n, ffcl_ctx *ctx,
                         const ffcl_bench_options *o, ffcl_error *err)
{
    search s = {.ctx = ctx, .o = o, .op = ffcl_bench_operation(o->pattern),
                .only = ffcl_row_find(o->pattern)};
    while (ffcl_row_at(s.room))
        s.room++;
    s.room *= o->n_shapes;
    s.cases = malloc(s.room * sizeof *s.cases);
    *list = s.cases;
    if (!s.cases)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the list of cases");
    int rc = ffcl_bench_check_variant(o->variant, s.op, err);
    for (size_t i = 0; rc == 0 && i < o->n_shapes; i++)
        rc = find(&s, &o->shapes[i], err);
    *n = s.n;
    return rc;
}

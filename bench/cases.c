/* SPDX-License-Identifier: MIT
 * What there is to time: every row of the kernel registry, by the shapes that SiT-XL/2 and the
 * Stable Diffusion decoder give it where they would use it on this device, else by the tests'. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "gemm.h"

/* What a row could be used for by the models, and whether it is. */
typedef struct candidate {
    ffcl_bench_case what;
    int is_used;
} candidate;

typedef struct list {
    ffcl_ctx *ctx;
    candidate *of_models;
    ffcl_bench_case *cases;
    size_t n_models, n;
    size_t left_out;                /* rows */
} list;

static size_t count_rows(void)
{
    size_t n = 0;
    while (ffcl_row_at(n))
        n++;
    return n;
}

/* Half precision is for devices with a matrix unit, whose own rows are then used.  The GEMM of a
 * half convolution takes the unit in use, too, without naming a variant for it. */
int ffcl_bench_fits_device(const ffcl_ctx *ctx, const ffcl_row *row)
{
    if (row->dtype != FFCL_F16)
        return 1;
    const int by_unit = row->unit != FFCL_UNIT_NONE ||
                        (row->describe && row->op == FFCL_OP_CONVOLUTION);
    return ctx->matrix_unit != FFCL_UNIT_NONE && (!by_unit || row->unit == ctx->matrix_unit);
}

/* Would the model's call be computed as the row computes it? */
static int is_chosen(ffcl_ctx *ctx, const ffcl_bench_case *c)
{
    if (!ffcl_bench_fits_device(ctx, c->row))
        return 0;
    if (!c->row->variant)
        return 1;
    const ffcl_variant *v = ffcl_case_choice(ctx, c->row, &c->shape);
    return strcmp(v->name, c->row->variant) == 0;
}

static void add_uses(list *l, const ffcl_row *row, const ffcl_bench_options *o)
{
    ffcl_use uses[FFCL_USES_MOST];
    for (size_t i = 0; row->used && i < o->n_sizes * o->n_batches; i++) {
        const size_t size = o->sizes[i / o->n_batches], batch = o->batches[i % o->n_batches];
        const size_t n = row->used(row, &(ffcl_images_of){batch, size / 8}, uses);
        for (size_t k = 0; k < n; k++) {
            candidate *c = &l->of_models[l->n_models++];
            *c = (candidate){{.row = row, .shape = uses[k].shape, .large = 1}, 0};
            snprintf(c->what.role, sizeof c->what.role, "%zu/%zu %s", size, batch, uses[k].role);
            c->is_used = is_chosen(l->ctx, &c->what);
        }
    }
}

static int is_same_use(const candidate *a, const candidate *b)
{
    return a->what.row->dtype == b->what.row->dtype && strcmp(a->what.role, b->what.role) == 0;
}

/* A row without a variant takes what no row of a variant does, as the back end computes it; after
 * that each use has a row, or the registry lacks one. */
static int settle(list *l, ffcl_error *err)
{
    for (size_t i = 0; i < l->n_models; i++) {
        candidate *c = &l->of_models[i];
        for (size_t k = 0; c->what.row->describe && !c->what.row->variant && k < l->n_models; k++)
            if (l->of_models[k].is_used && l->of_models[k].what.row->variant &&
                is_same_use(c, &l->of_models[k]))
                c->is_used = 0;
    }
    for (size_t i = 0; i < l->n_models; i++) {
        const candidate *c = &l->of_models[i];
        int is_taken = c->what.row->dtype == FFCL_F16 && l->ctx->matrix_unit == FFCL_UNIT_NONE;
        for (size_t k = 0; k < l->n_models && !is_taken; k++)
            is_taken = l->of_models[k].is_used && is_same_use(c, &l->of_models[k]);
        if (!is_taken)
            return ffcl_fail(err, FFCL_EUSAGE, "no row of the kernel registry is what the models "
                             "have for %s on this device, though %s could be", c->what.role,
                             c->what.row->name);
    }
    return 0;
}

static void put(list *l, const ffcl_bench_case *c)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->cases[i].row == c->row &&
            memcmp(l->cases[i].shape.d, c->shape.d, sizeof c->shape.d) == 0)
            return;
    l->cases[l->n++] = *c;
}

/* Whether this device would take the row for the models' work, or, where they have none for it, for
 * its first shape. */
static int is_used(const list *l, const ffcl_row *row)
{
    int has_uses = 0;
    for (size_t i = 0; i < l->n_models; i++) {
        if (l->of_models[i].what.row != row)
            continue;
        if (l->of_models[i].is_used)
            return 1;
        has_uses = 1;
    }
    const ffcl_bench_case c = {.row = row, .shape = row->model[0].d[0] ? row->model[0]
                                                                       : row->awkward[0]};
    return !has_uses && is_chosen(l->ctx, &c);
}

/* The cases whose variant was asked for. */
static void keep_variant(list *l, size_t first, const char *variant)
{
    char text[40];
    size_t n = first;
    for (size_t i = first; variant && i < l->n; i++) {
        ffcl_bench_variant_text(l->ctx, &l->cases[i], text, sizeof text);
        if (ffcl_bench_is_variant(variant, text))
            l->cases[n++] = l->cases[i];
    }
    if (variant)
        l->n = n;
}

/* A row's cases: the models', or the tests' of a row that they do not use. */
static void put_row(list *l, const ffcl_row *row, const ffcl_bench_options *o)
{
    const size_t before = l->n;
    /* Those of ceilings are timed before all others. */
    if (strncmp(row->name, "ceiling_", 8) == 0)
        return;
    if (!o->all && !o->variant && strcmp(o->pattern, row->name) && !is_used(l, row)) {
        l->left_out++;
        return;
    }
    for (size_t i = 0; i < l->n_models; i++)
        if (l->of_models[i].is_used && l->of_models[i].what.row == row)
            put(l, &l->of_models[i].what);
    const int has_models = l->n > before;
    for (const ffcl_shape *s = row->model; !has_models && s->d[0]; s++)
        put(l, &(ffcl_bench_case){.row = row, .shape = *s});
    if (l->n == before)
        put(l, &(ffcl_bench_case){.row = row, .shape = row->awkward[0]});
    keep_variant(l, before, o->variant);
}

/* The most cases that a row can have. */
static size_t most_cases(const ffcl_row *row, const ffcl_bench_options *o)
{
    size_t n = FFCL_USES_MOST * o->n_sizes * o->n_batches + 1;
    for (const ffcl_shape *s = row->model; s->d[0]; s++)
        n++;
    return n;
}

static int no_cases(const list *l, const ffcl_bench_options *o, ffcl_error *err)
{
    const char *of = *o->pattern ? " matches " : "";
    if (l->left_out)
        return ffcl_fail(err, FFCL_EUSAGE, "no kernel that%s%s is used on this device; --all takes "
                         "all that match", *of ? of : " there is", o->pattern);
    return ffcl_fail(err, FFCL_EUSAGE, "no kernel%s%s%s%s; ffcl bench --list shows them", of,
                     o->pattern, o->variant ? " has the variant " : "",
                     o->variant ? o->variant : "");
}

int ffcl_bench_cases(ffcl_bench_case **out, size_t *n, size_t *left_out, ffcl_ctx *ctx,
                     const ffcl_bench_options *o, ffcl_error *err)
{
    const size_t rows = count_rows();
    list l = {.ctx = ctx};
    size_t room = 0;
    for (size_t i = 0; i < rows; i++)
        room += most_cases(ffcl_row_at(i), o);
    l.of_models = malloc(room * sizeof *l.of_models);
    l.cases = malloc(room * sizeof *l.cases);
    int rc = l.of_models && l.cases ? 0 : ffcl_fail(err, FFCL_ENOMEM,
                                                    "out of memory for the list of cases");
    if (rc == 0)
        rc = ffcl_bench_check_variant(o->variant, NULL, err);
    for (size_t i = 0; rc == 0 && i < rows; i++)
        add_uses(&l, ffcl_row_at(i), o);
    if (rc == 0)
        rc = settle(&l, err);
    for (size_t i = 0; rc == 0 && i < rows; i++)
        if (ffcl_row_matches(o->pattern, ffcl_row_at(i)->name))
            put_row(&l, ffcl_row_at(i), o);
    free(l.of_models);
    *out = l.cases;
    *n = l.n;
    *left_out = l.left_out;
    return rc == 0 && l.n == 0 ? no_cases(&l, o, err) : rc;
}

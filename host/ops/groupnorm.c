/* SPDX-License-Identifier: MIT
 * Group norm: moments of chunks of pixels, then means and deviations of groups, then the result. */
#include <stdio.h>

#include "cl/choices.h"
#include "cl/launch.h"
#include "ops/cost.h"
#include "util.h"

/* The most channels of the kernels that take eight at a time: 128 columns in a work-group, and
 * 16 KB of local memory. */
enum { WIDE_CHANNELS = 1024 };

/* Work-items of a work-group, and the most vectors of eight channels that one of them keeps. */
enum { ITEMS = 256, KEEP_MOST = 8 };

/* "fold": the most columns of eight channels of a work-group, groups that these belong to, and
 * chunks of all these groups, which are a quarter of what the work-group reads and writes then. */
enum { FOLD_COLUMNS = 8, FOLD_GROUPS = 16, FOLD_CHUNKS = 2048 };

/* Pixels of a chunk: at least 64, and so many that an image has at most 128 chunks. */
static size_t chunk_pixels(size_t P)
{
    return ffcl_max(64, ffcl_div_up(P, 128));
}

static size_t chunks_of(const ffcl_groupnorm_desc *d)
{
    return d->moments ? d->moments->cols / 2 : ffcl_div_up(d->x.rows, chunk_pixels(d->x.rows));
}

static size_t pixels_of_chunk(const ffcl_groupnorm_desc *d)
{
    return d->moments ? d->x.rows / chunks_of(d) : chunk_pixels(d->x.rows);
}

static const ffcl_kernel *kernel(ffcl_ctx *ctx, const ffcl_groupnorm_desc *d, const char *source,
                                 const char *name)
{
    return ffcl_kernel_get(ctx, source, name, ffcl_dtype_option(d->x.dtype));
}

static ffcl_tensor take_moments(ffcl_ctx *ctx, const ffcl_groupnorm_desc *d)
{
    return ffcl_take(ctx, ffcl_tensor_of(FFCL_F32, d->x.batch, d->groups, 2 * chunks_of(d)));
}

/* ---- moments -------------------------------------------------------------------------------- */

static ffcl_tensor moments_by_group(ffcl_ctx *ctx, const ffcl_groupnorm_desc *d)
{
    ffcl_tensor m = take_moments(ctx, d);
    const ffcl_kernel *k = kernel(ctx, d, "groupnorm", "groupnorm_partial");
    size_t local[3] = {ffcl_local_size(ctx, k, 128), 1, 1};
    size_t global[3] = {d->groups * local[0], chunks_of(d), d->x.batch};
    ffcl_work(ctx, ffcl_groupnorm_sums_cost(d));
    ffcl_launch(ctx, k, 3, global, local, FFCL_DENSE(&m), FFCL_DENSE(&d->x), FFCL_INT(d->x.rows),
                FFCL_INT(d->x.cols), FFCL_INT(d->groups), FFCL_INT(pixels_of_chunk(d)),
                FFCL_LOCAL(local[0] * sizeof(float)));
    return m;
}

/* Columns of eight channels, and pixel rows that fill a work-group of 256 with them. */
static ffcl_tensor moments_wide(ffcl_ctx *ctx, const ffcl_groupnorm_desc *d)
{
    ffcl_tensor m = take_moments(ctx, d);
    const ffcl_kernel *k = kernel(ctx, d, "groupnorm_wide", "groupnorm_partial_wide");
    size_t columns = d->x.cols / 8, rows = ffcl_max(ffcl_local_size(ctx, k, 256) / columns, 1);
    size_t local[2] = {columns * rows, 1};
    size_t global[2] = {chunks_of(d) * local[0], d->x.batch};
    ffcl_work(ctx, ffcl_groupnorm_sums_cost(d));
    ffcl_launch(ctx, k, 2, global, local, FFCL_DENSE(&m), FFCL_DENSE(&d->x), FFCL_INT(d->x.rows),
                FFCL_INT(d->x.cols), FFCL_INT(d->groups), FFCL_INT(pixels_of_chunk(d)),
                FFCL_INT(rows), FFCL_LOCAL(16 * local[0] * sizeof(float)));
    return m;
}

/* ---- on GPUs -------------------------------------------------------------------------------- */

static int is_wide(const ffcl_ctx *ctx, const ffcl_groupnorm_desc *d)
{
    const size_t C = d->x.cols;
    return C % 8 == 0 && C <= WIDE_CHANNELS && C / 8 <= ctx->device.caps.max_work_group;
}

/* Means and deviations (B, G, 2) of all chunks. */
static ffcl_tensor combine(ffcl_ctx *ctx, const ffcl_groupnorm_desc *d, const ffcl_tensor *m)
{
    ffcl_tensor stats = ffcl_take(ctx, ffcl_tensor_of(FFCL_F32, d->x.batch, d->groups, 2));
    const ffcl_kernel *k = kernel(ctx, d, "groupnorm_combine", "groupnorm_combine");
    size_t local = ffcl_local_size(ctx, k, 64), global = d->x.batch * d->groups * local;
    ffcl_launch(ctx, k, 1, &global, &local, FFCL_BUF(&stats), FFCL_BUF(m),
                FFCL_INT(chunks_of(d)), FFCL_INT(d->x.rows), FFCL_INT(pixels_of_chunk(d)),
                FFCL_INT(d->x.cols / d->groups), FFCL_FLOAT(d->eps),
                FFCL_LOCAL(local * sizeof(float)));
    return stats;
}

ffcl_tensor ffcl_groupnorm_stats(ffcl_ctx *ctx, const ffcl_groupnorm_desc *d)
{
    ffcl_tensor own = {0};
    if (!d->moments)
        own = is_wide(ctx, d) ? moments_wide(ctx, d) : moments_by_group(ctx, d);
    ffcl_tensor stats = combine(ctx, d, d->moments ? d->moments : &own);
    ffcl_give(ctx, &own);
    return stats;
}

/* The last step's work-groups: at most `widest` columns side by side, each work-item with eight
 * pixels of them. */
typedef struct grid {
    size_t local[3], global[3];
} grid;

static grid grid_of(const ffcl_ctx *ctx, const ffcl_kernel *k, const ffcl_groupnorm_desc *d,
                    size_t columns, size_t widest)
{
    size_t total = ffcl_local_size(ctx, k, ITEMS), width = 1;
    while (width < widest && width * 2 <= total && columns % (width * 2) == 0)
        width *= 2;
    width = ffcl_max(width, ffcl_min(widest / 2, total));
    const size_t rows = total / width;
    return (grid){{width, rows, 1},
                  {ffcl_round_up(columns, width),
                   ffcl_round_up(ffcl_div_up(d->x.rows, 8), rows), d->x.batch}};
}

static void apply(ffcl_ctx *ctx, const ffcl_groupnorm_desc *d, const ffcl_tensor *stats, int wide)
{
    const ffcl_kernel *k = wide ? kernel(ctx, d, "groupnorm_wide", "groupnorm_apply_wide")
                                : kernel(ctx, d, "groupnorm", "groupnorm_apply");
    const grid g = grid_of(ctx, k, d, wide ? d->x.cols / 8 : d->x.cols, 32);
    ffcl_work(ctx, ffcl_groupnorm_apply_cost(d));
    ffcl_launch(ctx, k, 3, g.global, g.local, FFCL_DENSE(&d->out), FFCL_DENSE(&d->x),
                FFCL_BUF(stats), FFCL_DENSE(&d->gamma), FFCL_DENSE(&d->beta), FFCL_INT(d->x.rows),
                FFCL_INT(d->x.cols), FFCL_INT(d->groups), FFCL_INT(d->act == FFCL_ACT_SILU));
}

static int group_can(const ffcl_ctx *ctx, const void *desc)
{
    (void)ctx, (void)desc;
    return 1;
}

static void three_steps(ffcl_ctx *ctx, const ffcl_groupnorm_desc *d, int wide)
{
    ffcl_tensor own = {0};
    if (!d->moments)
        own = wide ? moments_wide(ctx, d) : moments_by_group(ctx, d);
    ffcl_tensor stats = combine(ctx, d, d->moments ? d->moments : &own);
    apply(ctx, d, &stats, wide);
    ffcl_give(ctx, &stats);
    ffcl_give(ctx, &own);
}

static void group_run(ffcl_ctx *ctx, const void *desc)
{
    three_steps(ctx, desc, 0);
}

static int wide_can(const ffcl_ctx *ctx, const void *desc)
{
    return is_wide(ctx, desc);
}

static void wide_run(ffcl_ctx *ctx, const void *desc)
{
    three_steps(ctx, desc, 1);
}

/* The groups that the channels of a work-group may belong to. */
static size_t fold_groups(const ffcl_groupnorm_desc *d)
{
    const size_t channels = 8 * FOLD_COLUMNS, width = d->x.cols / d->groups;
    if (channels % width == 0)
        return channels / width;
    return width % channels == 0 ? 1 : (channels - 1) / width + 2;
}

static int fold_can(const ffcl_ctx *ctx, const void *desc)
{
    const ffcl_groupnorm_desc *d = desc;
    const size_t groups = fold_groups(d);
    return is_wide(ctx, d) && groups <= FOLD_GROUPS && groups * chunks_of(d) <= FOLD_CHUNKS &&
           ctx->device.caps.max_work_group >= ITEMS;
}

static void fold_run(ffcl_ctx *ctx, const void *desc)
{
    const ffcl_groupnorm_desc *d = desc;
    ffcl_tensor own = {0};
    if (!d->moments)
        own = moments_wide(ctx, d);
    char options[32];
    snprintf(options, sizeof options, "%s -DFOLD=1", ffcl_dtype_option(d->x.dtype));
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "groupnorm_wide", "groupnorm_apply_wide", options);
    const grid g = grid_of(ctx, k, d, d->x.cols / 8, FOLD_COLUMNS);
    size_t items = g.local[0] * g.local[1], team = 4;
    while (2 * team * fold_groups(d) <= items)
        team *= 2;
    ffcl_work(ctx, ffcl_groupnorm_apply_cost(d));
    ffcl_launch(ctx, k, 3, g.global, g.local, FFCL_DENSE(&d->out), FFCL_DENSE(&d->x),
                FFCL_BUF(d->moments ? d->moments : &own), FFCL_DENSE(&d->gamma),
                FFCL_DENSE(&d->beta), FFCL_INT(d->x.rows), FFCL_INT(d->x.cols), FFCL_INT(d->groups),
                FFCL_INT(d->act == FFCL_ACT_SILU), FFCL_INT(chunks_of(d)),
                FFCL_INT(pixels_of_chunk(d)), FFCL_FLOAT(d->eps), FFCL_INT(team),
                FFCL_LOCAL(items * sizeof(float)), FFCL_LOCAL(2 * items / team * sizeof(float)));
    ffcl_give(ctx, &own);
}

/* Vectors of eight channels that a work-item keeps of a group; 0: the group is too large. */
static size_t kept_vectors(const ffcl_ctx *ctx, const ffcl_groupnorm_desc *d)
{
    const size_t width = d->x.cols / d->groups;
    const size_t keep = ffcl_div_up(d->x.rows * width / 8, ITEMS);
    return width % 8 == 0 && ITEMS % (width / 8) == 0 && keep <= KEEP_MOST &&
                   ctx->device.caps.max_work_group >= ITEMS
               ? keep : 0;
}

static int kept_can(const ffcl_ctx *ctx, const void *desc)
{
    const ffcl_groupnorm_desc *d = desc;
    return !d->moments && kept_vectors(ctx, d);
}

static void kept_run(ffcl_ctx *ctx, const void *desc)
{
    const ffcl_groupnorm_desc *d = desc;
    char options[64];
    /* NVIDIA's compiler would otherwise save registers and keep fewer loads in flight. */
    snprintf(options, sizeof options, "%s -DKEEP=%zu%s", ffcl_dtype_option(d->x.dtype),
             kept_vectors(ctx, d), ctx->device.caps.nv_compute ? " -cl-nv-maxrregcount=168" : "");
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "groupnorm_kept", "groupnorm_kept", options);
    size_t local[2] = {ITEMS, 1}, global[2] = {d->groups * ITEMS, d->x.batch};
    ffcl_work(ctx, ffcl_groupnorm_cost(d));
    ffcl_launch(ctx, k, 2, global, local, FFCL_DENSE(&d->out), FFCL_DENSE(&d->x),
                FFCL_DENSE(&d->gamma), FFCL_DENSE(&d->beta), FFCL_INT(d->x.rows),
                FFCL_INT(d->x.cols), FFCL_INT(d->groups), FFCL_FLOAT(d->eps),
                FFCL_INT(d->act == FFCL_ACT_SILU), FFCL_LOCAL(ITEMS * sizeof(float)));
}

/* ---- on CPUs -------------------------------------------------------------------------------- */

/* A kernel for CPUs, where a barrier splits a kernel into loops; a vector holds whole groups or a
 * part of one. */
static const ffcl_kernel *row_kernel(ffcl_ctx *ctx, const ffcl_groupnorm_desc *d, const char *name)
{
    const size_t width = d->x.cols / d->groups;
    size_t vector = ffcl_vector(d->x.cols);
    char options[32];
    while (width % vector && vector % width)
        vector = vector > 4 ? vector / 2 : 1;
    snprintf(options, sizeof options, "-DVW=%zu %s", vector, ffcl_dtype_option(d->x.dtype));
    return ffcl_kernel_get(ctx, "groupnorm_row", name, options);
}

static ffcl_tensor moments_by_row(ffcl_ctx *ctx, const ffcl_groupnorm_desc *d)
{
    ffcl_tensor m = take_moments(ctx, d);
    const ffcl_kernel *k = row_kernel(ctx, d, "groupnorm_sums_row");
    size_t local[2] = {1, 1}, global[2] = {chunks_of(d), d->x.batch};
    ffcl_work(ctx, ffcl_groupnorm_sums_cost(d));
    ffcl_launch(ctx, k, 2, global, local, FFCL_DENSE(&m), FFCL_DENSE(&d->x), FFCL_INT(d->x.rows),
                FFCL_INT(d->x.cols), FFCL_INT(d->groups), FFCL_INT(pixels_of_chunk(d)),
                FFCL_INT(chunks_of(d)));
    return m;
}

static void row_run(ffcl_ctx *ctx, const void *desc)
{
    const ffcl_groupnorm_desc *d = desc;
    const size_t B = d->x.batch, P = d->x.rows, C = d->x.cols, G = d->groups;
    ffcl_tensor own = {0};
    if (!d->moments)
        own = moments_by_row(ctx, d);
    ffcl_tensor means = ffcl_take(ctx, ffcl_tensor_of(FFCL_F32, B, 2, C));
    const ffcl_kernel *k = row_kernel(ctx, d, "groupnorm_combine_row");
    size_t local = 8, global = ffcl_round_up(B * G, local);
    ffcl_launch(ctx, k, 1, &global, &local, FFCL_BUF(&means),
                FFCL_BUF(d->moments ? d->moments : &own), FFCL_DENSE(&d->gamma),
                FFCL_INT(chunks_of(d)), FFCL_INT(P), FFCL_INT(C), FFCL_INT(G),
                FFCL_INT(pixels_of_chunk(d)), FFCL_FLOAT(d->eps), FFCL_INT(B * G));
    k = row_kernel(ctx, d, "groupnorm_apply_row");
    global = ffcl_round_up(B * P, local);
    ffcl_work(ctx, ffcl_groupnorm_apply_cost(d));
    ffcl_launch(ctx, k, 1, &global, &local, FFCL_DENSE(&d->out), FFCL_DENSE(&d->x),
                FFCL_BUF(&means), FFCL_DENSE(&d->beta), FFCL_INT(P), FFCL_INT(C),
                FFCL_INT(d->act == FFCL_ACT_SILU), FFCL_INT(B * P));
    ffcl_give(ctx, &means);
    ffcl_give(ctx, &own);
}

/* ---- variants ------------------------------------------------------------------------------- */

static ffcl_cost cost(const void *desc)
{
    return ffcl_groupnorm_cost(desc);
}

static const ffcl_variant variants[] = {
    {"group", "with channels that are no multiple of 8, or more than 1024", group_can, NULL, cost,
     group_run},
    {"wide", "with many chunks: a work-item reads eight channels at a time", wide_can, NULL, cost,
     wide_run},
    {"fold", "with few chunks: the last step combines them, and a launch is saved", fold_can, NULL,
     cost, fold_run},
    {"kept", "with small images: a work-group keeps a group in registers and reads it once",
     kept_can, NULL, cost, kept_run},
    {"row", "on CPUs: a work-item has whole rows of pixels, without barriers", group_can,
     ffcl_on_cpu, cost, row_run},
};

static void sizes(ffcl_sizes *s, const void *desc)
{
    const ffcl_groupnorm_desc *d = desc;
    ffcl_sizes_tensor(s, &d->out);
    ffcl_sizes_tensor(s, &d->x);
    ffcl_sizes_tensor(s, d->moments);
    ffcl_sizes_add(s, d->groups);
    ffcl_sizes_add(s, d->act);
}

const ffcl_operation ffcl_groupnorm_operation = {FFCL_OP_GROUPNORM, "groupnorm", variants,
                                                 sizeof variants / sizeof *variants, sizes};

void ffcl_groupnorm(ffcl_ctx *ctx, const ffcl_groupnorm_desc *desc)
{
    ffcl_dispatch(ctx, &ffcl_groupnorm_operation, desc);
}

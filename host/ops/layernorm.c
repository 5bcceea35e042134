/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "cl/choices.h"
#include "cl/limits.h"
#include "ops/cost.h"
#include "util.h"

/* "kept": a work-item keeps up to KEEP_MOST quads of a row, of ROWS_MOST rows QUADS_MOST together.
 * Few work-items with many quads are best, as a sum over the work-group costs more than the loads
 * that it hides; but with partial sums there are many loads, and more work-items hide their
 * wait. */
enum { KEEP_MOST = 8, ROWS_MOST = 4, QUADS_MOST = 12, ITEMS_MOST = 128, ITEMS_OF_PARTIAL = 256 };

/* Work-items of a row: as many as leave the fewest without a quad, the larger number of two that
 * are equal in that.  partial: the partial sums that are added up. */
static size_t items_for(const ffcl_ctx *ctx, size_t D, size_t partial)
{
    size_t best = 64, quads = ffcl_div_up(D, 4);
    size_t most = ffcl_min(partial ? ITEMS_OF_PARTIAL : ITEMS_MOST,
                           ctx->device.caps.max_work_group);
    for (size_t items = 64; items <= most; items += 32)
        if (ffcl_round_up(quads, items) <= ffcl_round_up(quads, best) ||
            ffcl_div_up(quads, best) > KEEP_MOST)
            best = items;
    return best;
}

/* Rows of a work-group: as many as leave every compute unit four work-groups. */
static size_t rows_for(const ffcl_ctx *ctx, size_t B, size_t T, size_t keep)
{
    size_t rows = 1, units = ffcl_max(ctx->device.caps.units, 1);
    while (rows < ROWS_MOST && 2 * rows * keep <= QUADS_MOST && T % (2 * rows) == 0 &&
           B * T / (2 * rows) >= 4 * units)
        rows *= 2;
    return rows;
}

/* Can rows of D be kept in registers on this device? */
static int is_kept(const ffcl_ctx *ctx, size_t D, size_t partial)
{
    size_t items = items_for(ctx, D, partial);
    return D % 4 == 0 && ffcl_div_up(D / 4, items) <= KEEP_MOST &&
           items <= ctx->device.caps.max_work_group;
}

/* The options of cl/norm_options.clh, for SiT's norm none. */
static const char *options_of(const ffcl_layernorm_desc *d, char text[64])
{
    const int mod = !d->scale.cols ? 0 : d->shift.cols ? 2 : 1;
    const int rms = d->norm == FFCL_NORM_RMS, weight = d->weight.cols != 0;
    *text = '\0';
    if (rms || weight || mod != 2)
        snprintf(text, 64, " -DRMS=%d -DWEIGHT=%d -DMOD=%d", rms, weight, mod);
    return text;
}

/* What the kernel takes for the modulation: of one buffer, or, where there is none, any. */
static const ffcl_tensor *modulation_of(const ffcl_layernorm_desc *d)
{
    return d->scale.cols ? &d->scale : &d->out;
}

static const ffcl_kernel *kept_kernel(ffcl_ctx *ctx, const ffcl_layernorm_desc *d, size_t rows)
{
    const ffcl_residual *r = d->residual;
    const size_t D = d->x.cols, partial = r ? r->partial.batch : 0;
    const size_t items = items_for(ctx, D, partial), keep = ffcl_div_up(D / 4, items);
    const size_t gate = r ? r->gate.stride | r->gate.at : 0;
    const int aligned = (d->scale.stride | d->shift.at | d->scale.at | gate) % 4 == 0;
    char options[224], registers[48] = "", norm[64];
    /* NVIDIA's compiler would otherwise save registers and keep fewer loads in flight. */
    if (ctx->device.caps.nv_compute)
        snprintf(registers, sizeof registers, " -cl-nv-maxrregcount=%zu",
                 ffcl_min(4 * keep * (rows + partial + 2) + 88, 65536 / items / 8 * 8));
    snprintf(options, sizeof options, "-DKEEP=%zu -DROWS=%zu -DALIGNED=%d -DPARTS=%zu %s%s%s%s",
             keep, rows, aligned, partial, ffcl_dtype_option(d->out.dtype), registers,
             options_of(d, norm), r && !r->bias.cols ? " -DBIAS=0" : "");
    return ffcl_kernel_get(ctx, "layernorm", "layernorm_mod_kept", options);
}

static void launch(ffcl_ctx *ctx, const ffcl_kernel *k, const ffcl_layernorm_desc *d, size_t rows,
                   size_t local)
{
    enum { MOST = 17 };
    const size_t B = d->x.batch, T = d->x.rows, D = d->x.cols, global = B * T / rows * local;
    const ffcl_residual *r = d->residual;
    ffcl_arg args[MOST] = {FFCL_DENSE(&d->out), FFCL_DENSE(&d->x)};
    size_t n = 2;
    if (r) {
        const ffcl_arg more[] = {FFCL_DENSE(&r->add), FFCL_DENSE(&r->partial),
                                 FFCL_BUF(r->bias.cols ? &r->bias : &r->add), FFCL_BUF(&r->gate),
                                 FFCL_INT(r->gate.stride), FFCL_INT(r->gate.at)};
        memcpy(args + n, more, sizeof more);
        n += sizeof more / sizeof *more;
    }
    const ffcl_arg usual[] = {FFCL_BUF(modulation_of(d)), FFCL_INT(D), FFCL_INT(T),
                              FFCL_INT(d->scale.stride), FFCL_INT(d->shift.at),
                              FFCL_INT(d->scale.at), FFCL_FLOAT(d->eps),
                              FFCL_LOCAL(2 * rows * local * sizeof(float))};
    memcpy(args + n, usual, sizeof usual);
    n += sizeof usual / sizeof *usual;
    if (d->weight.cols)
        args[n++] = FFCL_DENSE(&d->weight);
    ffcl_work(ctx, ffcl_layernorm_cost(d));
    ffcl_launch_args(ctx, k, 1, &global, &local, args, n);
}

static int has_no_residual(const ffcl_ctx *ctx, const void *desc)
{
    const ffcl_layernorm_desc *d = desc;
    (void)ctx;
    return !d->residual;
}

static void group_run(ffcl_ctx *ctx, const void *desc)
{
    const ffcl_layernorm_desc *d = desc;
    char options[96], norm[64];
    snprintf(options, sizeof options, "%s%s", ffcl_dtype_option(d->out.dtype), options_of(d, norm));
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "layernorm", "layernorm_mod", options);
    launch(ctx, k, d, 1, ffcl_local_size(ctx, k, 128));
}

static int kept_can(const ffcl_ctx *ctx, const void *desc)
{
    const ffcl_layernorm_desc *d = desc;
    return is_kept(ctx, d->x.cols, d->residual ? d->residual->partial.batch : 0);
}

static void kept_run(ffcl_ctx *ctx, const void *desc)
{
    const ffcl_layernorm_desc *d = desc;
    const size_t D = d->x.cols, partial = d->residual ? d->residual->partial.batch : 0;
    const size_t local = items_for(ctx, D, partial);
    const size_t rows = rows_for(ctx, d->x.batch, d->x.rows,
                                 ffcl_div_up(D / 4, local) * ffcl_max(partial, 1));
    const ffcl_kernel *k = kept_kernel(ctx, d, rows);
    launch(ctx, k, d, rows, local);
}

static void row_run(ffcl_ctx *ctx, const void *desc)
{
    const ffcl_layernorm_desc *d = desc;
    const size_t n = d->x.batch * d->x.rows, D = d->x.cols;
    char options[96], norm[64];
    snprintf(options, sizeof options, "-DVW=%zu %s%s", ffcl_vector(D),
             ffcl_dtype_option(d->out.dtype), options_of(d, norm));
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "layernorm_row", "layernorm_mod_row", options);
    size_t local = ffcl_local_size(ctx, k, 8), global = ffcl_round_up(n, local);
    const ffcl_arg args[] = {FFCL_DENSE(&d->out), FFCL_DENSE(&d->x), FFCL_BUF(modulation_of(d)),
                             FFCL_INT(D), FFCL_INT(d->x.rows), FFCL_INT(d->scale.stride),
                             FFCL_INT(d->shift.at), FFCL_INT(d->scale.at), FFCL_FLOAT(d->eps),
                             FFCL_INT(n), FFCL_DENSE(&d->weight)};
    ffcl_work(ctx, ffcl_layernorm_cost(d));
    ffcl_launch_args(ctx, k, 1, &global, &local, args,
                     sizeof args / sizeof *args - !d->weight.cols);
}

static ffcl_cost cost(const void *desc)
{
    return ffcl_layernorm_cost(desc);
}

static const ffcl_variant variants[] = {
    {"group", "on GPUs with rows too long for registers: a work-group reads a row three times",
     has_no_residual, NULL, cost, group_run},
    {"kept", "on GPUs: a work-group keeps rows in registers, and adds up partial sums", kept_can,
     NULL, cost, kept_run},
    {"row", "on CPUs, where a barrier splits a kernel into loops: a work-item has a row",
     has_no_residual, ffcl_on_cpu, cost, row_run},
};

static void sizes(ffcl_sizes *s, const void *desc)
{
    const ffcl_layernorm_desc *d = desc;
    ffcl_sizes_tensor(s, &d->out);
    ffcl_sizes_tensor(s, &d->x);
    ffcl_sizes_tensor(s, &d->shift);
    ffcl_sizes_tensor(s, &d->scale);
    ffcl_sizes_tensor(s, &d->weight);
    ffcl_sizes_tensor(s, d->residual ? &d->residual->partial : NULL);
    ffcl_sizes_tensor(s, d->residual ? &d->residual->gate : NULL);
    ffcl_sizes_add(s, d->norm);
}

const ffcl_operation ffcl_layernorm_operation = {FFCL_OP_LAYERNORM, "layernorm", variants,
                                                 sizeof variants / sizeof *variants, sizes};

void ffcl_layernorm(ffcl_ctx *ctx, const ffcl_layernorm_desc *desc)
{
    ffcl_dispatch(ctx, &ffcl_layernorm_operation, desc);
}

int ffcl_layernorm_takes_residual(const ffcl_ctx *ctx, size_t D)
{
    const ffcl_variant *kept = ffcl_variant_find(&ffcl_layernorm_operation, "kept");
    return is_kept(ctx, D, 1) && !ffcl_is_ruled_out(ctx, kept);
}

/* SPDX-License-Identifier: MIT */
#include "model/sit.h"

#include <stdlib.h>
#include <string.h>

#include "gemm.h"
#include "model/pos_embed.h"
#include "model/sit_weights.h"
#include "util.h"

static const float norm_eps = 1e-6f;

int ffcl_sit_open(ffcl_sit **out, const ffcl_config *cfg, size_t heads_hint, ffcl_error *err)
{
    *out = NULL;
    ffcl_sit *sit = calloc(1, sizeof *sit);
    if (!sit)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the SiT model");
    int rc = ffcl_weights_open(&sit->weights, cfg->model.checkpoint, ffcl_sit_rename, NULL, err);
    if (rc == 0)
        rc = ffcl_sit_derive(sit, cfg, heads_hint, err);
    if (rc == 0)
        rc = ffcl_sit_table(sit, SIZE_MAX, err);
    if (rc == 0)
        rc = ffcl_weights_check(&sit->weights, "SiT checkpoint", err);
    if (rc)
        ffcl_sit_close(&sit);
    *out = sit;
    return rc;
}

void ffcl_sit_close(ffcl_sit **sit)
{
    ffcl_sit *s = *sit;
    if (!s)
        return;
    for (size_t i = 0; i < s->weights.n_rows; i++)
        ffcl_weight_release(s->weights.rows[i].to);
    ffcl_weight_release(&s->pos);
    if (s->fixed)
        clReleaseMemObject(s->fixed);
    for (size_t i = 0; s->embedders && i < s->d.embedders; i++)
        free(s->embedders[i].condition.prefix);
    ffcl_weights_close(&s->weights);
    free(s->embedders);
    free(s->blocks);
    free(s->groups);
    free(s);
    *sit = NULL;
}

const ffcl_sit_dims *ffcl_sit_dims_of(const ffcl_sit *sit)
{
    return &sit->d;
}

const ffcl_condition *ffcl_sit_condition(const ffcl_sit *sit, size_t i)
{
    return &sit->embedders[i].condition;
}

size_t ffcl_sit_bytes(const ffcl_sit *sit)
{
    size_t computed = sit->pos_in_file ? 0 : sit->pos.floats * sizeof(float);
    return ffcl_weights_bytes(&sit->weights) + computed;
}

size_t ffcl_sit_largest(const ffcl_sit *sit)
{
    return ffcl_weights_largest(&sit->weights);
}

int ffcl_sit_prepare(ffcl_sit *sit, ffcl_ctx *ctx, ffcl_store store)
{
    sit->store = store;
    sit->nmajor = store == FFCL_STORE_FLOAT && ffcl_gemm_takes_nmajor(ctx);
    int rc = ffcl_sit_table(sit, ctx->device.caps.max_alloc_bytes, ctx->err);
    return rc ? rc : ffcl_weights_check(&sit->weights, "SiT checkpoint", ctx->err);
}

static int load_computed_pos(ffcl_sit *sit, ffcl_ctx *ctx)
{
    float *table = malloc(sit->pos.floats * sizeof *table);
    if (!table)
        return ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for the position embedding");
    ffcl_pos_embed(table, sit->d.D, sit->d.G);
    size_t bytes = sit->pos.floats * sizeof *table;
    int rc = ffcl_buffer_create(ctx, &sit->pos.mem, bytes, "the position embedding");
    if (rc == 0)
        rc = ffcl_buffer_write(ctx, sit->pos.mem, 0, table, bytes);
    free(table);
    return rc;
}

int ffcl_sit_load(ffcl_sit *sit, ffcl_ctx *ctx, uint64_t *done, uint64_t total)
{
    int rc = sit->pos_in_file ? 0 : load_computed_pos(sit, ctx);
    return rc ? rc : ffcl_weights_load(&sit->weights, ctx, done, total);
}

static ffcl_product product_of(cl_mem out, cl_mem a, const ffcl_weight *w, const ffcl_weight *b,
                               size_t M, size_t N, size_t K, ffcl_epilogue epilogue)
{
    epilogue.has_bias = 1;
    epilogue.bias = b->mem;
    return (ffcl_product){.m = M, .n = N, .k = K, .a = a, .a_ld = K, .w = w->mem,
                          .w_ld = w->nmajor ? K : N, .w_nmajor = w->nmajor, .out = out,
                          .out_ld = N, .epilogue = epilogue};
}

/* out (M, N) = epilogue(a (M, K) w + b) for few rows. */
static int slim_linear(ffcl_ctx *ctx, cl_mem out, cl_mem a, const ffcl_weight *w,
                       const ffcl_weight *b, size_t M, size_t N, size_t K, ffcl_epilogue epilogue)
{
    ffcl_product p = product_of(out, a, w, b, M, N, K, epilogue);
    p.slim = 1;
    return ffcl_gemm(ctx, &p);
}

/* The same for the linear layers of the blocks, whose operands are stored as sit->store says; so
 * is out where out_stored is 1, and float32 otherwise.  parts: NULL, or where the product may be
 * left (ffcl_gemm_in_parts). */
static int block_linear(const ffcl_sit *sit, ffcl_ctx *ctx, cl_mem out, int out_stored, cl_mem a,
                        const ffcl_weight *w, const ffcl_weight *b, size_t M, size_t N, size_t K,
                        ffcl_epilogue epilogue, ffcl_parts *parts)
{
    ffcl_product p = product_of(out, a, w, b, M, N, K, epilogue);
    p.half = sit->store == FFCL_STORE_HALF;
    p.out_half = p.half && out_stored;
    return ffcl_gemm_in_parts(ctx, &p, parts);
}

static void swap(ffcl_buf *a, ffcl_buf *b)
{
    ffcl_buf t = *a;
    *a = *b;
    *b = t;
}

/* out = the embedding of one scalar a picture, + add where there is one; waves (B, 256) and hidden
 * (B, D) are scratch. */
static int embed(ffcl_ctx *ctx, const ffcl_sit_embedder *m, cl_mem out, cl_mem scalar, cl_mem waves,
                 cl_mem hidden, size_t B, size_t D, ffcl_epilogue add)
{
    int rc = ffcl_embed_scalar(ctx, waves, scalar, B);                          /* (B, 256) */
    if (rc == 0)
        rc = slim_linear(ctx, hidden, waves, &m->w0, &m->b0, B, D, 256,
                         (ffcl_epilogue){.act = FFCL_ACT_SILU});                /* (B, D) */
    return rc ? rc : slim_linear(ctx, out, hidden, &m->w1, &m->b1, B, D, D, add);
}

/* sum (B, D) = the sum of the scalar embeddings; takes it. */
static int embed_scalars(ffcl_sit *sit, ffcl_ctx *ctx, ffcl_buf *sum, const cl_mem *scalars,
                         size_t B, const ffcl_tap *tap)
{
    const size_t D = sit->d.D;
    ffcl_buf waves = {0}, hidden = {0}, next = {0};
    int rc = ffcl_take(ctx, sum, B * D);
    if (rc == 0)
        rc = ffcl_take(ctx, &waves, B * 256);
    if (rc == 0)
        rc = ffcl_take(ctx, &hidden, B * D);
    if (rc == 0)
        rc = ffcl_take(ctx, &next, B * D);
    for (size_t i = 0; rc == 0 && i < sit->d.embedders; i++) {
        const ffcl_sit_embedder *m = &sit->embedders[i];
        ffcl_epilogue add = {0};
        if (tap)
            rc = embed(ctx, m, next.mem, scalars[i], waves.mem, hidden.mem, B, D, add);
        if (rc == 0)
            rc = ffcl_tap_see(tap, ctx, next.mem, B, D, 0, "act.%.*s_embed",
                              (int)ffcl_min(strcspn(m->condition.prefix, "_"), 16),
                              m->condition.prefix);
        if (i)
            add = (ffcl_epilogue){.has_add = 1, .add = sum->mem, .add_ld = D, .add_rows = B};
        if (rc == 0)
            rc = embed(ctx, m, next.mem, scalars[i], waves.mem, hidden.mem, B, D, add);
        swap(sum, &next);
    }
    ffcl_give(ctx, &next);
    ffcl_give(ctx, &hidden);
    ffcl_give(ctx, &waves);
    return rc;
}

static int upload_values(ffcl_sit *sit, ffcl_ctx *ctx, cl_mem *scalars, const float *values)
{
    int rc = ffcl_buffer_create(ctx, &sit->fixed, sit->d.D * sizeof(float), "conditions");
    for (size_t i = 0; rc == 0 && i < sit->d.embedders; i++) {
        rc = ffcl_buffer_create(ctx, &scalars[i], sizeof(float), "a scalar");
        if (rc == 0)
            rc = ffcl_buffer_write(ctx, scalars[i], 0, &values[i], sizeof(float));
    }
    return rc;
}

int ffcl_sit_fix(ffcl_sit *sit, ffcl_ctx *ctx, const float *values)
{
    ffcl_buf sum = {0};
    cl_mem *scalars = calloc(sit->d.embedders + 1, sizeof *scalars);
    int rc = scalars ? 0 : ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for the conditions");
    if (rc == 0 && !ctx->planning && sit->d.embedders)
        rc = upload_values(sit, ctx, scalars, values);
    ctx->pictures = 1;
    if (rc == 0 && sit->d.embedders)
        rc = embed_scalars(sit, ctx, &sum, scalars, 1, NULL);
    if (rc == 0 && sit->fixed)
        rc = FFCL_CL(ctx->err, clEnqueueCopyBuffer(ctx->queue, sum.mem, sit->fixed, 0, 0,
                                                   sit->d.D * sizeof(float), 0, NULL, NULL));
    if (rc == 0 && sit->fixed)
        rc = ffcl_finish(ctx);
    ffcl_give(ctx, &sum);
    for (size_t i = 0; scalars && i < sit->d.embedders; i++)
        if (scalars[i])
            clReleaseMemObject(scalars[i]);
    free(scalars);
    return rc;
}

/* out (B, D), stored as the blocks' weights, = SiLU(label embedding + scalar embeddings); takes
 * it. */
static int condition(ffcl_sit *sit, ffcl_ctx *ctx, ffcl_buf *out, cl_mem y, const cl_mem *scalars,
                     size_t B, const ffcl_tap *tap)
{
    const int given = scalars && sit->d.embedders;
    const size_t rows = given ? B : sit->d.embedders ? 1 : 0;
    ffcl_buf sum = {0};
    int rc = ffcl_take_stored(ctx, out, B * sit->d.D, sit->store);
    if (rc == 0 && given)
        rc = embed_scalars(sit, ctx, &sum, scalars, B, tap);
    if (rc == 0)
        rc = ffcl_embed_condition(ctx, out->mem, sit->table.mem, y, given ? sum.mem : sit->fixed,
                                  rows, B, sit->d.D, sit->store);
    ffcl_give(ctx, &sum);
    return rc;
}

/* Every block's shift, scale and gate: mods[g] (B, columns) = c w + b, a product a group. */
static int modulations(ffcl_sit *sit, ffcl_ctx *ctx, ffcl_buf *mods, cl_mem c, size_t B)
{
    int rc = 0;
    for (size_t g = 0; rc == 0 && g < sit->n_groups; g++) {
        const ffcl_sit_modulations *m = &sit->groups[g];
        rc = ffcl_take(ctx, &mods[g], B * m->columns);
        if (rc == 0)
            rc = block_linear(sit, ctx, mods[g].mem, 0, c, &m->w, &m->b, B, m->columns, sit->d.D,
                              (ffcl_epilogue){0}, NULL);
    }
    return rc;
}

/* The buffers of one pass: x and y take turns as residual stream, h holds normed or attended
 * tokens, wide the qkv rows or the MLP's hidden units.  Where parts.n is not 0, x is yet to be
 * completed from residual, by the norm that reads it next. */
typedef struct stream {
    ffcl_buf x, y, h, wide;
    ffcl_parts parts;
    ffcl_residual residual;
    int leaves_parts;           /* products of this pass may do so */
} stream;

/* x += gate * (a w + b), the gate's columns at gate_at. */
static int gated_residual(ffcl_sit *sit, ffcl_ctx *ctx, stream *s, cl_mem a, const ffcl_weight *w,
                          const ffcl_weight *b, size_t B, size_t K, cl_mem mod, size_t ld,
                          size_t gate_at)
{
    const size_t D = sit->d.D, T = sit->d.T;
    int rc = block_linear(sit, ctx, s->y.mem, 0, a, w, b, B * T, D, K,
                    (ffcl_epilogue){.has_gate = 1, .gate = mod, .gate_at = gate_at, .gate_ld = ld,
                                    .gate_rows = T, .has_add = 1, .add = s->x.mem, .add_ld = D,
                                    .add_rows = B * T}, s->leaves_parts ? &s->parts : NULL);
    s->residual = (ffcl_residual){s->parts.buf.mem, s->parts.n, b->mem, s->x.mem, mod, ld, gate_at};
    swap(&s->x, &s->y);
    return rc;
}

/* h (M, D) = the norm of x, modulated. */
static int norm(const ffcl_sit *sit, ffcl_ctx *ctx, stream *s, const ffcl_modulation *mod, size_t B,
                ffcl_store store)
{
    const size_t D = sit->d.D, T = sit->d.T;
    if (!s->parts.n)
        return ffcl_layernorm_modulate(ctx, s->h.mem, s->x.mem, mod, B, T, D, norm_eps, store);
    int rc = ffcl_layernorm_residual(ctx, s->h.mem, s->x.mem, &s->residual, mod, B, T, D, norm_eps,
                                     store);
    ffcl_give(ctx, &s->parts.buf);
    s->parts.n = 0;
    return rc;
}

/* One transformer block.  Its six modulations are shift_a, scale_a, gate_a, shift_m, scale_m,
 * gate_m, each D columns. */
static int block(ffcl_sit *sit, ffcl_ctx *ctx, const ffcl_sit_block *b, stream *s,
                 const ffcl_buf *mods, size_t B)
{
    const size_t D = sit->d.D, T = sit->d.T, M = B * T, at = b->column;
    const size_t ld = sit->groups[b->group].columns;
    const cl_mem mod = mods[b->group].mem;
    const ffcl_modulation attn = {mod, ld, at, at + D}, mlp = {mod, ld, at + 3 * D, at + 4 * D};

    int rc = norm(sit, ctx, s, &attn, B, sit->store);
    if (rc == 0)
        rc = block_linear(sit, ctx, s->wide.mem, 1, s->h.mem, &b->qkv_w, &b->qkv_b, M, 3 * D, D,
                    (ffcl_epilogue){0}, NULL);                                  /* (M, 3D) */
    if (rc == 0)
        rc = ffcl_attention(ctx, s->h.mem, s->wide.mem, B, T, sit->d.H, sit->d.Dh,
                            sit->store, FFCL_ATTENTION_AUTO);                   /* (M, D) */
    if (rc == 0)
        rc = gated_residual(sit, ctx, s, s->h.mem, &b->proj_w, &b->proj_b, B, D, mod, ld,
                            at + 2 * D);

    if (rc == 0)
        rc = norm(sit, ctx, s, &mlp, B, sit->store);
    if (rc == 0)
        rc = block_linear(sit, ctx, s->wide.mem, 1, s->h.mem, &b->fc1_w, &b->fc1_b, M, sit->d.mlp,
                          D, (ffcl_epilogue){.act = FFCL_ACT_GELU}, NULL);      /* (M, mlp) */
    if (rc == 0)
        rc = gated_residual(sit, ctx, s, s->wide.mem, &b->fc2_w, &b->fc2_b, B, sit->d.mlp, mod, ld,
                            at + 5 * D);
    return rc;
}

/* x (B*T, D) = patches of z, embedded, plus position. */
static int embed_patches(ffcl_sit *sit, ffcl_ctx *ctx, stream *s, cl_mem z, size_t B,
                         const ffcl_tap *tap)
{
    const ffcl_sit_dims *d = &sit->d;
    const ffcl_patch_weights w = {sit->patch_w.mem, sit->patch_b.mem, sit->pos.mem};
    int rc = 0;
    if (tap)
        rc = ffcl_patch_embed(ctx, s->y.mem, z, &w, 0, B, d->C, d->R, d->p, d->D);
    if (rc == 0)
        rc = ffcl_tap_see(tap, ctx, s->y.mem, B * d->T, d->D, 0, "act.patch_embed");
    return rc ? rc : ffcl_patch_embed(ctx, s->x.mem, z, &w, 1, B, d->C, d->R, d->p, d->D);
}

/* out (B, C, R, R): norm, modulation, linear to p*p*Cout a token, unpatchify. */
static int final_layer(ffcl_sit *sit, ffcl_ctx *ctx, cl_mem out, stream *s, const ffcl_buf *mods,
                       size_t B, const ffcl_tap *tap)
{
    const ffcl_sit_dims *d = &sit->d;
    const size_t M = B * d->T, N = d->p * d->p * d->Cout;
    const ffcl_modulation mod = {mods[sit->final_group].mem, sit->groups[sit->final_group].columns,
                                 sit->final_column, sit->final_column + d->D};
    const ffcl_unpatch unpatch = {d->C, d->Cout, d->R, d->p};
    ffcl_product p = product_of(s->wide.mem, s->h.mem, &sit->final_w, &sit->final_b, M, N, d->D,
                                (ffcl_epilogue){0});
    p.slim = 1;
    int rc = norm(sit, ctx, s, &mod, B, FFCL_STORE_FLOAT);
    if (rc == 0 && tap)
        rc = ffcl_gemm(ctx, &p);                                                /* (M, N) */
    if (rc == 0)
        rc = ffcl_tap_see(tap, ctx, s->wide.mem, M, N, 0, "act.final");
    p.out = out;
    p.unpatch = &unpatch;
    return rc ? rc : ffcl_gemm(ctx, &p);
}

int ffcl_sit_forward(ffcl_sit *sit, ffcl_ctx *ctx, cl_mem out, cl_mem z, cl_mem y,
                     const cl_mem *scalars, size_t B, const ffcl_tap *tap)
{
    const ffcl_sit_dims *d = &sit->d;
    const size_t M = B * d->T, patch = d->p * d->p * d->Cout;
    ffcl_buf c = {0};
    ctx->pictures = B;
    /* A tap sees the stream between blocks, where it must be complete.  Parts are for engines on
     * which that was measured. */
    stream s = {.leaves_parts = !tap && ffcl_engine_is_nvidia(ctx->matrix_engine) &&
                                ffcl_layernorm_residual_fits(ctx, d->D)};
    ffcl_buf *mods = calloc(sit->n_groups, sizeof *mods);
    if (!mods)
        return ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for the modulations");

    int rc = condition(sit, ctx, &c, y, scalars, B, tap);
    if (rc == 0)
        rc = modulations(sit, ctx, mods, c.mem, B);
    if (rc == 0)
        rc = ffcl_take(ctx, &s.x, M * d->D);
    if (rc == 0)
        rc = ffcl_take(ctx, &s.y, M * d->D);
    if (rc == 0)
        rc = ffcl_take(ctx, &s.h, M * d->D);
    if (rc == 0)
        rc = ffcl_take(ctx, &s.wide, ffcl_max(M * patch, M * ffcl_max(3 * d->D, d->mlp) *
                                                             ffcl_store_bytes(sit->store) / 4));
    if (rc == 0)
        rc = embed_patches(sit, ctx, &s, z, B, tap);
    for (size_t i = 0; rc == 0 && i < d->L; i++) {
        rc = block(sit, ctx, &sit->blocks[i], &s, mods, B);
        if (rc == 0)
            rc = ffcl_tap_see(tap, ctx, s.x.mem, M, d->D, 0, "act.block%zu", i);
    }
    if (rc == 0)
        rc = final_layer(sit, ctx, out, &s, mods, B, tap);

    ffcl_give(ctx, &s.wide);
    ffcl_give(ctx, &s.h);
    ffcl_give(ctx, &s.y);
    ffcl_give(ctx, &s.x);
    for (size_t g = 0; g < sit->n_groups; g++)
        ffcl_give(ctx, &mods[g]);
    ffcl_give(ctx, &c);
    free(mods);
    return rc;
}

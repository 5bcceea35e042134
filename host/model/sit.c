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

/* out (M, N) = epilogue(a (M, K) w + b). */
static int linear(ffcl_ctx *ctx, cl_mem out, cl_mem a, const ffcl_weight *w, const ffcl_weight *b,
                  size_t M, size_t N, size_t K, ffcl_epilogue epilogue)
{
    epilogue.has_bias = 1;
    epilogue.bias = b->mem;
    ffcl_product p = {.m = M, .n = N, .k = K, .a = a, .a_ld = K, .w = w->mem,
                      .w_ld = w->nmajor ? K : N, .w_nmajor = w->nmajor, .out = out, .out_ld = N,
                      .epilogue = epilogue};
    return ffcl_gemm(ctx, &p);
}

/* The same for linear layers of the blocks, whose operands are stored as sit->store says; out is
 * too where out_stored is 1, and float32 otherwise. */
static int block_linear(const ffcl_sit *sit, ffcl_ctx *ctx, cl_mem out, int out_stored, cl_mem a,
                        const ffcl_weight *w, const ffcl_weight *b, size_t M, size_t N, size_t K,
                        ffcl_epilogue epilogue)
{
    if (sit->store == FFCL_STORE_FLOAT)
        return linear(ctx, out, a, w, b, M, N, K, epilogue);
    epilogue.has_bias = 1;
    epilogue.bias = b->mem;
    ffcl_product p = {.m = M, .n = N, .k = K, .a = a, .a_ld = K, .w = w->mem, .out = out,
                      .out_ld = N, .epilogue = epilogue, .half = 1, .out_half = out_stored};
    return ffcl_gemm(ctx, &p);
}

/* c (B, D) = label embedding + sum of the scalar embeddings. */
static int condition(ffcl_sit *sit, ffcl_ctx *ctx, cl_mem c, cl_mem y, const cl_mem *scalars,
                     size_t B, const ffcl_tap *tap)
{
    const size_t D = sit->d.D;
    ffcl_buf waves = {0}, hidden = {0}, e = {0};
    int rc = ffcl_embed_label(ctx, c, sit->table.mem, y, B, D);
    if (rc == 0)
        rc = ffcl_take(ctx, &waves, B * 256);
    if (rc == 0)
        rc = ffcl_take(ctx, &hidden, B * D);
    if (rc == 0)
        rc = ffcl_take(ctx, &e, B * D);
    for (size_t i = 0; rc == 0 && i < sit->d.embedders; i++) {
        const ffcl_sit_embedder *m = &sit->embedders[i];
        rc = ffcl_embed_scalar(ctx, waves.mem, scalars[i], B);                      /* (B, 256) */
        if (rc == 0)
            rc = linear(ctx, hidden.mem, waves.mem, &m->w0, &m->b0, B, D, 256,
                        (ffcl_epilogue){.act = FFCL_ACT_SILU});                     /* (B, D) */
        if (rc == 0)
            rc = linear(ctx, e.mem, hidden.mem, &m->w1, &m->b1, B, D, D, (ffcl_epilogue){0});
        if (rc == 0)
            rc = ffcl_tap_see(tap, ctx, e.mem, B, D, 0, "act.%.*s_embed",
                              (int)ffcl_min(strcspn(m->condition.prefix, "_"), 16),
                              m->condition.prefix);
        if (rc == 0)
            rc = ffcl_add(ctx, c, e.mem, B * D);
    }
    ffcl_give(ctx, &e);
    ffcl_give(ctx, &hidden);
    ffcl_give(ctx, &waves);
    return rc;
}

/* Every block's shift, scale and gate: mods[g] (B, columns) = SiLU(c) w + b, a product a group. */
static int modulations(ffcl_sit *sit, ffcl_ctx *ctx, ffcl_buf *mods, cl_mem c, size_t B)
{
    const size_t D = sit->d.D;
    const int half = sit->store == FFCL_STORE_HALF;
    ffcl_buf activated = {0}, rounded = {0};
    int rc = ffcl_take(ctx, &activated, B * D);
    if (rc == 0)
        rc = ffcl_silu(ctx, activated.mem, c, B * D);
    if (rc == 0 && half)
        rc = ffcl_take_stored(ctx, &rounded, B * D, sit->store);
    if (rc == 0 && half)
        rc = ffcl_cast_to_half(ctx, rounded.mem, 0, activated.mem, B * D);
    for (size_t g = 0; rc == 0 && g < sit->n_groups; g++) {
        const ffcl_sit_modulations *m = &sit->groups[g];
        rc = ffcl_take(ctx, &mods[g], B * m->columns);
        if (rc == 0)
            rc = block_linear(sit, ctx, mods[g].mem, 0, half ? rounded.mem : activated.mem, &m->w,
                              &m->b, B, m->columns, D, (ffcl_epilogue){0});
    }
    ffcl_give(ctx, &rounded);
    ffcl_give(ctx, &activated);
    return rc;
}

/* The buffers of one pass: x and y take turns as residual stream, h holds normed or attended
 * tokens, wide the qkv rows or the MLP's hidden units. */
typedef struct stream {
    ffcl_buf x, y, h, wide;
} stream;

static void swap(ffcl_buf *a, ffcl_buf *b)
{
    ffcl_buf t = *a;
    *a = *b;
    *b = t;
}

/* out = x + gate * (a w + b), the gate's columns at gate_at. */
static int gated_residual(ffcl_sit *sit, ffcl_ctx *ctx, stream *s, cl_mem a, const ffcl_weight *w,
                          const ffcl_weight *b, size_t B, size_t K, cl_mem mod, size_t ld,
                          size_t gate_at)
{
    const size_t D = sit->d.D, T = sit->d.T;
    int rc = block_linear(sit, ctx, s->y.mem, 0, a, w, b, B * T, D, K,
                    (ffcl_epilogue){.has_gate = 1, .gate = mod, .gate_at = gate_at, .gate_ld = ld,
                                    .gate_rows = T, .has_add = 1, .add = s->x.mem, .add_ld = D,
                                    .add_rows = B * T});
    swap(&s->x, &s->y);
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

    int rc = ffcl_layernorm_modulate(ctx, s->h.mem, s->x.mem, &attn, B, T, D, norm_eps, sit->store);
    if (rc == 0)
        rc = block_linear(sit, ctx, s->wide.mem, 1, s->h.mem, &b->qkv_w, &b->qkv_b, M, 3 * D, D,
                    (ffcl_epilogue){0});                                        /* (M, 3D) */
    if (rc == 0)
        rc = ffcl_attention(ctx, s->h.mem, s->wide.mem, B, T, sit->d.H, sit->d.Dh,
                            sit->store, FFCL_ATTENTION_AUTO);                   /* (M, D) */
    if (rc == 0)
        rc = gated_residual(sit, ctx, s, s->h.mem, &b->proj_w, &b->proj_b, B, D, mod, ld,
                            at + 2 * D);

    if (rc == 0)
        rc = ffcl_layernorm_modulate(ctx, s->h.mem, s->x.mem, &mlp, B, T, D, norm_eps, sit->store);
    if (rc == 0)
        rc = block_linear(sit, ctx, s->wide.mem, 1, s->h.mem, &b->fc1_w, &b->fc1_b, M, sit->d.mlp,
                          D, (ffcl_epilogue){.act = FFCL_ACT_GELU});            /* (M, mlp) */
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
    const size_t M = B * d->T, K = d->C * d->p * d->p;
    const ffcl_epilogue position = {.has_add = 1, .add = sit->pos.mem, .add_ld = d->D,
                                    .add_rows = d->T};
    int rc = ffcl_patchify(ctx, s->h.mem, z, B, d->C, d->R, d->p);              /* (M, C*p*p) */
    if (rc == 0 && tap) {
        rc = linear(ctx, s->y.mem, s->h.mem, &sit->patch_w, &sit->patch_b, M, d->D, K,
                    (ffcl_epilogue){0});
        if (rc == 0)
            rc = ffcl_tap_see(tap, ctx, s->y.mem, M, d->D, 0, "act.patch_embed");
    }
    if (rc == 0)
        rc = linear(ctx, s->x.mem, s->h.mem, &sit->patch_w, &sit->patch_b, M, d->D, K, position);
    return rc;
}

/* out (B, C, R, R): norm, modulation, linear to p*p*Cout a token, unpatchify. */
static int final_layer(ffcl_sit *sit, ffcl_ctx *ctx, cl_mem out, stream *s, const ffcl_buf *mods,
                       size_t B, const ffcl_tap *tap)
{
    const ffcl_sit_dims *d = &sit->d;
    const size_t M = B * d->T, N = d->p * d->p * d->Cout;
    const ffcl_modulation mod = {mods[sit->final_group].mem, sit->groups[sit->final_group].columns,
                                 sit->final_column, sit->final_column + d->D};
    int rc = ffcl_layernorm_modulate(ctx, s->h.mem, s->x.mem, &mod, B, d->T, d->D, norm_eps,
                                     FFCL_STORE_FLOAT);
    if (rc == 0)
        rc = linear(ctx, s->wide.mem, s->h.mem, &sit->final_w, &sit->final_b, M, N, d->D,
                    (ffcl_epilogue){0});                                        /* (M, N) */
    if (rc == 0)
        rc = ffcl_tap_see(tap, ctx, s->wide.mem, M, N, 0, "act.final");
    if (rc == 0)
        rc = ffcl_unpatchify(ctx, out, s->wide.mem, B, d->C, d->Cout, d->R, d->p);
    return rc;
}

int ffcl_sit_forward(ffcl_sit *sit, ffcl_ctx *ctx, cl_mem out, cl_mem z, cl_mem y,
                     const cl_mem *scalars, size_t B, const ffcl_tap *tap)
{
    const ffcl_sit_dims *d = &sit->d;
    const size_t M = B * d->T, patch = d->p * d->p * ffcl_max(d->C, d->Cout);
    ffcl_buf c = {0};
    ctx->pictures = B;
    stream s = {0};
    ffcl_buf *mods = calloc(sit->n_groups, sizeof *mods);
    if (!mods)
        return ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for the modulations");

    int rc = ffcl_take(ctx, &c, B * d->D);
    if (rc == 0)
        rc = condition(sit, ctx, c.mem, y, scalars, B, tap);
    if (rc == 0)
        rc = modulations(sit, ctx, mods, c.mem, B);
    if (rc == 0)
        rc = ffcl_take(ctx, &s.x, M * d->D);
    if (rc == 0)
        rc = ffcl_take(ctx, &s.y, M * d->D);
    if (rc == 0)
        rc = ffcl_take(ctx, &s.h, M * ffcl_max(d->D, patch));
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

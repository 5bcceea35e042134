/* SPDX-License-Identifier: MIT */
#include "model/sit.h"

#include <stdlib.h>
#include <string.h>

#include "model/pos_embed.h"
#include "model/sit_weights.h"
#include "ops/ops.h"
#include "model/weights_map.h"
#include "util.h"

/* torch.nn.LayerNorm's, of heads. */
static const float norm_eps = 1e-6f, head_layer_eps = 1e-5f;

int ffcl_sit_open(ffcl_sit **out, const ffcl_config *cfg, const ffcl_sit_hints *hints,
                  ffcl_error *err)
{
    ffcl_tensor_file *file = NULL;
    *out = NULL;
    ffcl_sit *sit = calloc(1, sizeof *sit);
    if (!sit)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the SiT model");
    int rc = ffcl_tensor_file_open_as(&file, cfg->model.checkpoint, cfg->model.wrapper, 0, err);
    if (rc == 0)
        rc = ffcl_family_names(&sit->names, cfg, file, err);
    ffcl_tensor_file_close(&file);
    if (rc == 0)
        rc = ffcl_weights_open(&sit->weights, cfg->model.checkpoint, cfg->model.wrapper, 0,
                               ffcl_sit_rename, &sit->names, err);
    if (rc == 0)
        rc = ffcl_sit_derive(sit, cfg, hints, err);
    if (rc == 0)
        rc = ffcl_sit_table(sit, SIZE_MAX, err);
    if (rc == 0)
        rc = ffcl_weights_check(&sit->weights, "SiT checkpoint", "model.checkpoint", err);
    sit->names.ignore = NULL;       /* cfg's, which may go first */
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
    ffcl_weight_release(&s->rope);
    ffcl_sit_unfix(s);
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

const char *ffcl_sit_prefix(const ffcl_sit *sit)
{
    return sit->names.prefix;
}

void ffcl_sit_describe(const ffcl_sit *sit, char *text, size_t size)
{
    ffcl_weights_describe(&sit->weights, sit->names.prefix, text, size);
}

const ffcl_condition *ffcl_sit_condition(const ffcl_sit *sit, size_t i)
{
    return &sit->embedders[i].condition;
}

size_t ffcl_sit_bytes(const ffcl_sit *sit)
{
    const size_t computed = (sit->pos_in_file ? 0 : ffcl_count(&sit->pos)) + ffcl_count(&sit->rope);
    return ffcl_weights_bytes(&sit->weights) + computed * sizeof(float);
}

size_t ffcl_sit_mapped_bytes(const ffcl_sit *sit, const ffcl_ctx *ctx)
{
    return ffcl_weights_mapped_bytes(&sit->weights, ctx);
}

size_t ffcl_sit_largest_bytes(const ffcl_sit *sit)
{
    return ffcl_weights_largest_bytes(&sit->weights);
}

int ffcl_sit_prepare(ffcl_sit *sit, ffcl_ctx *ctx, ffcl_dtype dtype)
{
    sit->dtype = dtype;
    sit->layout = dtype == FFCL_F32 && ffcl_gemm_takes_columns(ctx) ? FFCL_COLUMNS : FFCL_ROWS;
    int rc = ffcl_sit_table(sit, ctx->device.caps.max_alloc_bytes, ctx->err);
    return rc ? rc : ffcl_weights_check(&sit->weights, "SiT checkpoint",
                                                "model.checkpoint", ctx->err);
}

/* Creates t's buffer and fills it with the table, which is freed. */
static int upload_table(ffcl_ctx *ctx, ffcl_tensor *t, float *table, const char *what)
{
    const size_t bytes = ffcl_count(t) * sizeof(float);
    int rc = ffcl_buffer_create(ctx, &t->mem, bytes, what);
    if (rc == 0)
        rc = ffcl_buffer_write(ctx, t->mem, 0, table, bytes);
    free(table);
    return rc;
}

static int load_computed_pos(ffcl_sit *sit, ffcl_ctx *ctx)
{
    float *table = malloc(ffcl_count(&sit->pos) * sizeof *table);
    if (!table)
        return ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for the position embedding");
    ffcl_pos_embed(table, sit->d.D, sit->d.G);
    return upload_table(ctx, &sit->pos, table, "the position embedding");
}

/* Where the file has the table, that is taken, as a model may have been trained with another. */
static int load_rope(ffcl_sit *sit, ffcl_ctx *ctx)
{
    float *table = malloc(ffcl_count(&sit->rope) * sizeof *table);
    if (!table)
        return ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for the rotary embedding");
    ffcl_rope_table(table, sit->form.rope, sit->d.N - sit->d.T, sit->d.G, sit->d.Dh);
    int rc = ffcl_rope_from_file(table, &sit->weights, sit->d.T, sit->d.Dh, ctx->err);
    if (rc) {
        free(table);
        return rc;
    }
    return upload_table(ctx, &sit->rope, table, "the rotary embedding");
}

int ffcl_sit_load(ffcl_sit *sit, ffcl_ctx *ctx, uint64_t *done, uint64_t total)
{
    int rc = sit->pos_in_file || !sit->pos.cols ? 0 : load_computed_pos(sit, ctx);
    if (rc == 0 && sit->rope.cols)
        rc = load_rope(sit, ctx);
    return rc ? rc : ffcl_weights_load(&sit->weights, ctx, done, total);
}

/* ---- conditioning --------------------------------------------------------------------------- */

/* out = the embedding of a scalar for each image, B rows of D, + add where there is one. */
static void embed(ffcl_ctx *ctx, const ffcl_sit_embedder *e, const ffcl_tensor *out,
                  const ffcl_tensor *scalar, const ffcl_tensor *add)
{
    const size_t B = out->batch * out->rows, D = out->cols;
    ffcl_tensor frequencies = ffcl_take(ctx, ffcl_tensor_of(FFCL_F32, B, 1, 256));
    ffcl_tensor hidden = ffcl_take(ctx, ffcl_tensor_of(FFCL_F32, B, 1, D));
    ffcl_embed_scalar(ctx, &frequencies, scalar);                           /* (B, 1, 256) */
    ffcl_gemm(ctx, &(ffcl_matmul){.out = hidden, .a = frequencies, .w = e->in.w, .bias = &e->in.b,
                                  .act = FFCL_ACT_SILU, .skinny = 1});      /* (B, 1, D) */
    ffcl_gemm(ctx, &(ffcl_matmul){.out = *out, .a = hidden, .w = e->out.w, .bias = &e->out.b,
                                  .add = add, .skinny = 1});                /* (B, 1, D) */
    ffcl_give(ctx, &hidden);
    ffcl_give(ctx, &frequencies);
}

static void swap(ffcl_tensor *a, ffcl_tensor *b)
{
    ffcl_tensor t = *a;
    *a = *b;
    *b = t;
}

/* The scalar embeddings of prefix tokens, side by side: (B, kinds, D), from the arena. */
static ffcl_tensor embed_kinds(const ffcl_sit *sit, ffcl_ctx *ctx, const ffcl_tensor *scalars,
                               size_t B)
{
    const size_t D = sit->d.D, kinds = sit->form.kinds;
    ffcl_tensor all = ffcl_take(ctx, ffcl_tensor_of(FFCL_F32, B, kinds, D));
    ffcl_tensor rows = ffcl_tensor_in(all.mem, ffcl_tensor_of(FFCL_F32, 1, B, kinds * D));
    for (size_t k = 0; k < kinds; k++) {
        const ffcl_tensor one = ffcl_cols(rows, k * D, D);
        embed(ctx, &sit->embedders[k], &one, &scalars[k], NULL);
    }
    return all;
}

/* The sum (B, 1, D) of the scalar embeddings, or embed_kinds, from the arena. */
static ffcl_tensor embed_scalars(const ffcl_sit *sit, ffcl_ctx *ctx, const ffcl_tensor *scalars,
                                 size_t B, const ffcl_tap *tap)
{
    if (sit->form.kinds)
        return embed_kinds(sit, ctx, scalars, B);
    ffcl_tensor sum = ffcl_take(ctx, ffcl_tensor_of(FFCL_F32, B, 1, sit->d.D));
    ffcl_tensor next = ffcl_take(ctx, sum);
    for (size_t i = 0; i < sit->d.embedders; i++) {
        const ffcl_sit_embedder *e = &sit->embedders[i];
        const char *prefix = e->condition.prefix;
        if (tap)
            embed(ctx, e, &next, &scalars[i], NULL);
        ffcl_tap_see(tap, ctx, &next, "act.%.*s_embed", (int)ffcl_min(strcspn(prefix, "_"), 16),
                     prefix);
        embed(ctx, e, &next, &scalars[i], i ? &sum : NULL);
        swap(&sum, &next);
    }
    ffcl_give(ctx, &next);
    return sum;
}

size_t ffcl_sit_inputs(const ffcl_sit *sit)
{
    return sit->d.embedders * (sit->d.split == SIZE_MAX ? 1 : 2);
}

static int upload_values(ffcl_ctx *ctx, ffcl_tensor *scalars, size_t n, const float *values)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const size_t bytes = scalars[i].batch * sizeof(float);
        rc = ffcl_buffer_create(ctx, &scalars[i].mem, bytes, "a scalar");
        if (rc == 0)
            rc = ffcl_buffer_write(ctx, scalars[i].mem, 0, values + i * scalars[i].batch, bytes);
    }
    return rc;
}

/* The sums of the embeddings of scalars, of all moments, into sit->fixed[set]. */
static void fix_set(ffcl_sit *sit, ffcl_ctx *ctx, const ffcl_tensor *scalars, size_t moments,
                    int set)
{
    const size_t each = ffcl_max(sit->form.kinds, 1);
    const size_t bytes = moments * each * sit->d.D * sizeof(float);
    ffcl_tensor *fixed = &sit->fixed[set];
    *fixed = ffcl_tensor_in(fixed->mem, ffcl_tensor_of(FFCL_F32, moments, each, sit->d.D));
    if (!ctx->planning && !fixed->mem)
        ffcl_ctx_keep(ctx, ffcl_buffer_create(ctx, &fixed->mem, bytes, "conditions"));
    ffcl_tensor sum = embed_scalars(sit, ctx, scalars, moments, NULL);
    if (!ctx->planning && !ctx->status)
        ffcl_ctx_keep(ctx, FFCL_CL(ctx->err, clEnqueueCopyBuffer(ctx->queue, sum.mem, fixed->mem, 0,
                                                                 0, bytes, 0, NULL, NULL)));
    if (!ctx->planning && !ctx->status)
        ffcl_ctx_keep(ctx, ffcl_finish(ctx));
    ffcl_give(ctx, &sum);
}

int ffcl_sit_fix(ffcl_sit *sit, ffcl_ctx *ctx, const float *values, size_t moments)
{
    const size_t n = ffcl_sit_inputs(sit), each = sit->d.embedders;
    ffcl_tensor *scalars = calloc(n + 1, sizeof *scalars);
    if (!scalars)
        return ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for the conditions");
    for (size_t i = 0; i < n; i++)
        scalars[i] = ffcl_tensor_of(FFCL_F32, moments, 1, 1);
    if (!ctx->planning)
        ffcl_ctx_keep(ctx, upload_values(ctx, scalars, n, values));
    for (size_t at = 0; at < n; at += each)
        fix_set(sit, ctx, scalars + at, moments, at > 0);
    for (size_t i = 0; i < n; i++)
        ffcl_weight_release(&scalars[i]);
    free(scalars);
    return ffcl_ctx_check(ctx);
}

void ffcl_sit_unfix(ffcl_sit *sit)
{
    ffcl_weight_release(&sit->fixed[0]);
    ffcl_weight_release(&sit->fixed[1]);
}

/* SiLU(label embedding + scalar embeddings), (B, 1, D) in the blocks' type, from the arena; of the
 * first inputs, or the second. */
static ffcl_tensor condition(const ffcl_sit *sit, ffcl_ctx *ctx, const ffcl_tensor *y,
                             const ffcl_tensor *scalars, size_t moment, int set,
                             const ffcl_tap *tap)
{
    const size_t B = y->batch, D = sit->d.D, n = sit->d.embedders;
    const ffcl_tensor fixed = ffcl_images(sit->fixed[set], moment, 1);
    ffcl_tensor c = ffcl_take(ctx, ffcl_tensor_of(sit->dtype, B, 1, D)), sum = {0};
    if (scalars && n)
        sum = embed_scalars(sit, ctx, scalars + (size_t)set * n, B, set ? NULL : tap);
    ffcl_embed_condition(ctx, &c, &sit->table, y, !n ? NULL : scalars ? &sum : &fixed);
    ffcl_give(ctx, &sum);
    return c;
}

/* Every block's shift, scale and gate: mods[g] (B, 1, columns) = c w + b, a GEMM a group; c[1] is
 * that of second inputs. */
static void modulate(const ffcl_sit *sit, ffcl_ctx *ctx, ffcl_tensor *mods, const ffcl_tensor *c)
{
    for (size_t g = 0; g < sit->n_groups; g++) {
        const ffcl_linear *l = &sit->groups[g].layer;
        mods[g] = ffcl_take(ctx, ffcl_tensor_of(FFCL_F32, c->batch, 1, sit->groups[g].columns));
        ffcl_gemm(ctx, &(ffcl_matmul){.out = mods[g], .a = c[sit->groups[g].is_second], .w = l->w,
                                      .bias = &l->b});
    }
}

/* ---- the transformer ------------------------------------------------------------------------ */

/* The tensors of one pass, of N tokens: T patches, and prefix tokens before them.  x is the
 * residual stream, y the buffer for its next value; h holds normed or attended tokens; qkv and
 * hidden share memory.  Where partial.batch is not 0, the last GEMM left partial sums, and the norm
 * that reads x next first completes it from residual. */
typedef struct stream {
    ffcl_tensor x, y, h;                /* (B, N, D) */
    ffcl_tensor qkv, hidden, gated;     /* (B, N, 3*D), (B, N, mlp), of SwiGLU (B, N, 2*mlp) and */
                                        /* (B, N, mlp) */
    ffcl_tensor h_slot, wide_slot;      /* the memory of h; of qkv and hidden */
    ffcl_tensor partial;
    ffcl_residual residual;
    int leaves_partial;                 /* GEMMs of this pass may leave partial sums */
} stream;

/* What a half of a block, or the final layer, norms and gates with; see ffcl_layernorm_desc. */
typedef struct modulation {
    ffcl_norm_kind norm;
    ffcl_tensor weight, shift, scale, gate;
} modulation;

/* a w + b, with an activation: a linear layer of a block. */
static void linear(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *a,
                   const ffcl_linear *l, ffcl_act act)
{
    ffcl_gemm(ctx, &(ffcl_matmul){.out = *out, .a = *a, .w = l->w,
                                  .bias = l->b.cols ? &l->b : NULL, .act = act});
}

/* x += gate * (a w + b), gate (B, 1, D). */
static void add_gated(ffcl_ctx *ctx, stream *s, const ffcl_tensor *a, const ffcl_linear *l,
                      ffcl_tensor gate)
{
    ffcl_gemm(ctx, &(ffcl_matmul){.out = s->y, .a = *a, .w = l->w,
                                  .bias = l->b.cols ? &l->b : NULL, .gate = &gate, .add = &s->x,
                                  .partial = s->leaves_partial ? &s->partial : NULL});
    s->residual = (ffcl_residual){s->partial, l->b, s->x, gate};
    swap(&s->x, &s->y);
}

/* h = the norm of x, modulated. */
static void norm(ffcl_ctx *ctx, stream *s, const ffcl_tensor *h, const modulation *m)
{
    ffcl_layernorm(ctx, &(ffcl_layernorm_desc){
        .out = *h, .x = s->x, .shift = m->shift, .scale = m->scale, .weight = m->weight,
        .residual = s->partial.batch ? &s->residual : NULL, .norm = m->norm, .eps = norm_eps});
    ffcl_give(ctx, &s->partial);
}

/* Of attention (half 0) or the MLP (half 1) of a block, whose modulations are m (B, 1, chunks*D):
 * [shift |] scale | gate of each; without them the gate is the same for all images. */
static modulation modulation_of(const ffcl_sit *sit, const ffcl_sit_block *b, ffcl_tensor m,
                                size_t half)
{
    const size_t D = sit->d.D, each = sit->form.chunks / 2, first = half * each * D;
    modulation of = {.norm = sit->form.norm, .weight = b->norm[half], .gate = b->gain[half]};
    of.gate.stride = 0;
    if (each == 3)
        of.shift = ffcl_cols(m, first, D);
    if (each) {
        of.scale = ffcl_cols(m, first + (each - 2) * D, D);
        of.gate = ffcl_cols(m, first + (each - 1) * D, D);
    }
    return of;
}

/* Norms and turns the heads of q and k, as the form has it. */
static void prepare_heads(const ffcl_sit *sit, ffcl_ctx *ctx, const stream *s,
                          const ffcl_sit_block *b)
{
    const ffcl_norm_kind kind = sit->form.qk_norm;
    if (kind != FFCL_NORM_NONE || sit->rope.cols)
        ffcl_qk_norm(ctx, &(ffcl_qk_norm_desc){
            .qkv = s->qkv, .weight = b->qk_norm.w, .bias = b->qk_norm.b, .rope = sit->rope,
            .heads = sit->d.H, .norm = kind,
            .eps = kind == FFCL_NORM_LAYER ? head_layer_eps : norm_eps});
}

/* The hidden units of h: GELU(h w + b), or SwiGLU of h w + b. */
static const ffcl_tensor *hidden_units(const ffcl_sit *sit, ffcl_ctx *ctx, const stream *s,
                                       const ffcl_sit_block *b)
{
    if (!sit->form.swiglu) {
        linear(ctx, &s->hidden, &s->h, &b->fc1, FFCL_ACT_GELU);         /* (B, N, mlp) */
        return &s->hidden;
    }
    linear(ctx, &s->hidden, &s->h, &b->fc1, FFCL_ACT_NONE);             /* (B, N, 2*mlp) */
    ffcl_swiglu(ctx, &s->gated, &s->hidden, sit->d.mlp);                /* (B, N, mlp) */
    return &s->gated;
}

/* One transformer block; m (B, 1, chunks*D): its modulations. */
static void block(const ffcl_sit *sit, ffcl_ctx *ctx, stream *s, const ffcl_sit_block *b,
                  ffcl_tensor m)
{
    const modulation attention = modulation_of(sit, b, m, 0), mlp = modulation_of(sit, b, m, 1);
    norm(ctx, s, &s->h, &attention);                                    /* h (B, N, D) */
    linear(ctx, &s->qkv, &s->h, &b->qkv, FFCL_ACT_NONE);                /* (B, N, 3*D) */
    prepare_heads(sit, ctx, s, b);                                      /* (B, N, 3*D) */
    ffcl_attention(ctx, &s->h, &s->qkv, sit->d.H);                      /* (B, N, D) */
    add_gated(ctx, s, &s->h, &b->proj, attention.gate);                 /* x (B, N, D) */

    norm(ctx, s, &s->h, &mlp);                                          /* h (B, N, D) */
    const ffcl_tensor *hidden = hidden_units(sit, ctx, s, b);           /* (B, N, mlp) */
    add_gated(ctx, s, hidden, &b->fc2, mlp.gate);                       /* x (B, N, D) */
}

/* ---- its ends ------------------------------------------------------------------------------- */

/* x (B, T, D) = embedded patches of z (B, C, R*R), plus pos where it is not NULL. */
static void embed_patches(const ffcl_sit *sit, ffcl_ctx *ctx, const stream *s,
                          const ffcl_tensor *x, const ffcl_tensor *z, const ffcl_tensor *pos)
{
    const ffcl_linear *l = &sit->patch, *widen = &sit->widen;
    const ffcl_tensor narrow =
        ffcl_tensor_in(s->wide_slot.mem,
                       ffcl_tensor_of(FFCL_F32, x->batch, x->rows, sit->form.bottleneck));
    ffcl_patch_embed(ctx, narrow.cols ? &narrow : x, z, &l->w, &l->b, narrow.cols ? NULL : pos,
                     sit->d.p);
    if (narrow.cols)
        ffcl_gemm(ctx, &(ffcl_matmul){.out = *x, .a = narrow, .w = widen->w, .bias = &widen->b,
                                      .add = pos});
}

/* The first T tokens' worth of t's memory, as patches (B, T, D). */
static ffcl_tensor patches_in(const ffcl_sit *sit, const ffcl_tensor *t)
{
    return ffcl_tensor_in(t->mem, ffcl_tensor_of(FFCL_F32, t->batch, sit->d.T, sit->d.D));
}

/* x (B, N, D) = prefix tokens of labels and scalars, then patches of z, plus positions. */
static void embed_tokens(const ffcl_sit *sit, ffcl_ctx *ctx, const stream *s, const ffcl_tensor *z,
                         const ffcl_tensor *y, const ffcl_tensor *scalars, size_t moment)
{
    const ffcl_tensor patches = patches_in(sit, &s->y);
    ffcl_tensor own = {0};
    if (scalars)
        own = embed_scalars(sit, ctx, scalars, z->batch, NULL);         /* (B, kinds, D) */
    ffcl_tokens_desc join = {.x = s->x, .patches = patches, .parameter = sit->tokens,
                             .table = sit->table, .y = *y,
                             .scalars = scalars ? own : ffcl_images(sit->fixed[0], moment, 1),
                             .pos = sit->pos.cols ? &sit->pos : NULL};
    memcpy(join.ends, sit->form.ends, sizeof join.ends);
    embed_patches(sit, ctx, s, &patches, z, NULL);                      /* (B, T, D) */
    ffcl_join_tokens(ctx, &join);                                       /* x (B, N, D) */
    ffcl_give(ctx, &own);
}

/* x (B, T, D) = embedded patches of z (B, C, R*R) + position. */
static void embed_image(const ffcl_sit *sit, ffcl_ctx *ctx, const stream *s, const ffcl_tensor *z,
                        const ffcl_tap *tap)
{
    if (tap)
        embed_patches(sit, ctx, s, &s->y, z, NULL);
    ffcl_tap_see(tap, ctx, &s->y, "act.patch_embed");
    embed_patches(sit, ctx, s, &s->x, z, &sit->pos);
}

/* out (B, C, R*R): norm, modulated by m (B, 1, 2*D): shift, scale; of the patches a linear layer to
 * p*p*Cout a token; unpatchify. */
static void final_layer(const ffcl_sit *sit, ffcl_ctx *ctx, const ffcl_tensor *out, stream *s,
                        ffcl_tensor m, const ffcl_tap *tap)
{
    const ffcl_sit_dims *d = &sit->d;
    const ffcl_unpatch unpatch = {d->C, d->Cout, d->R, d->p};
    const ffcl_tensor *h = &s->h_slot;                                  /* float32 here */
    const ffcl_tensor tokens = ffcl_tensor_in(s->wide_slot.mem,
                                              ffcl_tensor_of(FFCL_F32, h->batch, d->T,
                                                             sit->final.w.cols));
    modulation last = {.norm = sit->form.norm, .weight = sit->norm_final};
    if (sit->form.chunks) {
        last.shift = ffcl_cols(m, 0, d->D);
        last.scale = ffcl_cols(m, d->D, d->D);
    }
    norm(ctx, s, h, &last);                                             /* (B, N, D) */
    const ffcl_tensor patches = d->N > d->T ? patches_in(sit, &s->y) : *h;
    if (d->N > d->T)
        ffcl_drop_prefix(ctx, &patches, h);                             /* (B, T, D) */
    ffcl_matmul p = {.out = tokens, .a = patches, .w = sit->final.w, .bias = &sit->final.b,
                     .skinny = 1};
    if (tap)
        ffcl_gemm(ctx, &p);                                             /* (B, T, p*p*Cout) */
    ffcl_tap_see(tap, ctx, &tokens, "act.final");
    p.out = *out;
    p.unpatch = &unpatch;
    ffcl_gemm(ctx, &p);                                                 /* (B, C, R*R) */
}

/* Columns column .. column+n-1 of a group's modulations, (B, 1, n); none where there are none. */
static ffcl_tensor columns_of(const ffcl_tensor *mods, size_t group, size_t column, size_t n)
{
    return n ? ffcl_cols(mods[group], column, n) : (ffcl_tensor){0};
}

static stream take_stream(const ffcl_sit *sit, ffcl_ctx *ctx, size_t B)
{
    const ffcl_sit_dims *d = &sit->d;
    const size_t hidden = sit->blocks[0].fc1.w.cols, gated = sit->blocks[0].fc2.w.rows;
    const ffcl_dtype dtype = ffcl_gemm_activations(ctx, sit->dtype);
    const size_t wide = ffcl_div_up(ffcl_max(3 * d->D, hidden) * ffcl_dtype_bytes(dtype),
                                    sizeof(float));
    const size_t ends = ffcl_max(d->p * d->p * d->Cout, sit->form.bottleneck);
    const ffcl_tensor tokens = ffcl_tensor_of(FFCL_F32, B, d->N, d->D);
    stream s = {.x = ffcl_take(ctx, tokens)};
    s.y = ffcl_take(ctx, tokens);
    s.h_slot = ffcl_take(ctx, tokens);
    s.wide_slot = ffcl_take(ctx, ffcl_tensor_of(FFCL_F32, B, d->N, ffcl_max(ends, wide)));
    s.h = ffcl_tensor_in(s.h_slot.mem, ffcl_tensor_of(dtype, B, d->N, d->D));
    s.qkv = ffcl_tensor_in(s.wide_slot.mem, ffcl_tensor_of(dtype, B, d->N, 3 * d->D));
    s.hidden = ffcl_tensor_in(s.wide_slot.mem, ffcl_tensor_of(dtype, B, d->N, hidden));
    if (sit->form.swiglu)
        s.gated = ffcl_take(ctx, ffcl_tensor_of(dtype, B, d->N, gated));
    return s;
}

/* What recordings call the stream after block i. */
static void see_block(const ffcl_sit *sit, ffcl_ctx *ctx, const ffcl_tap *tap, const stream *s,
                      size_t i)
{
    const size_t shared = sit->form.shared;
    ffcl_tap_see(tap, ctx, &s->x, i < shared ? "act.shared%zu" : "act.block%zu", i);
}

/* Every modulation of a pass: mods (n_groups), by way of c[2], from labels and scalars; see
 * ffcl_sit_forward. */
static void take_modulations(const ffcl_sit *sit, ffcl_ctx *ctx, ffcl_tensor *mods, ffcl_tensor *c,
                             const ffcl_tensor *y, const ffcl_tensor *scalars, size_t moment,
                             const ffcl_tap *tap)
{
    c[0] = condition(sit, ctx, y, scalars, moment, 0, tap);             /* (B, 1, D) */
    if (sit->d.split != SIZE_MAX)
        c[1] = condition(sit, ctx, y, scalars, moment, 1, tap);         /* (B, 1, D) */
    modulate(sit, ctx, mods, c);
}

void ffcl_sit_forward(ffcl_sit *sit, ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *z,
                      const ffcl_tensor *y, const ffcl_tensor *scalars, size_t moment,
                      const ffcl_tap *tap)
{
    const size_t D = sit->d.D, chunks = sit->form.chunks;
    ffcl_tensor *mods = calloc(sit->n_groups + 1, sizeof *mods);
    if (!mods) {
        ffcl_ctx_fail(ctx, FFCL_ENOMEM, "out of memory for the modulations");
        return;
    }
    ffcl_tensor c[2] = {{0}};
    if (chunks)
        take_modulations(sit, ctx, mods, c, y, scalars, moment, tap);
    stream s = take_stream(sit, ctx, z->batch);
    /* A tap reads the stream between blocks, so it must be complete there. */
    s.leaves_partial = !tap && ffcl_gemm_leaves_partial(ctx, sit->dtype) &&
                       ffcl_layernorm_takes_residual(ctx, D);
    if (sit->form.kinds)
        embed_tokens(sit, ctx, &s, z, y, scalars, moment);              /* x (B, N, D) */
    else
        embed_image(sit, ctx, &s, z, tap);                              /* x (B, T, D) */
    ffcl_tap_see(tap, ctx, &s.x, "act.seq");
    for (size_t i = 0; i < sit->d.L; i++) {
        const ffcl_sit_block *b = &sit->blocks[i];
        block(sit, ctx, &s, b, columns_of(mods, b->group, b->column, chunks * D));
        see_block(sit, ctx, tap, &s, i);
    }
    final_layer(sit, ctx, out, &s,
                columns_of(mods, sit->final_group, sit->final_column, chunks ? 2 * D : 0),
                tap);                                                   /* (B, C, R*R) */
    ffcl_tensor *const taken[] = {&s.gated, &s.wide_slot, &s.h_slot, &s.y, &s.x, &c[1], &c[0]};
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        ffcl_give(ctx, taken[i]);
    for (size_t g = 0; g < sit->n_groups; g++)
        ffcl_give(ctx, &mods[g]);
    free(mods);
}

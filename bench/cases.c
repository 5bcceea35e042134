/* SPDX-License-Identifier: MIT
 * What there is to time: every row of the kernel registry, by the shapes that SiT-XL/2 and the
 * Stable Diffusion decoder give it, or by the tests' where the models have none on this device. */
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "gemm.h"
#include "ops/ops.h"
#include "util.h"

/* SiT-XL/2 and the decoder. */
enum { D = 1152, HEADS = 16, MLP = 4608, BLOCKS = 28, CLASSES = 1001, GROUPS = 32, MID = 512 };

typedef struct list {
    const ffcl_ctx *ctx;
    const char *pattern;
    ffcl_bench_case *cases;
    size_t n, room;
    size_t size, batch;         /* of the pictures whose shapes are being added */
    int is_short;
} list;

int ffcl_bench_matches(const char *pattern, const char *name)
{
    if (strpbrk(pattern, "*?["))
        return fnmatch(pattern, name, 0) == 0;
    return strstr(name, pattern) != NULL;
}

static const struct {
    const char *prefix;
    ffcl_engine_level level;
} engines[] = {
    {"mma_", FFCL_ENGINE_MMA}, {"wgmma_", FFCL_ENGINE_WGMMA}, {"wmma_", FFCL_ENGINE_WMMA},
    {"mfma_", FFCL_ENGINE_MFMA}, {"dpas_eight_", FFCL_ENGINE_DPAS8},
    {"dpas_sixteen_", FFCL_ENGINE_DPAS16},
};

ffcl_engine_level ffcl_bench_engine_of(const ffcl_op_test *op)
{
    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++)
        if (strncmp(op->name, engines[i].prefix, strlen(engines[i].prefix)) == 0)
            return engines[i].level;
    return FFCL_ENGINE_NONE;
}

const char *ffcl_bench_engine_prefix(ffcl_engine_level level)
{
    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++)
        if (engines[i].level == level)
            return engines[i].prefix;
    return "";
}

static const ffcl_op_test *find_row(const char *name)
{
    for (size_t i = 0; ffcl_op_tests[i]; i++)
        if (strcmp(ffcl_op_tests[i]->name, name) == 0)
            return ffcl_op_tests[i];
    return NULL;
}

static void put(list *l, const ffcl_bench_case *c)
{
    if (!ffcl_bench_matches(l->pattern, c->op->name))
        return;
    for (size_t i = 0; i < l->n; i++)
        if (l->cases[i].op == c->op &&
            memcmp(l->cases[i].shape.d, c->shape.d, sizeof c->shape.d) == 0)
            return;
    if (l->n == l->room) {
        size_t room = l->room ? 2 * l->room : 128;
        ffcl_bench_case *grown = realloc(l->cases, room * sizeof *grown);
        if (!grown) {
            l->is_short = 1;
            return;
        }
        l->cases = grown;
        l->room = room;
    }
    l->cases[l->n++] = *c;
}

/* A shape of the models for the row called name, unless there is no such row; role is what it is
 * there. */
#define ADD(l, name, role, ...) \
    add((l), (name), (role), (ffcl_shape){{__VA_ARGS__}, 0})

static void add(list *l, const char *name, const char *role, ffcl_shape shape)
{
    ffcl_bench_case c = {.op = find_row(name), .shape = shape, .large = 1};
    if (!c.op)
        return;
    snprintf(c.role, sizeof c.role, "%zu/%zu %s", l->size, l->batch, role);
    put(l, &c);
}

/* The row NAME of the engine in use, as "wgmma_NAME". */
static const char *on_engine(const list *l, const char *name, char text[64])
{
    snprintf(text, 64, "%s%s", ffcl_bench_engine_prefix(l->ctx->matrix_engine), name);
    return text;
}

/* What both precisions have: the conditioning path and the ends of the transformer. */
static void add_shared(list *l, size_t B, size_t R)
{
    const size_t T = R * R / 4;
    ADD(l, "embed_scalar", "waves", 1);
    ADD(l, "slim_silu", "embedder 1", 1, D, 256, 0, 1, 0);
    ADD(l, "slim", "embedder 2", 1, D, D, 0, 1, 0);
    ADD(l, "embed_condition", "condition", B, D, CLASSES, 1);
    ADD(l, "patch_embed_pos", "patches", B, 4, 4, R, 2, D);
    ADD(l, "slim_unpatch", "final", B, 4, 4, R, 2, D);
    ADD(l, "layernorm_modulate", "norm", B, T, D, 6 * D, 3 * D, 4 * D);
    ADD(l, "latent_update", "latent", B * 4 * R * R, 0);
    ADD(l, "image_bytes_sit", "bytes", B * 3 * 64 * R * R);
    ADD(l, "image_finite", "check", B, 3 * 64 * R * R, 0);
}

/* The float32 attention that the device takes. */
static const char *attention_row(const list *l)
{
    if (ffcl_attention_batched_fits(l->ctx))
        return "attn_f32_batched";
    return l->ctx->device.caps.type & CL_DEVICE_TYPE_CPU ? "attn_f32_row" : "attn_f32_tiled";
}

static void add_sit(list *l, size_t B, size_t R)
{
    const size_t T = R * R / 4, M = B * T, columns = (BLOCKS * 6 + 2) * D;
    ADD(l, "gemm_bias", "modulations", B, columns, D, 0, B, 0);
    ADD(l, "gemm_bias", "qkv", M, 3 * D, D, 0, M, 0);
    ADD(l, "gemm_gate_add", "proj", M, D, D, 0, T, 0);
    ADD(l, "gemm_gelu", "fc1", M, MLP, D, 0, M, 0);
    ADD(l, "gemm_gate_add", "fc2", M, D, MLP, 0, T, 0);
    ADD(l, attention_row(l), "attention", B, T, HEADS, D / HEADS);
}

static void add_sit_half(list *l, size_t B, size_t R)
{
    char name[64] = "";
    const size_t T = R * R / 4, M = B * T, columns = (BLOCKS * 6 + 2) * D;
    ADD(l, on_engine(l, "float_bias", name), "modulations", B, columns, D, B, 0, 0);
    ADD(l, on_engine(l, "bias", name), "qkv", M, 3 * D, D, M, 0, 0);
    ADD(l, on_engine(l, "float_gate_add", name), "proj", M, D, D, T, 0, 0);
    ADD(l, on_engine(l, "gelu", name), "fc1", M, MLP, D, M, 0, 0);
    ADD(l, on_engine(l, "float_gate_add", name), "fc2", M, D, MLP, T, 0, 0);
    ADD(l, on_engine(l, "attention", name), "attention", B, T, HEADS, D / HEADS);
    ADD(l, "layernorm_modulate_half", "norm", B, T, D, 6 * D, 3 * D, 4 * D);
    ADD(l, "embed_condition_half", "condition", B, D, CLASSES, 1);
}

/* The 3 x 3 convolutions: by level of the picture, channels in and out, and whether the residual is
 * added, as the second of a block does. */
static const struct conv {
    const char *role;
    size_t scale, in, out, has_add, upsample;
} convs[] = {
    {"conv mid", 1, MID, MID, 1, 0},    {"upsample 1", 1, MID, MID, 0, 1},
    {"conv up1", 2, MID, MID, 1, 0},    {"upsample 2", 2, MID, MID, 0, 1},
    {"conv up2 in", 4, MID, 256, 0, 0}, {"conv up2", 4, 256, 256, 1, 0},
    {"upsample 3", 4, 256, 256, 0, 1},  {"conv up3 in", 8, 256, 128, 0, 0},
    {"conv up3", 8, 128, 128, 1, 0},
};

/* Its group norms: by level and channels. */
static const struct norm {
    const char *role;
    size_t scale, channels;
} norms[] = {{"norm mid", 1, MID}, {"norm up1", 2, MID}, {"norm up2 in", 4, MID},
             {"norm up2", 4, 256}, {"norm up3 in", 8, 256}, {"norm up3", 8, 128}};

static void add_vae(list *l, size_t B, size_t R)
{
    const size_t P = R * R, M = B * P;
    ADD(l, "latent_conv_point", "conv in", B, 4, R, MID, 3, 0, 0);
    for (size_t i = 0; i < sizeof convs / sizeof *convs; i++) {
        const struct conv *c = &convs[i];
        const char *name = ffcl_winograd_fits(l->ctx)
                               ? c->upsample ? "conv_winograd_upsample" : "conv_winograd"
                               : c->upsample ? "conv_upsample" : "conv_columns";
        ADD(l, name, c->role, B, c->scale * R, c->scale * R, c->in, c->out, 3, c->has_add, 0);
    }
    ADD(l, "conv_point", "shortcut up2", B, 4 * R, 4 * R, MID, 256, 1, 0, 0);
    ADD(l, "conv_point", "shortcut up3", B, 8 * R, 8 * R, 256, 128, 1, 0, 0);
    ADD(l, "conv_direct", "conv out", B, 8 * R, 8 * R, 128, 3, 3, 0, 0);
    ADD(l, "gemm_bias", "VAE qkv", M, 3 * MID, MID, 0, M, 0);
    ADD(l, "gemm_add", "VAE proj", M, MID, MID, 0, M, 0);
    ADD(l, attention_row(l), "VAE attention", B, P, 1, MID);
    ADD(l, "groupnorm", "VAE attention norm", B, P, MID, GROUPS);
    for (size_t i = 0; i < sizeof norms / sizeof *norms; i++)
        ADD(l, "groupnorm_silu", norms[i].role, B, norms[i].scale * norms[i].scale * P,
            norms[i].channels, GROUPS);
}

/* The kernel that the model would choose for a convolution of half pictures. */
static void add_half_conv(list *l, const struct conv *c, size_t B, size_t side)
{
    char name[64] = "";
    const ffcl_conv_weight w = {.kind = c->upsample ? FFCL_CONV_UPSAMPLE : FFCL_CONV_COLUMNS,
                                .in = c->in, .out = c->out, .side = 3, .store = FFCL_STORE_HALF};
    if (ffcl_halo_conv_fits(l->ctx, &w, B, side, side))
        ADD(l, on_engine(l, c->upsample ? "halo_conv_upsample" : "halo_conv", name), c->role, B,
            side, side, c->in, c->out, c->has_add, 0);
    else
        ADD(l, on_engine(l, c->upsample ? "conv_upsample" : "conv_columns", name), c->role, B, side,
            side, c->in, c->out, 3, c->has_add, 0);
}

static void add_vae_half(list *l, size_t B, size_t R)
{
    char name[64] = "";
    const size_t P = R * R, M = B * P;
    ADD(l, "latent_conv_point_half", "conv in", B, 4, R, MID, 3, 0, 0);
    for (size_t i = 0; i < sizeof convs / sizeof *convs; i++)
        add_half_conv(l, &convs[i], B, convs[i].scale * R);
    /* A 1 x 1 convolution is a product there. */
    ADD(l, on_engine(l, "bias", name), "shortcut up2", 16 * M, 256, MID, 16 * M, 0, 0);
    ADD(l, on_engine(l, "bias", name), "shortcut up3", 64 * M, 128, 256, 64 * M, 0, 0);
    ADD(l, on_engine(l, "conv_narrow", name), "conv out", B, 8 * R, 8 * R, 128, 3, 3, 0, 0);
    ADD(l, on_engine(l, "bias", name), "VAE qkv", M, 3 * MID, MID, M, 0, 0);
    ADD(l, on_engine(l, "add", name), "VAE proj", M, MID, MID, M, 0, 0);
    ADD(l, on_engine(l, "attention_products", name), "VAE attention", B, P, 1, MID);
    ADD(l, "transpose_half", "VAE attention", B, P, MID, 3 * MID, 2 * MID);
    ADD(l, "softmax", "VAE attention", M, P);
    ADD(l, "groupnorm_half", "VAE attention norm", B, P, MID, GROUPS);
    for (size_t i = 0; i < sizeof norms / sizeof *norms; i++)
        ADD(l, "groupnorm_silu_half", norms[i].role, B, norms[i].scale * norms[i].scale * P,
            norms[i].channels, GROUPS);
}

/* The tests' shapes of a row that the models have none for. */
static void add_test_shapes(list *l, const ffcl_op_test *op)
{
    size_t before = l->n;
    /* Timed as the device's ceilings. */
    if (strncmp(op->name, "ceiling_", 8) == 0)
        return;
    for (const ffcl_shape *s = op->model; s->d[0]; s++)
        put(l, &(ffcl_bench_case){.op = op, .shape = *s});
    if (l->n == before)
        put(l, &(ffcl_bench_case){.op = op, .shape = op->awkward[0]});
}

static int by_row(const ffcl_bench_case *c)
{
    int i = 0;
    while (ffcl_op_tests[i] != c->op)
        i++;
    return i;
}

/* Into the order of the registry, whose last rows are those that may take the device with them;
 * cases of a row stay in the order in which they were added. */
static void sort(list *l)
{
    for (size_t i = 1; i < l->n; i++) {
        ffcl_bench_case c = l->cases[i];
        size_t k = i;
        for (; k > 0 && by_row(&l->cases[k - 1]) > by_row(&c); k--)
            l->cases[k] = l->cases[k - 1];
        l->cases[k] = c;
    }
}

int ffcl_bench_cases(ffcl_bench_case **out, size_t *n, const ffcl_ctx *ctx,
                     const ffcl_bench_options *o, ffcl_error *err)
{
    list l = {.ctx = ctx, .pattern = o->pattern};
    for (size_t s = 0; s < o->n_sizes; s++)
        for (size_t b = 0; b < o->n_batches; b++) {
            const size_t B = l.batch = o->batches[b], R = o->sizes[s] / 8;
            l.size = o->sizes[s];
            add_shared(&l, B, R);
            add_sit(&l, B, R);
            add_vae(&l, B, R);
            if (ctx->matrix_engine != FFCL_ENGINE_NONE) {
                add_sit_half(&l, B, R);
                add_vae_half(&l, B, R);
            }
        }
    const size_t large = l.n;
    for (size_t i = 0; ffcl_op_tests[i]; i++) {
        size_t k = 0;
        while (k < large && l.cases[k].op != ffcl_op_tests[i])
            k++;
        if (k == large)
            add_test_shapes(&l, ffcl_op_tests[i]);
    }
    sort(&l);
    *out = l.cases;
    *n = l.n;
    if (l.is_short)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the list of cases");
    if (l.n == 0)
        return ffcl_fail(err, FFCL_EUSAGE, "no kernel matches %s; ffcl bench --list shows them",
                         o->pattern);
    return 0;
}

/* SPDX-License-Identifier: MIT */
#include "model/inception.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/inception_steps.h"
#include "ops/ops.h"
#include "util.h"

static const double norm_eps = 1e-3;

/* A convolution with what its batch norm makes of it: scale times its weight, and bias. */
typedef struct unit {
    ffcl_conv_weight conv;
    float *scale;                       /* (Cout), once loaded */
} unit;

struct ffcl_inception {
    ffcl_weights weights;
    unit *units;                        /* (n_steps), of convolutions */
    ffcl_tensor fc;                     /* (2048, 1008) */
    ffcl_dtype dtype;
    int is_unscaled;                    /* batch norms do not multiply by their weight */
};

/* A step that no pass of ours reads: training's counters. */
static int rename_tensor(char **out, const char *name, void *user)
{
    static const char counter[] = ".num_batches_tracked";
    const size_t n = strlen(name), tail = sizeof counter - 1;
    (void)user;
    *out = NULL;
    if (n >= tail && strcmp(name + n - tail, counter) == 0)
        return 0;
    if (strchr(name, '/')) {        /* of TensorFlow's graph, which has other constants, too */
        *out = ffcl_inception_graph_name(name);
        return 0;
    }
    *out = ffcl_format("%s", name);
    return *out ? 0 : FFCL_ENOMEM;
}

static void add_host(ffcl_inception *net, size_t n, const char *name, const char *part)
{
    const ffcl_weight_row row = {.rank = 1, .shape = {n}, .kind = FFCL_ROW_HOST};
    ffcl_weights_add(&net->weights, &row, "%s.%s", name, part);
}

/* Channels that are added to n so that a matrix unit's GEMMs gather whole steps of K; not to an
 * image's 3. */
static size_t more_of(const ffcl_inception *net, const ffcl_ctx *ctx, size_t n)
{
    enum { STEP = 32, COLOURS = 3 };
    const int pays = ctx && net->dtype == FFCL_F16 && ctx->matrix_unit != FFCL_UNIT_NONE;
    return pays && n > COLOURS ? ffcl_round_up(n, STEP) - n : 0;
}

static void add_unit(ffcl_inception *net, const ffcl_ctx *ctx, unit *u,
                     const ffcl_inception_step *s)
{
    const size_t in = more_of(net, ctx, s->in);
    const size_t out = s->to == FFCL_AT_Y ? 0 : more_of(net, ctx, s->out);
    u->conv = (ffcl_conv_weight){.in = s->in + in, .out = s->out + out, .more_in = in,
                                 .more_out = out, .side = s->side, .tall = s->tall,
                                 .stride = s->stride, .valid = s->valid, .dtype = net->dtype,
                                 .act = FFCL_ACT_RELU};
    if (ctx)
        ffcl_conv_lay_out(ctx, &u->conv);
    else
        ffcl_latent_conv_lay_out(&u->conv);
    const ffcl_weight_row row = {.rank = 4, .shape = {s->out, s->in, s->tall, s->side},
                                 .kind = FFCL_ROW_CONV, .conv = &u->conv, .scale = u->scale};
    ffcl_weights_add(&net->weights, &row, "%s.conv.weight", s->name);
    add_host(net, s->out, s->name, "bn.weight");
    add_host(net, s->out, s->name, "bn.bias");
    add_host(net, s->out, s->name, "bn.running_mean");
    add_host(net, s->out, s->name, "bn.running_var");
}

/* The rows, as they lie on ctx's device; NULL: names and shapes are checked only. */
static int make_table(ffcl_inception *net, const ffcl_ctx *ctx, ffcl_error *err)
{
    net->weights.n_rows = 0;
    for (size_t i = 0; i < ffcl_inception_n_steps; i++)
        if (ffcl_inception_steps[i].kind == FFCL_STEP_CONV)
            add_unit(net, ctx, &net->units[i], &ffcl_inception_steps[i]);
    net->fc = ffcl_tensor_of(FFCL_F32, 1, FFCL_INCEPTION_POOL, FFCL_INCEPTION_CLASSES);
    if (ctx && ffcl_gemm_takes_columns(ctx)) {
        net->fc.layout = FFCL_COLUMNS;
        net->fc.ld = FFCL_INCEPTION_POOL;
    }
    const ffcl_weight_row fc = {.rank = 2, .kind = FFCL_ROW_MATRIX, .to = &net->fc,
                                .shape = {FFCL_INCEPTION_CLASSES, FFCL_INCEPTION_POOL}};
    ffcl_weights_add(&net->weights, &fc, "fc.weight");
    add_host(net, FFCL_INCEPTION_CLASSES, "fc", "bias");
    return ffcl_weights_check(&net->weights, "Inception network of FID", "eval.inception", err);
}

/* With a number that is not finite every image has such features, or, where it is a variance, the
 * others' numbers are off by a channel. */
static int check_finite(ffcl_inception *net, ffcl_error *err)
{
    enum { PIECE = 1 << 16 };
    float *piece = malloc(PIECE * sizeof *piece);
    int rc = piece ? 0 : ffcl_fail(err, FFCL_ENOMEM, "out of memory for the Inception network");
    for (size_t i = 0; rc == 0 && i < net->weights.n_rows; i++) {
        const ffcl_weight_row *row = &net->weights.rows[i];
        const ffcl_tensor_info *info = ffcl_weights_find(&net->weights, "%s", row->name);
        for (size_t at = 0; rc == 0 && at < info->count; at += PIECE) {
            const size_t n = ffcl_min(info->count - at, PIECE);
            float sum = 0.0f;
            rc = ffcl_tensor_file_read_f32(net->weights.file, info, at, n, piece, err);
            for (size_t k = 0; rc == 0 && k < n; k++)
                sum += piece[k] * 0.0f;         /* NaN of NaN and of an infinite number */
            if (rc == 0 && isnan(sum))
                rc = ffcl_fail(err, FFCL_EWEIGHTS, "%s: %s holds a number that is not finite: "
                               "download the network again",
                               ffcl_tensor_file_path(net->weights.file), row->name);
        }
    }
    free(piece);
    return rc;
}

/* Batch norms of a graph say what they do. */
static int check_graph(ffcl_inception *net, ffcl_error *err)
{
    const ffcl_tensor_file *file = net->weights.file;
    const char *epsilon = ffcl_tensor_file_metadata(file, FFCL_GRAPH_EPSILON);
    const char *scales = ffcl_tensor_file_metadata(file, FFCL_GRAPH_SCALES);
    net->is_unscaled = scales && strcmp(scales, "no") == 0;
    if (epsilon && !(fabs(strtod(epsilon, NULL) - norm_eps) < 1e-6 * norm_eps))
        return ffcl_fail(err, FFCL_EWEIGHTS, "%s is no Inception network of FID: its batch norms "
                         "add %s to the variance, and FID's add %g", ffcl_tensor_file_path(file),
                         epsilon, norm_eps);
    return 0;
}

int ffcl_inception_open(ffcl_inception **out, const char *path, ffcl_error *err)
{
    *out = NULL;
    ffcl_inception *net = calloc(1, sizeof *net);
    if (net)
        net->units = calloc(ffcl_inception_n_steps, sizeof *net->units);
    if (!net || !net->units) {
        free(net);
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the Inception network");
    }
    int rc = ffcl_weights_open(&net->weights, path, "auto", 0, rename_tensor, NULL, err);
    for (size_t i = 0; rc == 0 && i < ffcl_inception_n_steps; i++) {
        if (ffcl_inception_steps[i].kind != FFCL_STEP_CONV)
            continue;
        net->units[i].scale = malloc(ffcl_inception_steps[i].out * sizeof(float));
        if (!net->units[i].scale)
            rc = ffcl_fail(err, FFCL_ENOMEM, "out of memory for the Inception network");
    }
    if (rc == 0)
        rc = make_table(net, NULL, err);
    if (rc == 0)
        rc = check_graph(net, err);
    if (rc == 0)
        rc = check_finite(net, err);
    if (rc)
        ffcl_inception_close(&net);
    *out = net;
    return rc;
}

void ffcl_inception_close(ffcl_inception **inception)
{
    ffcl_inception *net = *inception;
    if (!net)
        return;
    for (size_t i = 0; i < ffcl_inception_n_steps; i++) {
        ffcl_conv_release(&net->units[i].conv);
        free(net->units[i].scale);
    }
    ffcl_weight_release(&net->fc);
    ffcl_weights_close(&net->weights);
    free(net->units);
    free(net);
    *inception = NULL;
}

const ffcl_tensor_file *ffcl_inception_file(const ffcl_inception *net)
{
    return net->weights.file;
}

int ffcl_inception_prepare(ffcl_inception *net, ffcl_ctx *ctx, ffcl_dtype dtype)
{
    net->dtype = dtype;
    return make_table(net, ctx, ctx->err);
}

size_t ffcl_inception_bytes(const ffcl_inception *net)
{
    return ffcl_weights_bytes(&net->weights);
}

size_t ffcl_inception_largest_bytes(const ffcl_inception *net)
{
    return ffcl_weights_largest_bytes(&net->weights);
}

size_t ffcl_inception_largest_activation(void)
{
    return (size_t)147 * 147 * 64;      /* of Conv2d_2b */
}

/* One vector of a batch norm. */
static int read_vector(ffcl_inception *net, float *to, size_t n, const char *name,
                       const char *part, ffcl_error *err)
{
    const ffcl_tensor_info *info = ffcl_weights_find(&net->weights, "%s.%s", name, part);
    return ffcl_tensor_file_read_f32(net->weights.file, info, 0, n, to, err);
}

/* Folds the batch norm y = (x - mean) weight / sqrt(var + eps) + bias: u->scale, and the bias on
 * the device. */
static int fold(ffcl_inception *net, ffcl_ctx *ctx, unit *u, const char *name)
{
    static const char *const parts[] = {"bn.weight", "bn.bias", "bn.running_mean",
                                        "bn.running_var"};
    const size_t n = u->conv.out - u->conv.more_out, room = u->conv.bias.cols;
    float *v = calloc(4 * n + room, sizeof *v), *shift = v ? v + 4 * n : NULL;
    int rc = v ? 0 : ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for the Inception network");
    for (size_t i = 0; rc == 0 && i < 4; i++)
        rc = read_vector(net, v + i * n, n, name, parts[i], ctx->err);
    for (size_t c = 0; rc == 0 && c < n; c++) {
        const double variance = (double)v[3 * n + c] + norm_eps;
        const double scale = (net->is_unscaled ? 1.0 : (double)v[c]) / sqrt(variance);
        u->scale[c] = (float)scale;
        shift[c] = (float)((double)v[n + c] - (double)v[2 * n + c] * scale);
        if (!isfinite(scale) || !isfinite(shift[c]))
            rc = ffcl_fail(ctx->err, FFCL_EWEIGHTS, "%s: the batch norm %s.bn has a negative "
                           "variance or a number that is not finite",
                           ffcl_tensor_file_path(net->weights.file), name);
    }
    if (rc == 0)
        rc = ffcl_buffer_create(ctx, &u->conv.bias.mem, room * sizeof(float), name);
    if (rc == 0)
        rc = ffcl_buffer_write(ctx, u->conv.bias.mem, 0, shift, room * sizeof(float));
    free(v);
    return rc;
}

int ffcl_inception_load(ffcl_inception *net, ffcl_ctx *ctx, uint64_t *done, uint64_t total)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ffcl_inception_n_steps; i++)
        if (ffcl_inception_steps[i].kind == FFCL_STEP_CONV)
            rc = fold(net, ctx, &net->units[i], ffcl_inception_steps[i].name);
    return rc ? rc : ffcl_weights_load(&net->weights, ctx, done, total);
}

/* ---- the pass ------------------------------------------------------------------------------- */

/* What steps read and write. */
typedef struct state {
    ffcl_inception *net;
    ffcl_ctx *ctx;
    const ffcl_inception_out *out;
    const ffcl_tap *tap;
    ffcl_tensor at[4];                  /* by ffcl_inception_at */
    size_t filled;                      /* columns of y */
} state;

static ffcl_tensor take(const state *s, size_t height, size_t width, size_t channels)
{
    return ffcl_take(s->ctx, ffcl_image_of(s->net->dtype, s->at[FFCL_AT_X].batch, height, width,
                                           channels));
}

/* Where a step's result of those sizes goes: the next columns of y, or a tensor of its own. */
static ffcl_tensor result_of(state *s, const ffcl_inception_step *step, size_t height,
                             size_t width, size_t channels)
{
    if (step->to != FFCL_AT_Y)
        return take(s, height, width, channels);
    const ffcl_tensor part = ffcl_cols(s->at[FFCL_AT_Y], s->filled, channels);
    s->filled += channels;
    return part;
}

static void keep(state *s, const ffcl_inception_step *step, ffcl_tensor result)
{
    if (step->to == FFCL_AT_Y)
        return;
    ffcl_give(s->ctx, &s->at[step->to]);
    s->at[step->to] = result;
}

static void convolve(state *s, const ffcl_inception_step *step, const ffcl_conv_weight *w)
{
    const ffcl_tensor *x = &s->at[step->from];
    const ffcl_tensor y = result_of(s, step, ffcl_conv_extent(w, ffcl_height(x), step->tall),
                                    ffcl_conv_extent(w, x->width, step->side), w->out);
    ffcl_conv(s->ctx, &(ffcl_conv_desc){.out = y, .x = *x, .w = w});
    keep(s, step, y);
}

static void pool(state *s, const ffcl_inception_step *step)
{
    const ffcl_pool kind = step->kind == FFCL_STEP_MEAN  ? FFCL_POOL_MEAN
                           : step->kind == FFCL_STEP_MAX ? FFCL_POOL_MAX
                                                         : FFCL_POOL_MAX_HALVES;
    const ffcl_tensor *x = &s->at[step->from];
    const ffcl_tensor y = result_of(s, step, ffcl_pool_extent(kind, ffcl_height(x)),
                                    ffcl_pool_extent(kind, x->width), step->out);
    ffcl_pool_3x3(s->ctx, &y, x, kind);
    keep(s, step, y);
}

static void begin(state *s, const ffcl_inception_step *step)
{
    const ffcl_tensor *x = &s->at[FFCL_AT_X];
    const size_t height = ffcl_height(x), width = x->width;
    s->at[FFCL_AT_Y] = step->stride == 2
                           ? take(s, ffcl_pool_extent(FFCL_POOL_MAX_HALVES, height),
                                  ffcl_pool_extent(FFCL_POOL_MAX_HALVES, width), step->out)
                           : take(s, height, width, step->out);
    s->filled = 0;
}

static void end(state *s)
{
    for (ffcl_inception_at i = FFCL_AT_T; i <= FFCL_AT_U; i++)
        ffcl_give(s->ctx, &s->at[i]);
    ffcl_give(s->ctx, &s->at[FFCL_AT_X]);
    s->at[FFCL_AT_X] = s->at[FFCL_AT_Y];
    s->at[FFCL_AT_Y] = (ffcl_tensor){0};
}

/* Shows the first B images of x, as float32. */
static void see(const state *s, const char *name)
{
    const ffcl_tensor *x = &s->at[FFCL_AT_X];
    if (!s->tap || !name)
        return;
    if (x->dtype == FFCL_F32) {
        ffcl_tap_see(s->tap, s->ctx, x, "%s", name);
        return;
    }
    ffcl_tensor floats = *x;
    floats.dtype = FFCL_F32;
    floats = ffcl_take(s->ctx, floats);
    ffcl_cast(s->ctx, &floats, x);
    ffcl_tap_see(s->tap, s->ctx, &floats, "%s", name);
    ffcl_give(s->ctx, &floats);
}

static void do_step(state *s, size_t i)
{
    const ffcl_inception_step *step = &ffcl_inception_steps[i];
    switch (step->kind) {
    case FFCL_STEP_CONV:
        convolve(s, step, &s->net->units[i].conv);
        break;
    case FFCL_STEP_BLOCK:
        begin(s, step);
        break;
    case FFCL_STEP_END:
        end(s);
        see(s, step->name);
        break;
    case FFCL_STEP_TAP:
        see(s, step->name);
        break;
    case FFCL_STEP_SPATIAL:
        if (s->out->spatial.batch) {
            const ffcl_tensor part = ffcl_cols(s->at[FFCL_AT_Y], 0, step->out);
            ffcl_take_columns(s->ctx, &s->out->spatial, &part);
        }
        break;
    default:
        pool(s, step);
    }
}

void ffcl_inception_forward(ffcl_inception *net, ffcl_ctx *ctx, const ffcl_inception_out *out,
                            const ffcl_tensor *bytes, int rule, const ffcl_tap *tap)
{
    state s = {.net = net, .ctx = ctx, .out = out, .tap = tap};
    s.at[FFCL_AT_X] = ffcl_take(ctx, ffcl_image_of(net->dtype, bytes->batch, FFCL_INCEPTION_SIDE,
                                                   FFCL_INCEPTION_SIDE, 3));
    ffcl_resize_bytes(ctx, &s.at[FFCL_AT_X], bytes, rule);          /* (B, 299*299, 3) */
    see(&s, "resized");
    for (size_t i = 0; i < ffcl_inception_n_steps; i++)
        do_step(&s, i);
    ffcl_mean_pixels(ctx, &out->pool, &s.at[FFCL_AT_X]);            /* (B, 1, 2048) */
    if (out->logits.batch)                                          /* (B, 1, 1008) */
        ffcl_gemm(ctx, &(ffcl_matmul){.out = out->logits, .a = out->pool, .w = net->fc,
                                      .skinny = 1});
    ffcl_give(ctx, &s.at[FFCL_AT_X]);
}

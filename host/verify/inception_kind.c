/* SPDX-License-Identifier: MIT
 * Recordings of the Inception network: imgS (N, 3, Hh, Ww) bytes, imgS.NAME what it makes of
 * them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sample/extractor.h"
#include "util.h"
#include "verify/verify.h"

/* Relative L2; the resize has its own. */
static const double limit = 1e-5, half_limit = 2e-3, resize_limit = 1e-6;

int ffcl_verify_is_inception(const ffcl_verifier *v)
{
    for (size_t i = 0; i < ffcl_tensor_file_count(v->file); i++)
        if (strstr(ffcl_tensor_file_at(v->file, i)->name, ".logits_unbiased"))
            return 1;
    return 0;
}

typedef struct watcher {
    ffcl_verifier *v;
    const char *image;          /* "img256" */
    double limit, resize_limit;
} watcher;

static int compare(watcher *w, const char *name, const float *got, size_t n, double most)
{
    char full[96];
    snprintf(full, sizeof full, "%s.%s", w->image, name);
    const ffcl_tensor_info *info = ffcl_tensor_file_find(w->v->file, full);
    return info ? ffcl_verify_compare(w->v, info, got, n, most) : 0;
}

/* Rows and columns of x (B, Hh, Ww, C) as (B, C, n_rows, n_columns). */
static float *corner(const float *x, const ffcl_tensor *t, const size_t *rows, size_t n_rows,
                     size_t n_columns)
{
    const size_t C = t->cols, n = t->batch * C * n_rows * n_columns;
    float *out = malloc(n * sizeof *out);
    for (size_t i = 0; out && i < n; i++) {
        const size_t px = i % n_columns, row = rows[i / n_columns % n_rows];
        const size_t c = i / n_columns / n_rows % C, b = i / n_columns / n_rows / C;
        out[i] = x[(b * t->rows + row * t->width + px) * C + c];
    }
    return out;
}

/* The means over the pixels of each image. */
static float *means(const float *x, const ffcl_tensor *t)
{
    float *out = malloc(t->batch * t->cols * sizeof *out);
    for (size_t i = 0; out && i < t->batch * t->cols; i++) {
        double sum = 0.0;
        for (size_t p = 0; p < t->rows; p++)
            sum += (double)x[(i / t->cols * t->rows + p) * t->cols + i % t->cols];
        out[i] = (float)(sum / (double)t->rows);
    }
    return out;
}

static int watch(void *user, ffcl_ctx *ctx, const char *name, const ffcl_tensor *t)
{
    static const size_t some[] = {0, 1, 149, 298}, first[] = {0, 1, 2, 3};
    watcher *w = user;
    const size_t n = ffcl_count(t);
    const int is_resized = strcmp(name, "resized") == 0, is_conv = strcmp(name, "conv1a") == 0;
    float *x = malloc(n * sizeof *x), *got = NULL;
    int rc = x ? ffcl_buffer_read(ctx, t->mem, 0, x, n * sizeof *x)
               : ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for %s", name);
    if (rc == 0)
        got = is_resized ? corner(x, t, some, 4, t->width)
              : is_conv  ? corner(x, t, first, 4, 4)
                         : means(x, t);
    if (rc == 0 && !got)
        rc = ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for %s", name);
    if (rc == 0)
        rc = compare(w, is_resized ? "resized_rows" : is_conv ? "conv1a_corner" : name, got,
                     t->batch * t->cols * (is_resized ? 4 * t->width : is_conv ? 16 : 1),
                     is_resized ? w->resize_limit : w->limit);
    free(x);
    free(got);
    return rc;
}

/* Bytes (N, 3, Hh, Ww) as (N, Hh, Ww, 3). */
static int read_images(ffcl_verifier *v, const ffcl_tensor_info *info, uint8_t **out)
{
    int64_t *wide = NULL;
    const size_t P = info->shape[2] * info->shape[3];
    int rc = ffcl_verify_integers(v, info->name, &wide);
    *out = malloc(info->count + 1);
    if (rc == 0 && !*out)
        rc = ffcl_fail(v->err, FFCL_ENOMEM, "out of memory for %s", info->name);
    for (size_t i = 0; rc == 0 && i < info->count; i++)
        (*out)[i] = (uint8_t)wide[(i / 3 / P * 3 + i % 3) * P + i / 3 % P];
    free(wide);
    return rc;
}

static int check_images(ffcl_verifier *v, const ffcl_tensor_info *info)
{
    const size_t N = info->shape[0];
    watcher w = {.v = v, .image = info->name};
    const ffcl_tap tap = {watch, &w};
    ffcl_extractor *x = NULL;
    ffcl_features f;
    uint8_t *rgb = NULL;
    const ffcl_extractor_options options = {
        .cfg = v->cfg, .weights = v->cfg->eval.inception, .height = info->shape[2],
        .width = info->shape[3], .batch = N, .count = N};
    int rc = read_images(v, info, &rgb);
    if (rc == 0)
        rc = ffcl_extractor_open(&x, &options, v->obs, v->err);
    if (rc == 0 && ffcl_extractor_batch(x) < N)
        rc = ffcl_fail(v->err, FFCL_EDEVMEM, "%zu images do not fit the device at once", N);
    const int half = x && strcmp(ffcl_extractor_precision(x), "half") == 0;
    w.limit = half ? half_limit : limit;
    w.resize_limit = half ? half_limit : resize_limit;
    if (rc == 0)
        rc = ffcl_extractor_show(x, rgb, N, &tap, &f, v->err);
    if (rc == 0)
        rc = compare(&w, "spatial", f.spatial, N * FFCL_INCEPTION_SPATIAL, w.limit);
    if (rc == 0)
        rc = compare(&w, "2048", f.pool, N * FFCL_INCEPTION_POOL, w.limit);
    if (rc == 0)
        rc = compare(&w, "logits_unbiased", f.logits, N * FFCL_INCEPTION_CLASSES, w.limit);
    ffcl_extractor_close(&x);
    free(rgb);
    return rc;
}

int ffcl_verify_inception(ffcl_verifier *v)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ffcl_tensor_file_count(v->file); i++) {
        const ffcl_tensor_info *info = ffcl_tensor_file_at(v->file, i);
        if (info->dtype == FFCL_U8 && info->rank == 4 && info->shape[1] == 3 && info->count)
            rc = check_images(v, info);
    }
    return rc;
}

/* SPDX-License-Identifier: MIT */
#include "tune/shapes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gemm.h"
#include "ops/ops.h"
#include "sample/engine.h"
#include "util.h"

/* Shapes are taken until they make up this share of all work. */
#define SHARE 0.97
enum { DIFFERENT = 64, GPU_BATCH = 8 };

typedef struct shapes {
    ffcl_tune_shape list[DIFFERENT];
    size_t n;
} shapes;

static void add(shapes *s, size_t m, size_t n, size_t k, int a_kmajor, size_t count)
{
    for (size_t i = 0; i < s->n; i++) {
        ffcl_tune_shape *t = &s->list[i];
        if (t->m == m && t->n == n && t->k == k && t->a_kmajor == a_kmajor) {
            t->count += count;
            return;
        }
    }
    if (s->n < DIFFERENT)
        s->list[s->n++] = (ffcl_tune_shape){m, n, k, a_kmajor, count};
}

/* One row is a GEMV, which CLBlast's GEMM kernels do not compute. */
static void see(void *user, const ffcl_matmul *p)
{
    const size_t m = ffcl_matmul_rows(p);
    if (m > 1)
        add(user, m, p->w.cols, p->w.rows, p->a.layout == FFCL_COLUMNS, 1);
}

/* XL/2 at 256 x 256, m for one image; GEMMs with K-major A are cut into bands. */
static const ffcl_tune_shape xl2_256[] = {
    {256, 3456, 1152, 0, 28},   {256, 1152, 1152, 0, 28}, {256, 4608, 1152, 0, 28},
    {256, 1152, 4608, 0, 28},   {1024, 512, 4608, 1, 10}, {1024, 512, 2048, 1, 4},
    {4096, 512, 4608, 1, 6},    {4096, 512, 2048, 1, 4},  {16384, 256, 4608, 1, 1},
    {16384, 256, 2304, 1, 5},   {16384, 256, 1024, 1, 4}, {65536, 128, 2304, 1, 1},
    {65536, 128, 1152, 1, 5},   {16384, 256, 512, 0, 1},  {65536, 128, 256, 0, 1},
    {1024, 1536, 512, 0, 1},    {1024, 512, 512, 0, 1},
};

static void add_xl2(shapes *s, const ffcl_device *device)
{
    const size_t batch = device->caps.type & CL_DEVICE_TYPE_CPU ? 1 : GPU_BATCH;
    for (size_t i = 0; i < sizeof xl2_256 / sizeof *xl2_256; i++) {
        const ffcl_tune_shape *t = &xl2_256[i];
        size_t rows = t->m * batch;
        size_t band = t->a_kmajor ? ffcl_conv_band(&device->caps, t->k, rows) : rows;
        add(s, band, t->n, t->k, t->a_kmajor, t->count * (rows / band));
        if (rows % band)
            add(s, rows % band, t->n, t->k, t->a_kmajor, t->count);
    }
}

/* The model's own GEMMs, by a planning pass. */
static int add_model(shapes *s, const ffcl_config *cfg, const ffcl_device *device,
                     const ffcl_observer *obs, ffcl_error *err)
{
    ffcl_config *own = NULL;
    int rc = ffcl_config_copy(&own, cfg, err);
    if (rc == 0)
        rc = ffcl_config_set(own, "precision.compute=float32", err);
    if (rc == 0)
        rc = ffcl_config_set(own, "blas.backend=clblast", err);
    if (rc == 0)
        rc = ffcl_config_set(own, "blas.tuning=off", err);
    if (rc == 0)
        rc = ffcl_engine_shapes(own, device, see, s, NULL, obs, err);
    ffcl_config_close(&own);
    return rc;
}

static double all_work(const ffcl_tune_shape *s)
{
    return ffcl_tune_work(s) * (double)s->count;
}

static int by_all_work(const void *a, const void *b)
{
    double x = all_work(a), y = all_work(b);
    return (x < y) - (x > y);
}

static int by_work(const void *a, const void *b)
{
    double x = ffcl_tune_work(a), y = ffcl_tune_work(b);
    return (x > y) - (x < y);
}

int ffcl_tune_shapes(ffcl_tune_shape *list, size_t *n, const ffcl_config *cfg,
                     const ffcl_device *device, const ffcl_observer *obs, ffcl_error *err)
{
    shapes s = {.n = 0};
    double total = 0, covered = 0;
    int rc = 0;
    if (cfg->path)
        rc = add_model(&s, cfg, device, obs, err);
    else
        add_xl2(&s, device);
    if (rc)
        return rc;
    for (size_t i = 0; i < s.n; i++)
        total += all_work(&s.list[i]);
    qsort(s.list, s.n, sizeof *s.list, by_all_work);
    for (*n = 0; *n < s.n && *n < FFCL_TUNE_SHAPES && covered < SHARE * total; ++*n) {
        list[*n] = s.list[*n];
        covered += all_work(&s.list[*n]);
    }
    qsort(list, *n, sizeof *list, by_work);
    return 0;
}

void ffcl_tune_shape_text(const ffcl_tune_shape *s, char *text, size_t size)
{
    snprintf(text, size, "%zu x %zu x %zu%s", s->m, s->n, s->k, s->a_kmajor ? " K-major" : "");
}

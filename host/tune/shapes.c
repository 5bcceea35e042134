/* SPDX-License-Identifier: MIT */
#include "tune/shapes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tune/xl2.h"

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

/* The GEMMs of cfg's model, or of XL/2 at 256 x 256, by a planning pass. */
static int add_model(shapes *s, const ffcl_config *cfg, const ffcl_device *device,
                     const ffcl_observer *obs, ffcl_error *err)
{
    static const char *const settings[] = {"precision.compute=float32", "blas.backend=clblast",
                                           "blas.tuning=off", NULL};
    if (!cfg->path) {
        const size_t batch = device->caps.type & CL_DEVICE_TYPE_CPU ? 1 : GPU_BATCH;
        ffcl_report(obs, FFCL_PHASE_NOTE, "for SiT-XL/2 and its decoder at 256 x 256; ffcl tune "
                    "FILE.ini is for the models of FILE.ini", 0, 0);
        return ffcl_xl2_plan(&(ffcl_xl2){256, batch, settings}, cfg, device, see, s, NULL, err);
    }
    ffcl_config *own = NULL;
    int rc = ffcl_config_copy(&own, cfg, err);
    for (size_t i = 0; rc == 0 && settings[i]; i++)
        rc = ffcl_config_set(own, settings[i], err);
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
    int rc = add_model(&s, cfg, device, obs, err);
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

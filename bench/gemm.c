/* SPDX-License-Identifier: MIT
 * GEMMs of XL/2 and the decoder through ffcl's back end for CPUs beside a plain loop of cblas_sgemm
 * of the same library with threads of its own:
 *   gemm [LIBRARY]      LIBRARY: as [blas] library; libopenblas.so.0 by default
 *   gemm --core         prints the core that OpenBLAS is made to take, if it had to be
 * The plain loop runs in a program of its own, as the back end sets the library to one thread, and
 * the two take turns, as others may use the processor.  A line a shape: the least time of each and
 * the ratio of the rates; the geometric mean last. */
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../tests/kernels/models.h"
#include "gemm.h"
#include "util.h"

typedef void sgemm(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a,
                   int lda, const float *b, int ldb, float beta, float *c, int ldc);

/* One to be timed; COLUMNS: W lies as (N, K), as SiT's weights do in their file. */
typedef struct shape {
    char what[40];
    size_t m, n, k;
    ffcl_layout layout;
} shape;

enum { SHAPES = 16 };

/* The models' GEMMs at 256 x 256, and what else has another form: modulations of eight images, and
 * convolutions as columns. */
static size_t list_shapes(shape list[SHAPES])
{
    static const ffcl_images_of one = {1, 32};
    static const shape others[] = {
        {"modulations of a block, 8 images", 8, 6 * FFCL_XL_WIDTH, FFCL_XL_WIDTH, FFCL_COLUMNS},
        {"convolution as columns, 64 x 64", 4096, FFCL_VAE_MID, 9 * FFCL_VAE_MID, FFCL_ROWS},
        {"convolution as columns, 256 x 256", 16384, 128, 9 * 128, FFCL_ROWS},
    };
    size_t n = 0;
    for (const ffcl_model_gemm *g = ffcl_model_gemms; g->role; g++) {
        const size_t m = ffcl_model_rows(g, &one);
        if (m == 1)
            continue;
        list[n] = (shape){.m = m, .n = g->N, .k = g->K,
                          .layout = g->quarters > 1 ? FFCL_ROWS : FFCL_COLUMNS};
        snprintf(list[n++].what, sizeof list->what, "%s", g->role);
    }
    memcpy(list + n, others, sizeof others);
    return n + sizeof others / sizeof *others;
}

static void fill(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(i * 7 % 101) / 101.0f - 0.5f;
}

/* Prints the seconds of the plain loop. */
static int loop(const char *file, const shape *s)
{
    const size_t m = s->m, n = s->n, k = s->k;
    const int columns = s->layout == FFCL_COLUMNS;
    void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    void *symbol = handle ? dlsym(handle, "cblas_sgemm") : NULL;
    float *a = malloc((m * k + k * n + m * n) * sizeof *a);
    float *w = a ? a + m * k : NULL, *c = a ? w + k * n : NULL;
    sgemm *f = NULL;
    double best = INFINITY;
    memcpy(&f, &symbol, sizeof f);
    if (!f || !a)
        return 1;
    fill(a, m * k + k * n);
    double begun = ffcl_clock();
    for (int run = 0; run < 5 || ffcl_clock() - begun < 0.5; run++) {
        double start = ffcl_clock();
        f(101, 111, columns ? 112 : 111, (int)m, (int)n, (int)k, 1.0f, a, (int)k, w,
          (int)(columns ? k : n), 0.0f, c, (int)n);
        best = fmin(best, ffcl_clock() - start);
    }
    printf("%.9g\n", best);
    return 0;
}

/* Seconds of the plain loop in a program of its own, in which the library has all its threads. */
static double plain(const char *file, size_t i)
{
    char line[600];
    double best = NAN;
    snprintf(line, sizeof line, "exec /proc/%ld/exe --loop '%s' %zu", (long)getpid(), file, i);
    FILE *f = popen(line, "r");
    if (f && fscanf(f, "%lf", &best) != 1)
        best = NAN;
    if (f)
        pclose(f);
    return best;
}

/* Seconds through the queue; the whole call, until it is done. */
static int through(ffcl_ctx *ctx, const shape *s, double *best)
{
    const size_t m = s->m, n = s->n, k = s->k;
    const size_t sizes[] = {m * k, k * n, m * n};
    cl_mem mem[3] = {NULL};
    int rc = 0;
    *best = INFINITY;
    for (int j = 0; rc == 0 && j < 3; j++) {
        float *x = malloc(sizes[j] * sizeof *x);
        rc = x ? ffcl_buffer_create(ctx, &mem[j], sizes[j] * sizeof *x, "a matrix") : FFCL_ENOMEM;
        if (rc == 0) {
            fill(x, sizes[j]);
            rc = ffcl_buffer_write(ctx, mem[j], 0, x, sizes[j] * sizeof *x);
        }
        free(x);
    }
    const ffcl_tensor w = s->layout == FFCL_COLUMNS
                              ? ffcl_transposed(ffcl_tensor_of(FFCL_F32, 1, n, k))
                              : ffcl_tensor_of(FFCL_F32, 1, k, n);
    const ffcl_matmul p = {.a = ffcl_tensor_in(mem[0], ffcl_tensor_of(FFCL_F32, 1, m, k)),
                           .w = ffcl_tensor_in(mem[1], w),
                           .out = ffcl_tensor_in(mem[2], ffcl_tensor_of(FFCL_F32, 1, m, n))};
    double begun = ffcl_clock();
    for (int run = 0; rc == 0 && (run < 5 || ffcl_clock() - begun < 0.5); run++) {
        double start = ffcl_clock();
        ffcl_gemm(ctx, &p);
        rc = ffcl_ctx_check(ctx);
        if (rc == 0)
            rc = ffcl_finish(ctx);
        *best = fmin(*best, ffcl_clock() - start);
    }
    for (int j = 0; j < 3; j++)
        if (mem[j])
            clReleaseMemObject(mem[j]);
    return rc;
}

int main(int argc, char **argv)
{
    const char *file = argc > 1 && argv[1][0] != '-' ? argv[1] : "libopenblas.so.0";
    shape shapes[SHAPES];
    const size_t count = list_shapes(shapes);
    ffcl_error err = {0, ""};
    ffcl_device device;
    ffcl_ctx *ctx = NULL;
    double logs = 0.0;
    if (argc == 4 && strcmp(argv[1], "--loop") == 0)
        return loop(argv[2], &shapes[(size_t)atoi(argv[3]) % count]);
    int rc = ffcl_device_select(&device, "cpu", &err);
    if (rc == 0)
        rc = ffcl_ctx_open(&ctx, &device, NULL, NULL, &err);
    if (rc == 0) {
        ctx->err = &err;
        rc = ffcl_blas_open(ctx, &(ffcl_blas_options){.name = "cblas", .library = file});
    }
    if (argc == 2 && strcmp(argv[1], "--core") == 0) {
        if (getenv("OPENBLAS_CORETYPE"))
            puts(getenv("OPENBLAS_CORETYPE"));
        goto out;
    }
    if (rc == 0)
        printf("%s, %s\n%-36s %6s %6s %6s  %10s %10s  %s\n", device.caps.name, ffcl_blas_name(ctx),
               "GEMM", "M", "N", "K", "cblas", "ffcl", "ffcl / cblas (GFLOP/s)");
    for (size_t i = 0; rc == 0 && i < count; i++) {
        double theirs = INFINITY, ours = INFINITY;
        for (int turn = 0; rc == 0 && turn < 3; turn++) {
            double t;
            theirs = fmin(theirs, plain(file, i));
            rc = through(ctx, &shapes[i], &t);
            ours = fmin(ours, t);
        }
        double flops = 2e-9 * (double)shapes[i].m * (double)shapes[i].n * (double)shapes[i].k;
        printf("%-36s %6zu %6zu %6zu  %10.1f %10.1f  %.2f\n", shapes[i].what, shapes[i].m,
               shapes[i].n, shapes[i].k, flops / theirs, flops / ours, theirs / ours);
        fflush(stdout);
        logs += log(theirs / ours);
    }
    if (rc)
        fprintf(stderr, "gemm: %s\n", err.text);
    else
        printf("geometric mean of the ratios: %.2f\n", exp(logs / (double)count));
out:
    if (ctx)
        ffcl_blas_close(ctx);
    ffcl_ctx_close(&ctx);
    return -rc;
}

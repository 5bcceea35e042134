/* SPDX-License-Identifier: MIT */
#include "cblas_library.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

/* Stores the function of that name in *f, a function pointer, to which ISO C has no cast. */
static int find(void *handle, const char *name, void *f)
{
    void *symbol = dlsym(handle, name);
    memcpy(f, &symbol, sizeof symbol);
    return symbol != NULL;
}

/* On a processor newer than itself OpenBLAS takes its kernels for Prescott, the first with 64 bits,
 * which are 5 times slower than AVX-512 allows.  Returns the name of a core whose instructions this
 * processor has, or NULL where OpenBLAS needs no help. */
static const char *better_core(void *handle)
{
#if defined(__x86_64__)
    char *(*corename)(void) = NULL;
    if (getenv("OPENBLAS_CORETYPE") || !find(handle, "openblas_get_corename", &corename) ||
        strcmp(corename(), "Prescott") != 0)
        return NULL;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        return "SkylakeX";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return "Haswell";
#else
    (void)handle;
#endif
    return NULL;
}

/* Callers divide the work among threads of their own: results then do not depend on the library's
 * choice, and none of its threads spins beside the device's. */
static void use_one_thread(void *handle)
{
    static const char *const names[] = {"openblas_set_num_threads", "bli_thread_set_num_threads",
                                        "MKL_Set_Num_Threads"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        /* BLIS takes a 64-bit integer; the others read the low 32 bits of it. */
        void (*set)(int64_t n) = NULL;
        if (find(handle, names[i], &set))
            set(1);
    }
}

void ffcl_library_file(char *text, size_t size, const void *function)
{
    void *address = NULL;
    Dl_info info = {0};
    memcpy(&address, function, sizeof address);
    char *path = dladdr(address, &info) && info.dli_fname ? realpath(info.dli_fname, NULL) : NULL;
    const char *slash = path ? strrchr(path, '/') : NULL;
    snprintf(text, size, "%.190s", slash ? slash + 1 : "unknown");
    free(path);
}

void ffcl_blas_version(char *text, size_t size, void *handle, const void *function)
{
    char *(*openblas)(void) = NULL;
    const char *(*blis)(void) = NULL;
    void (*mkl)(char *text, int size) = NULL;
    if (find(handle, "openblas_get_config", &openblas)) {
        snprintf(text, size, "%s", openblas());
        char *blank = strchr(text, ' ');
        blank = blank ? strchr(blank + 1, ' ') : NULL;
        if (blank)
            *blank = '\0';          /* how it was built follows */
    } else if (find(handle, "bli_info_get_version_str", &blis)) {
        snprintf(text, size, "BLIS %s", blis());
    } else if (find(handle, "MKL_Get_Version_String", &mkl)) {
        mkl(text, (int)size);
        size_t n = strnlen(text, size - 1);
        while (n && text[n - 1] == ' ')     /* it fills the text with blanks */
            n--;
        text[n] = '\0';
    } else {
        ffcl_library_file(text, size, function);
    }
}

int ffcl_cblas_load(ffcl_cblas_library *lib, const char *file, ffcl_error *err)
{
    char *(*corename)(void) = NULL;
    memset(lib, 0, sizeof *lib);
    lib->handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!lib->handle)
        return ffcl_fail(err, FFCL_EFILE, "the CBLAS library %s cannot be loaded: %s", file,
                         dlerror());
    const char *core = better_core(lib->handle);
    if (core) {
        /* OpenBLAS reads the variable while it is loaded, so it is loaded again. */
        setenv("OPENBLAS_CORETYPE", core, 0);
        dlclose(lib->handle);
        lib->handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    }
    if (!lib->handle || !find(lib->handle, "cblas_sgemm", &lib->sgemm) ||
        !find(lib->handle, "cblas_sgemv", &lib->sgemv)) {
        ffcl_cblas_unload(lib);
        return ffcl_fail(err, FFCL_EFILE, "%s has no cblas_sgemm and cblas_sgemv", file);
    }
    use_one_thread(lib->handle);
    const char *base = strrchr(file, '/');
    int known = find(lib->handle, "openblas_get_corename", &corename);
    snprintf(lib->name, sizeof lib->name, "%s%s%s%s", base ? base + 1 : file, known ? " (" : "",
             known ? corename() : "", known ? ")" : "");
    ffcl_blas_version(lib->version, sizeof lib->version, lib->handle, &lib->sgemm);
    return 0;
}

/* A reference implementation is slower than CLBlast, and recognised by being hardly faster than a
 * loop. */
int ffcl_cblas_load_any(ffcl_cblas_library *lib, ffcl_error *err)
{
    static const char *const files[] = {"libopenblas.so.0", "libblis.so.4", "libmkl_rt.so.2",
                                        "libmkl_rt.so", "libblas.so.3", "libcblas.so.3"};
    static const double fast_enough = 4.0;
    char slow[300] = "";
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (ffcl_cblas_load(lib, files[i], NULL) != 0)
            continue;
        if (ffcl_cblas_speed(lib) >= fast_enough)
            return 0;
        snprintf(slow, sizeof slow, " (%s is no faster than a plain loop)", lib->name);
        ffcl_cblas_unload(lib);
    }
    return ffcl_fail(err, FFCL_EFILE,
                     "no fast CBLAS library is installed%s: with libopenblas0 or libblis4, "
                     "GEMMs on this CPU take a fraction of the time", slow);
}

void ffcl_cblas_unload(ffcl_cblas_library *lib)
{
    if (lib->handle)
        dlclose(lib->handle);
    memset(lib, 0, sizeof *lib);
}

/* Numbers between -1 and 1 without any order. */
static void fill(float *x, size_t n, uint32_t seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = (float)(seed >> 8) / 8388608.0f - 1.0f;
    }
}

/* c (m, n) = a (m, k) b (k, n); a (k, m) where ta is 1, b (n, k) where tb is 1; all dense. */
typedef struct problem {
    const float *a, *b;
    int ta, tb;
    size_t m, n, k;
} problem;

/* The largest error of c; infinite where c has a NaN. */
static double worst(const float *c, const problem *p)
{
    double most = 0.0;
    for (size_t i = 0; i < p->m; i++)
        for (size_t j = 0; j < p->n; j++) {
            double sum = 0.0;
            for (size_t l = 0; l < p->k; l++)
                sum += (double)p->a[p->ta ? l * p->m + i : i * p->k + l] *
                       (double)p->b[p->tb ? j * p->k + l : l * p->n + j];
            double off = fabs(sum - (double)c[i * p->n + j]);
            most = off > most || isnan(off) ? (isnan(off) ? INFINITY : off) : most;
        }
    return most;
}

int ffcl_cblas_check(const ffcl_cblas_library *lib, ffcl_error *err)
{
    enum { M = 37, N = 83, K = 517, MOST = 83 * 517 };
    /* Proportional to sqrt(K), 23, as roundings have either sign. */
    const double allowed = 2e-6 * 23.0;
    float *a = malloc(3 * MOST * sizeof *a), *b = a ? a + MOST : NULL, *c = a ? b + MOST : NULL;
    double most = 0.0;
    if (!a)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for a check of %s", lib->name);
    fill(a, M * K, 1);
    fill(b, N * K, 2);
    for (int kind = 0; kind < 4; kind++) {
        int ta = kind & 1, tb = kind >> 1;
        for (size_t i = 0; i < M * N; i++)
            c[i] = NAN;
        lib->sgemm(FFCL_CBLAS_ROW_MAJOR, ta ? FFCL_CBLAS_TRANSPOSED : FFCL_CBLAS_PLAIN,
                   tb ? FFCL_CBLAS_TRANSPOSED : FFCL_CBLAS_PLAIN, M, N, K, 1.0f, a, ta ? M : K, b,
                   tb ? K : N, 0.0f, c, N);
        most = fmax(most, worst(c, &(problem){a, b, ta, tb, M, N, K}));
    }
    for (int tb = 0; tb < 2; tb++) {
        memset(c, 0, N * sizeof *c);
        lib->sgemv(FFCL_CBLAS_ROW_MAJOR, tb ? FFCL_CBLAS_PLAIN : FFCL_CBLAS_TRANSPOSED,
                   tb ? N : K, tb ? K : N, 1.0f, b, tb ? K : N, a, 1, 0.0f, c, 1);
        most = fmax(most, worst(c, &(problem){a, b, 0, tb, 1, N, K}));
    }
    free(a);
    return most <= allowed ? 0
                           : ffcl_fail(err, FFCL_EDEVICE,
                                       "%s gives wrong results: off by %.2g where %.2g is allowed",
                                       lib->name, most, allowed);
}

static void plain_loop(float *c, const float *a, const float *b, size_t n)
{
    memset(c, 0, n * n * sizeof *c);
    for (size_t i = 0; i < n; i++)
        for (size_t l = 0; l < n; l++)
            for (size_t j = 0; j < n; j++)
                c[i * n + j] += a[i * n + l] * b[l * n + j];
}

double ffcl_cblas_speed(const ffcl_cblas_library *lib)
{
    enum { N = 160 };
    float *a = malloc(3 * N * N * sizeof *a);
    float *b = a ? a + N * N : NULL, *c = a ? b + N * N : NULL;
    double mine = INFINITY, its = INFINITY;
    if (!a)
        return 0.0;
    fill(a, 2 * N * N, 3);
    /* The shortest of several times, as other programs may use the processor. */
    for (int i = 0; i < 4; i++) {
        double start = ffcl_clock();
        lib->sgemm(FFCL_CBLAS_ROW_MAJOR, FFCL_CBLAS_PLAIN, FFCL_CBLAS_PLAIN, N, N, N, 1.0f, a, N,
                   b, N, 0.0f, c, N);
        double middle = ffcl_clock();
        plain_loop(c, a, b, N);
        its = fmin(its, middle - start);
        mine = fmin(mine, ffcl_clock() - middle);
    }
    free(a);
    return mine / fmax(its, 1e-9);
}

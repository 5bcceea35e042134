/* SPDX-License-Identifier: MIT */
#include "eval/lapack.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cblas_library.h"
#include "team.h"
#include "util.h"

/* Columns of a part of a sum of squares: what a part is depends on nothing else, so that its sums
 * have one order whatever the threads; and the most of those. */
enum { PART = 256, MOST_THREADS = 4 };

struct ffcl_lapack {
    void *handle;
    ffcl_team *team;
    char name[64], version[200];
    void (*dsyrk)(const char *uplo, const char *trans, const int *n, const int *k,
                  const double *alpha, const double *a, const int *lda, const double *beta,
                  double *c, const int *ldc);
    void (*dgemm)(const char *transa, const char *transb, const int *m, const int *n, const int *k,
                  const double *alpha, const double *a, const int *lda, const double *b,
                  const int *ldb, const double *beta, double *c, const int *ldc);
    void (*dsyevd)(const char *jobz, const char *uplo, const int *n, double *a, const int *lda,
                   double *w, double *work, const int *lwork, int *iwork, const int *liwork,
                   int *info);
    void (*dpotrf)(const char *uplo, const int *n, double *a, const int *lda, int *info);
    int (*threads)(void);               /* OpenBLAS's; NULL */
    void (*use_threads)(int n);
    int takes_all;
};

/* dlsym returns void *, which ISO C does not turn into a function. */
static int find(void *handle, const char *name, void *function)
{
    void *symbol = dlsym(handle, name);
    memcpy(function, &symbol, sizeof symbol);
    return symbol != NULL;
}

/* Leaves l without a handle where that is no such library. */
static void load(ffcl_lapack *l, const char *file)
{
    l->handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!l->handle)
        return;
    if (find(l->handle, "dsyrk_", &l->dsyrk) && find(l->handle, "dgemm_", &l->dgemm) &&
        find(l->handle, "dsyevd_", &l->dsyevd) && find(l->handle, "dpotrf_", &l->dpotrf)) {
        if (find(l->handle, "openblas_get_num_threads", &l->threads))
            find(l->handle, "openblas_set_num_threads", &l->use_threads);
        snprintf(l->name, sizeof l->name, "%s", file);
        ffcl_blas_version(l->version, sizeof l->version, l->handle, &l->dsyevd);
        return;
    }
    dlclose(l->handle);
    l->handle = NULL;
}

int ffcl_lapack_open(ffcl_lapack **out, ffcl_error *err)
{
    static const char *const files[] = {"libopenblas.so.0", "liblapack.so.3", "liblapack.so"};
    ffcl_lapack *l = *out = calloc(1, sizeof *l);
    if (!l)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for LAPACK");
    for (size_t i = 0; !l->handle && i < sizeof files / sizeof *files; i++)
        load(l, files[i]);
    int rc = l->handle ? 0 : ffcl_fail(err, FFCL_EFILE, "no LAPACK library is installed, which the "
                                       "Frechet distance needs: install libopenblas0, or "
                                       "liblapack3");
    if (rc == 0)
        rc = ffcl_team_open(&l->team, ffcl_min(ffcl_max(ffcl_cores() / 2, 1), MOST_THREADS), err);
    if (rc)
        ffcl_lapack_close(out);
    return rc;
}

void ffcl_lapack_close(ffcl_lapack **lapack)
{
    if (!*lapack)
        return;
    ffcl_team_close(&(*lapack)->team);
    if ((*lapack)->handle)
        dlclose((*lapack)->handle);
    free(*lapack);
    *lapack = NULL;
}

const char *ffcl_lapack_name(const ffcl_lapack *l)
{
    return l->name;
}

const char *ffcl_lapack_version(const ffcl_lapack *l)
{
    return l->version;
}

/* C (n, n) += X^T X of X (k, n), row-major. */
typedef struct squares {
    const ffcl_lapack *lapack;
    double *C;
    const double *X;
    size_t k, n;
} squares;

/* Columns from i * PART on: their triangle, and the rows below it. */
static void add_part(void *user, size_t i)
{
    const squares *s = user;
    const double one = 1.0;
    const size_t first = i * PART, width = ffcl_min(s->n - first, PART), next = first + width;
    const int ld = (int)s->n, rows = (int)s->k, columns = (int)width, below = (int)(s->n - next);
    double *C = s->C + first * s->n;
    /* X row-major is its transpose column-major. */
    s->lapack->dsyrk("L", "N", &columns, &rows, &one, s->X + first, &ld, &one, C + first, &ld);
    if (below)
        s->lapack->dgemm("N", "T", &below, &columns, &rows, &one, s->X + next, &ld, s->X + first,
                         &ld, &one, C + next, &ld);
}

void ffcl_lapack_add_squares(const ffcl_lapack *l, double *C, const double *X, size_t k, size_t n)
{
    squares s = {l, C, X, k, n};
    /* OpenBLAS's own threads would spin for most of their time. */
    if (l->threads && l->use_threads && l->threads() > 1)
        l->use_threads(1);
    ffcl_team_run(l->team, add_part, &s, ffcl_div_up(n, PART));
}

void ffcl_lapack_take_all(ffcl_lapack *l)
{
    l->takes_all = 1;
}

/* The CBLAS back end has OpenBLAS use one thread. */
static int take_threads(const ffcl_lapack *l)
{
    const int before = l->takes_all && l->threads && l->use_threads ? l->threads() : 0;
    /* Threads that wait for each other spin: where few processors are shared with other programs
     * they are slower together than one alone. */
    if (before)
        l->use_threads(ffcl_cores() < 4 ? 1 : (int)ffcl_cores());
    return before;
}

static void give_threads(const ffcl_lapack *l, int before)
{
    if (before)
        l->use_threads(before);
}

void ffcl_lapack_multiply(const ffcl_lapack *l, double *C, const double *A, const double *B,
                          size_t n, int is_transposed)
{
    const double one = 1.0, zero = 0.0;
    const int size = (int)n, before = take_threads(l);
    l->dgemm(is_transposed ? "T" : "N", "N", &size, &size, &size, &one, A, &size, B, &size, &zero,
             C, &size);
    give_threads(l, before);
}

int ffcl_lapack_eigen(const ffcl_lapack *l, double *A, size_t n, int is_vectors, double *values,
                      ffcl_error *err)
{
    const char *job = is_vectors ? "V" : "N";
    const int size = (int)n;
    int query = -1, info = 0, whole = 0;
    double wanted = 0.0;
    l->dsyevd(job, "L", &size, A, &size, values, &wanted, &query, &whole, &query, &info);
    const int floats = (int)wanted;
    double *work = malloc(((size_t)floats + 1) * sizeof *work);
    int *numbers = malloc(((size_t)whole + 1) * sizeof *numbers);
    int rc = info || !work || !numbers
                 ? ffcl_fail(err, FFCL_ENOMEM, "out of memory for eigenvalues") : 0;
    if (rc == 0) {
        const int before = take_threads(l);
        l->dsyevd(job, "L", &size, A, &size, values, work, &floats, numbers, &whole, &info);
        give_threads(l, before);
        if (info)
            rc = ffcl_fail(err, FFCL_ENUMERIC, "the eigenvalues of a covariance cannot be computed "
                           "(dsyevd of %s gives %d)", l->name, info);
    }
    free(work);
    free(numbers);
    return rc;
}

int ffcl_lapack_is_definite(const ffcl_lapack *l, double *A, size_t n)
{
    const int size = (int)n, before = take_threads(l);
    int info = 0;
    l->dpotrf("L", &size, A, &size, &info);
    give_threads(l, before);
    return info == 0;
}

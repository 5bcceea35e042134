/* SPDX-License-Identifier: MIT
 * A CBLAS library whose GEMMs are wrong; or with -DHIDE, preloaded, what lets dlopen find no
 * BLAS at all. */
#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#ifdef HIDE
void *dlopen(const char *file, int flags)
{
    void *(*real)(const char *, int) = NULL;
    void *symbol = dlsym(RTLD_NEXT, "dlopen");
    memcpy(&real, &symbol, sizeof symbol);
    if (file && (strstr(file, "blas") || strstr(file, "blis") || strstr(file, "mkl")) &&
        !strstr(file, "clblast"))
        file = "/nonexistent/library.so";
    return real(file, flags);
}
#else
void cblas_sgemm(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a,
                 int lda, const float *b, int ldb, float beta, float *c, int ldc)
{
    (void)order, (void)ta, (void)tb, (void)alpha, (void)beta, (void)lda, (void)ldb, (void)k;
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++)
            c[i * ldc + j] = a[0] * b[0];
}

void cblas_sgemv(int order, int trans, int m, int n, float alpha, const float *a, int lda,
                 const float *x, int incx, float beta, float *y, int incy)
{
    (void)order, (void)trans, (void)m, (void)n, (void)alpha, (void)a, (void)lda, (void)x;
    (void)incx, (void)beta, (void)y, (void)incy;
}
#endif

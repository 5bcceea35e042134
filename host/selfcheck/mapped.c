/* SPDX-License-Identifier: MIT */
#include "selfcheck/mapped.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ops/ops.h"

/* Floats of the file: whole pages of any device, up to 64 KB. */
enum { N = 1 << 14 };

/* Writes numbers that are others each time. */
static int fill(FILE *file, float values[N], int time)
{
    for (int i = 0; i < N; i++)
        values[i] = (float)(i + 1) * (time ? -0.5f : 1.0f);
    rewind(file);
    return fwrite(values, sizeof *values, N, file) == N && fflush(file) == 0;
}

/* What a kernel reads of `from`, by way of `to`. */
static int read_by_kernel(ffcl_ctx *ctx, cl_mem to, cl_mem from, float got[N])
{
    const ffcl_tensor flat = ffcl_tensor_of(FFCL_F32, 1, 1, N);
    const ffcl_tensor out = ffcl_tensor_in(to, flat), x = ffcl_tensor_in(from, flat);
    ffcl_ceiling_copy(ctx, &out, &x);
    return ffcl_ctx_check(ctx) == 0 &&
           ffcl_buffer_read(ctx, to, 0, got, N * sizeof *got) == 0;
}

/* values, got (N). */
static int is_in_place(ffcl_ctx *ctx, FILE *file, const void *map, float *values, float *got)
{
    const size_t bytes = N * sizeof(float);
    cl_mem from = NULL, to = NULL;
    int same = ffcl_buffer_create(ctx, &to, bytes, "the check of mapped files") == 0 &&
               ffcl_buffer_over(ctx, &from, map, bytes) == 0;
    for (int time = 0; same && time < 2; time++)
        same = fill(file, values, time) && read_by_kernel(ctx, to, from, got) &&
               memcmp(values, got, bytes) == 0;
    if (from)
        clReleaseMemObject(from);
    if (to)
        clReleaseMemObject(to);
    return same;
}

void ffcl_selfcheck_mapped(ffcl_ctx *ctx)
{
    const char *wish = getenv("FFCL_MAPPED");
    const size_t bytes = N * sizeof(float);
    ffcl_error ignored = {0}, *err = ctx->err;
    if (ffcl_is_cpu(ctx) || !ctx->device.caps.unified || (wish && strcmp(wish, "off") == 0))
        return;
    FILE *file = tmpfile();
    float *values = malloc(2 * bytes);
    void *map = MAP_FAILED;
    if (file && values && fill(file, values, 0))
        map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fileno(file), 0);
    ctx->err = &ignored;
    ctx->maps_weights = map != MAP_FAILED && is_in_place(ctx, file, map, values, values + N);
    ctx->err = err;
    if (map != MAP_FAILED)
        munmap(map, bytes);
    free(values);
    if (file)
        fclose(file);
}

/* SPDX-License-Identifier: MIT */
#include "cl/locked.h"

#include "util.h"

int ffcl_locked_open(ffcl_ctx *ctx, ffcl_locked *locked, size_t bytes)
{
    cl_int code;
    locked->mem = clCreateBuffer(ctx->context, CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR, bytes,
                                 NULL, &code);
    int rc = FFCL_CL_CODE(ctx->err, code, "clCreateBuffer");
    if (rc)
        return rc;
    locked->mapped = clEnqueueMapBuffer(ctx->queue, locked->mem, CL_TRUE,
                                        CL_MAP_READ | CL_MAP_WRITE, 0, bytes, 0, NULL, NULL, &code);
    return FFCL_CL_CODE(ctx->err, code, "clEnqueueMapBuffer");
}

void ffcl_locked_close(ffcl_ctx *ctx, ffcl_locked *locked)
{
    if (locked->mapped) {
        clEnqueueUnmapMemObject(ctx->queue, locked->mem, locked->mapped, 0, NULL, NULL);
        clFinish(ctx->queue);
    }
    if (locked->mem)
        clReleaseMemObject(locked->mem);
    *locked = (ffcl_locked){0};
}

void *ffcl_locked_part(char *memory, size_t *used, size_t n)
{
    char *part = memory ? memory + *used : NULL;
    *used += ffcl_round_up(n, 64);
    return part;
}

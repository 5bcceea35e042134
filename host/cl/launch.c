/* SPDX-License-Identifier: MIT */
#include "cl/launch.h"

#include "cl/limits.h"
#include "cl/profile.h"
#include "util.h"

/* "kernel [options] global / local: arguments", of a planning pass with "plan" before it. */
static void trace(const ffcl_ctx *ctx, const ffcl_kernel *kernel, cl_uint dims,
                  const size_t *global, const size_t *local, const ffcl_arg *args, size_t n_args)
{
    fprintf(ctx->trace, "%s%s [%s]", ctx->planning ? "plan " : "", kernel->name, kernel->options);
    for (cl_uint i = 0; i < dims; i++)
        fprintf(ctx->trace, "%s%zu", i ? "x" : " ", global[i]);
    for (cl_uint i = 0; i < dims; i++)
        fprintf(ctx->trace, "%s%zu", i ? "x" : " / ", local[i]);
    for (size_t i = 0; i < n_args; i++) {
        if (args[i].kind == FFCL_ARG_LOCAL)
            fprintf(ctx->trace, " local:%zu", args[i].size);
        else if (args[i].kind == FFCL_ARG_INT)
            fprintf(ctx->trace, " %d", args[i].value.i32);
        else if (args[i].kind == FFCL_ARG_FLOAT)
            fprintf(ctx->trace, " %.9g", (double)args[i].value.f32);
        else
            fprintf(ctx->trace, " *");
    }
    fprintf(ctx->trace, "\n");
}

void ffcl_launch_args(ffcl_ctx *ctx, const ffcl_kernel *kernel, cl_uint dims, const size_t *global,
                      const size_t *local, const ffcl_arg *args, size_t n_args)
{
    if (ctx->status || !kernel)
        return;
    if (ctx->trace)
        trace(ctx, kernel, dims, global, local, args, n_args);
    size_t items = 1;
    for (cl_uint i = 0; local && i < dims; i++)
        items *= local[i];
    if (ffcl_over_limit(ctx, kernel, items) || ctx->planning)
        return;
    if (n_args != kernel->n_args) {
        ffcl_ctx_fail(ctx, FFCL_EBUILD, "kernel %s takes %u arguments and ffcl has %zu for it: "
                      "FFCL_CL_DIR has kernels of another version", kernel->name,
                      (unsigned)kernel->n_args, n_args);
        return;
    }
    for (size_t i = 0; i < n_args; i++) {
        const void *value = args[i].kind == FFCL_ARG_LOCAL ? NULL : (const void *)&args[i].value;
        cl_int code = clSetKernelArg(kernel->handle, (cl_uint)i, args[i].size, value);
        if (code != CL_SUCCESS) {
            ffcl_ctx_fail(ctx, ffcl_cl_status(code), "argument %zu of kernel %s: %s", i,
                          kernel->name, ffcl_cl_name(code) ? ffcl_cl_name(code) : "error");
            return;
        }
    }
    cl_int code = clEnqueueNDRangeKernel(ctx->queue, kernel->handle, dims, NULL, global, local, 0,
                                         NULL, ffcl_profile_slot(ctx, kernel->name));
    if (code == CL_SUCCESS && ctx->sync)
        code = clFinish(ctx->queue);
    const char *name = ffcl_cl_name(code);
    if (code != CL_SUCCESS)
        ffcl_ctx_fail(ctx, ffcl_cl_status(code), "kernel %s: %s on %s", kernel->name,
                      name ? name : "launch failed", ctx->device.caps.name);
}

size_t ffcl_local_size(const ffcl_ctx *ctx, const ffcl_kernel *kernel, size_t wanted)
{
    size_t limit = ffcl_min(wanted, ctx->device.caps.max_work_group);
    if (kernel && kernel->max_work_group)
        limit = ffcl_min(limit, kernel->max_work_group);
    size_t n = 1;
    while (n * 2 <= limit)
        n *= 2;
    return n;
}

size_t ffcl_tile_lines(const ffcl_ctx *ctx, char *option)
{
    size_t lines = 8;
    while (lines > 1 && 32 * lines > ctx->device.caps.max_work_group)
        lines /= 2;
    *option = '\0';
    if (lines < 8)
        snprintf(option, 16, "-DLINES=%zu", lines);
    return lines;
}

void ffcl_launch_flat(ffcl_ctx *ctx, const ffcl_kernel *kernel, size_t n, const ffcl_arg *args,
                      size_t n_args)
{
    size_t local = ffcl_local_size(ctx, kernel, 256);
    size_t global = ffcl_round_up(n, local);
    ffcl_launch_args(ctx, kernel, 1, &global, &local, args, n_args);
}

/* SPDX-License-Identifier: MIT */
#include "cl/limits.h"

#include <stdio.h>

/* What the driver says that a kernel which needs nothing takes, though it runs it in larger
 * work-groups, of items; 0 where it is held to what is said.  Mesa 22.3 says 32 of every kernel on
 * a CPU and takes 1024. */
static size_t empty_limit(const ffcl_ctx *ctx, size_t items)
{
    static const char *text = "__kernel void nothing(int x) {}\n";
    const cl_int one = 1;
    size_t limit = 0;
    cl_kernel kernel = NULL;
    cl_int code = CL_SUCCESS;
    cl_program program = clCreateProgramWithSource(ctx->context, 1, &text, NULL, &code);
    if (code != CL_SUCCESS)
        return 0;
    code = clBuildProgram(program, 1, &ctx->device.id, "", NULL, NULL);
    if (code == CL_SUCCESS)
        kernel = clCreateKernel(program, "nothing", &code);
    if (code == CL_SUCCESS)
        code = clGetKernelWorkGroupInfo(kernel, ctx->device.id, CL_KERNEL_WORK_GROUP_SIZE,
                                        sizeof limit, &limit, NULL);
    if (code == CL_SUCCESS)
        code = clSetKernelArg(kernel, 0, sizeof one, &one);
    if (code == CL_SUCCESS && limit < items)
        code = clEnqueueNDRangeKernel(ctx->queue, kernel, 1, NULL, &items, &items, 0, NULL, NULL);
    if (code == CL_SUCCESS)
        code = clFinish(ctx->queue);
    if (kernel)
        clReleaseKernel(kernel);
    clReleaseProgram(program);
    return code == CL_SUCCESS && limit < items ? limit : 0;
}

/* Is the limit the kernel's own?  Not where the driver says the same of any kernel and does not
 * mean it; asked at most once a context. */
static int is_meant(ffcl_ctx *ctx, const ffcl_kernel *kernel, size_t items)
{
    if (!ctx->asked_limit) {
        ctx->asked_limit = 1;
        ctx->empty_limit = empty_limit(ctx, items);
    }
    return kernel->max_work_group < ctx->empty_limit || !ctx->empty_limit;
}

int ffcl_is_ruled_out(const ffcl_ctx *ctx, const ffcl_variant *v)
{
    for (size_t i = 0; i < ctx->n_ruled_out; i++)
        if (ctx->ruled_out[i] == v)
            return 1;
    return 0;
}

static void rule_out(ffcl_ctx *ctx, const ffcl_kernel *kernel, size_t items)
{
    char text[320];
    if (!ctx->variant || ctx->n_ruled_out == FFCL_MOST_RULED_OUT ||
        ffcl_is_ruled_out(ctx, ctx->variant))
        return;
    ctx->ruled_out[ctx->n_ruled_out++] = ctx->variant;
    snprintf(text, sizeof text, "%s does without the variant %s: its kernel %s needs work-groups "
             "of %zu work-items, and the driver allows it %zu", ctx->running->name,
             ctx->variant->name, kernel->name, items, kernel->max_work_group);
    ffcl_report(ctx->obs, FFCL_PHASE_NOTE, text, 0, 0);
}

int ffcl_over_limit(ffcl_ctx *ctx, const ffcl_kernel *kernel, size_t items)
{
    if (!kernel->max_work_group || items <= kernel->max_work_group ||
        !is_meant(ctx, kernel, items))
        return 0;
    if (ctx->planning)
        rule_out(ctx, kernel, items);
    else
        ffcl_ctx_fail(ctx, FFCL_EBUILD, "kernel %s needs work-groups of %zu work-items, and the "
                      "driver of %s allows it %zu: another device (device.select) or a newer "
                      "driver may take it", kernel->name, items, ctx->device.caps.name,
                      kernel->max_work_group);
    return 1;
}

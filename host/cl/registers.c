/* SPDX-License-Identifier: MIT */
#include "cl/registers.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cl/source.h"

/* Does the device's compiler take these options? */
static int builds(const ffcl_ctx *ctx, const char *options)
{
    static const char *text = "__kernel __attribute__((intel_reqd_sub_group_size(FEW_LANES)))\n"
                              "void lanes(__global int *x) { x[get_global_id(0)] = 1; }\n";
    cl_int code = CL_SUCCESS;
    cl_program program = clCreateProgramWithSource(ctx->context, 1, &text, NULL, &code);
    if (code != CL_SUCCESS)
        return 0;
    code = clBuildProgram(program, 1, &ctx->device.id, options, NULL, NULL);
    clReleaseProgram(program);
    return code == CL_SUCCESS;
}

static void choose(ffcl_ctx *ctx)
{
    char *options = ctx->register_options;
    const size_t size = sizeof ctx->register_options;
    ctx->asked_registers = 1;
    snprintf(options, size, " -DFEW_LANES=%zu -cl-intel-256-GRF-per-thread",
             ctx->device.caps.few_lanes);
    if (builds(ctx, options))
        return;
    snprintf(options, size, " -DFEW_LANES=%zu", ctx->device.caps.few_lanes);
    if (!builds(ctx, options))
        *options = '\0';
}

/* Has the source such kernels?  Read once a context: its bits are counted by ffcl_sources. */
static int keeps_values(ffcl_ctx *ctx, const char *source)
{
    const size_t length = strlen(source);
    char *text = NULL;
    size_t i = 0;
    while (ffcl_sources[i].name && (strncmp(ffcl_sources[i].name, source, length) != 0 ||
                                    strcmp(ffcl_sources[i].name + length, ".cl") != 0))
        i++;
    if (i < 64 && ctx->read_sources >> i & 1)
        return ctx->register_sources >> i & 1;
    ffcl_ctx_keep(ctx, ffcl_source_expand(ctx, source, &text));
    const int found = text && strstr(text, "__kernel IN_REGISTERS");
    free(text);
    if (i < 64) {
        ctx->read_sources |= (uint64_t)1 << i;
        ctx->register_sources |= (uint64_t)found << i;
    }
    return found;
}

const char *ffcl_register_options(ffcl_ctx *ctx, const char *source)
{
    if (ffcl_is_cpu(ctx) || !ctx->device.caps.asks_lanes || !keeps_values(ctx, source))
        return "";
    if (!ctx->asked_registers)
        choose(ctx);
    return ctx->register_options;
}

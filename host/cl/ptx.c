/* SPDX-License-Identifier: MIT */
#include "cl/ptx.h"

#include <stdlib.h>
#include <string.h>

static const char marker[] = "//sm_90a ";
static const char target[] = ".target sm_90";

/* The program's PTX, or NULL where it is no text or has no hidden instructions. */
static char *covered_text(cl_program program)
{
    size_t size = 0;
    if (clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof size, &size, NULL) !=
            CL_SUCCESS || size == 0)
        return NULL;
    unsigned char *text = calloc(1, size + 1);
    if (text &&
        clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof text, &text, NULL) == CL_SUCCESS &&
        strstr((char *)text, marker))
        return (char *)text;
    free(text);
    return NULL;
}

/* text without markers and with the raised target, malloc'ed; NULL where the target is another. */
static char *uncover(const char *text)
{
    const char *at = strstr(text, target);
    if (!at || at[strlen(target)] != ',')
        return NULL;
    char *out = malloc(strlen(text) + 2), *to = out;
    if (!out)
        return NULL;
    size_t head = (size_t)(at - text) + strlen(target);
    memcpy(to, text, head);
    to += head;
    *to++ = 'a';
    for (const char *from = text + head; *from;) {
        if (strncmp(from, marker, strlen(marker)) == 0)
            from += strlen(marker);
        else
            *to++ = *from++;
    }
    *to = 0;
    return out;
}

int ffcl_ptx_uncover(ffcl_ctx *ctx, cl_program *program, const char *name, const char *options)
{
    char *covered = ctx->device.caps.nv_compute ? covered_text(*program) : NULL, *text = NULL;
    cl_program raised = NULL;
    cl_int status = CL_SUCCESS, code = CL_SUCCESS;
    if (!covered)
        return 0;
    text = uncover(covered);
    size_t size = text ? strlen(text) + 1 : 0;
    const unsigned char *binary = (const unsigned char *)text;
    if (text)
        raised = clCreateProgramWithBinary(ctx->context, 1, &ctx->device.id, &size, &binary,
                                           &status, &code);
    if (raised)
        code = clBuildProgram(raised, 1, &ctx->device.id, options, NULL, NULL);
    free(covered);
    free(text);
    if (!raised || code != CL_SUCCESS || status != CL_SUCCESS) {
        if (raised)
            clReleaseProgram(raised);
        return ffcl_fail(ctx->err, FFCL_EBUILD, "%s.cl does not build for sm_90a on %s (%s)", name,
                         ctx->device.caps.name, ffcl_cl_name(code) ? ffcl_cl_name(code) : "error");
    }
    clReleaseProgram(*program);
    *program = raised;
    return 0;
}

/* SPDX-License-Identifier: MIT */
#include "selfcheck/half.h"

#include <math.h>
#include <stdint.h>

#include "dtype.h"
#include "selfcheck/result.h"

enum { N = 4096 };

/* No file of cl/, all of which are without extensions.  By the pragma alone, as some drivers do not
 * list cl_khr_fp16 and have it all the same. */
static const char source[] =
    "#pragma OPENCL EXTENSION cl_khr_fp16 : enable\n"
    "__kernel void half_arithmetic(__global half *out, __global const half *a,\n"
    "                              __global const half *b)\n"
    "{\n"
    "    size_t i = get_global_id(0);\n"
    "    half product = a[i] * b[i];\n"
    "    out[i] = product + a[i];\n"
    "}\n";

/* The nearest half, ties to even, of a number of its normal range. */
static double rounded(double x)
{
    int exponent;
    (void)frexp(x, &exponent);
    const double unit = ldexp(1.0, (exponent < -13 ? -13 : exponent) - 11);
    return rint(x / unit) * unit;
}

/* A half of random sign, digits and one of 16 exponents. */
static uint16_t half_of(unsigned *state)
{
    const float noise = ffcl_selfcheck_noise(state);
    const uint16_t digits = (uint16_t)(fabsf(noise) * 1023.0f);
    const uint16_t exponent = (uint16_t)(7.0f + 8.0f * fabsf(ffcl_selfcheck_noise(state)));
    return (uint16_t)((noise < 0 ? 0x8000 : 0) | exponent << 10 | digits);
}

/* Either rounding of a product and a sum: a compiler may contract the two. */
static int is_right(uint16_t got, double a, double b)
{
    const double value = (double)ffcl_half_to_float(got);
    return value == rounded(rounded(a * b) + a) || value == rounded(a * b + a);
}

/* Runs the kernel over the buffers out, a, b. */
static int run(ffcl_ctx *ctx, cl_kernel kernel, const cl_mem buffers[3])
{
    const size_t n = N;
    int rc = 0;
    for (cl_uint i = 0; rc == 0 && i < 3; i++)
        rc = FFCL_CL(ctx->err, clSetKernelArg(kernel, i, sizeof *buffers, &buffers[i]));
    return rc ? rc : FFCL_CL(ctx->err, clEnqueueNDRangeKernel(ctx->queue, kernel, 1, NULL, &n, NULL,
                                                              0, NULL, NULL));
}

static int compute(ffcl_ctx *ctx, const uint16_t *a, const uint16_t *b, uint16_t *out)
{
    const char *text = source;
    const void *from[3] = {out, a, b};
    cl_mem buffers[3] = {NULL, NULL, NULL};
    cl_kernel kernel = NULL;
    cl_int code;
    cl_program program = clCreateProgramWithSource(ctx->context, 1, &text, NULL, &code);
    if (code == CL_SUCCESS)
        code = clBuildProgram(program, 1, &ctx->device.id, "", NULL, NULL);
    if (code == CL_SUCCESS)
        kernel = clCreateKernel(program, "half_arithmetic", &code);
    int rc = FFCL_CL_CODE(ctx->err, code, "clBuildProgram");
    for (int i = 0; rc == 0 && i < 3; i++) {
        rc = ffcl_buffer_create(ctx, &buffers[i], N * sizeof *a, "the check of half arithmetic");
        if (rc == 0)
            rc = ffcl_buffer_write(ctx, buffers[i], 0, from[i], N * sizeof *a);
    }
    if (rc == 0)
        rc = run(ctx, kernel, buffers);
    if (rc == 0)
        rc = ffcl_buffer_read(ctx, buffers[0], 0, out, N * sizeof *out);
    for (int i = 0; i < 3; i++)
        if (buffers[i])
            clReleaseMemObject(buffers[i]);
    if (kernel)
        clReleaseKernel(kernel);
    if (program)
        clReleaseProgram(program);
    return rc;
}

ffcl_half_arithmetic ffcl_selfcheck_half(ffcl_ctx *ctx)
{
    static const uint16_t nan = 0x7e00;
    uint16_t a[N], b[N], out[N];
    ffcl_error slot = {0, ""}, *outer = ctx->err;
    unsigned state = 2024;
    int passed = 0;
    for (size_t i = 0; i < N; i++) {
        a[i] = half_of(&state);
        b[i] = half_of(&state);
        out[i] = nan;
    }
    ctx->err = &slot;
    passed = compute(ctx, a, b, out) == 0;
    ctx->err = outer;
    for (size_t i = 0; passed && i < N; i++)
        passed = is_right(out[i], (double)ffcl_half_to_float(a[i]),
                          (double)ffcl_half_to_float(b[i]));
    if (ctx->device.caps.half)
        return passed ? FFCL_HALF_LISTED : FFCL_HALF_LISTED_WRONG;
    return passed ? FFCL_HALF_BY_PRAGMA : FFCL_HALF_NONE;
}

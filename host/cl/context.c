/* SPDX-License-Identifier: MIT */
#include "cl/context.h"

#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "cl/arena.h"
#include "cl/choices.h"
#include "cl/profile.h"
#include "cl/program.h"
#include "util.h"

int ffcl_ctx_open(ffcl_ctx **out, const ffcl_device *device, const ffcl_observer *obs,
                  ffcl_profile *profile, ffcl_error *err)
{
    *out = NULL;
    ffcl_ctx *ctx = calloc(1, sizeof *ctx);
    if (!ctx)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory while opening the device");
    ctx->device = *device;
    ctx->err = err;
    ctx->obs = obs;
    const char *sync = getenv("FFCL_SYNC");
    ctx->sync = sync && sync[0] == '1';
    const char *trace = getenv("FFCL_TRACE");
    if (trace && *trace)
        ctx->trace = fopen(trace, "a");
    if (trace && *trace && !ctx->trace)
        ffcl_report(obs, FFCL_PHASE_WARN, "FFCL_TRACE names a file that cannot be written", 0, 0);
    cl_int code = CL_SUCCESS;
    cl_context_properties properties[] = {CL_CONTEXT_PLATFORM,
                                          (cl_context_properties)device->platform, 0};
    ctx->context = clCreateContext(properties, 1, &device->id, NULL, NULL, &code);
    int rc = FFCL_CL_CODE(err, code, "clCreateContext");
    if (rc == 0) {
        ctx->queue = clCreateCommandQueue(ctx->context, device->id,
                                          profile ? CL_QUEUE_PROFILING_ENABLE : 0, &code);
        rc = FFCL_CL_CODE(err, code, "clCreateCommandQueue");
    }
    if (rc == 0 && profile)
        rc = ffcl_profile_attach(profile, ctx);
    if (rc == 0)
        rc = ffcl_programs_open(&ctx->programs, ctx);
    if (rc == 0)
        rc = ffcl_arena_open(&ctx->arena, ctx);
    if (rc) {
        ffcl_ctx_close(&ctx);
        return rc;
    }
    ctx->err = &ctx->own_err;
    *out = ctx;
    return 0;
}

void ffcl_ctx_close(ffcl_ctx **ctx)
{
    ffcl_ctx *c = *ctx;
    if (!c)
        return;
    if (c->queue)
        clFinish(c->queue);
    ffcl_profile_detach(c);
    ffcl_choices_close(c);
    ffcl_arena_close(&c->arena);
    ffcl_programs_close(&c->programs);
    if (c->tickets)
        clReleaseMemObject(c->tickets);
    if (c->queue)
        clReleaseCommandQueue(c->queue);
    if (c->context)
        clReleaseContext(c->context);
    if (c->trace)
        fclose(c->trace);
    free(c);
    *ctx = NULL;
}

void ffcl_ctx_fail(ffcl_ctx *ctx, int code, const char *format, ...)
{
    char text[sizeof ctx->err->text];
    va_list args;
    if (ctx->status)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ctx->status = ffcl_fail(ctx->err, code, "%s", text);
}

void ffcl_ctx_keep(ffcl_ctx *ctx, int rc)
{
    if (!ctx->status)
        ctx->status = rc;
}

int ffcl_ctx_check(ffcl_ctx *ctx)
{
    const int status = ctx->status;
    ctx->status = 0;
    return status;
}

void ffcl_report(const ffcl_observer *obs, ffcl_phase phase, const char *text, uint64_t done,
                 uint64_t total)
{
    if (obs && obs->report)
        obs->report(obs->user, phase, text, done, total);
}

/* ffcl's own memory of a buffer; freed when the buffer is. */
typedef struct pages {
    void *at;
    size_t bytes;
} pages;

static void CL_CALLBACK free_pages(cl_mem mem, void *user)
{
    pages *p = user;
    (void)mem;
    munmap(p->at, p->bytes);
    free(p);
}

/* A buffer of a CPU device in memory of our own; NULL where it cannot be had, with a *code where
 * the driver's memory does not do either.  Large ones in huge pages, as gigabytes of weights in
 * 4 KB pages cost a page fault each, seconds in all on a virtual machine; all of them where host
 * functions in the queue want their address, which memory of the driver does not have. */
static cl_mem create_in_own_pages(ffcl_ctx *ctx, size_t bytes, cl_int *code)
{
    const size_t huge = (size_t)2 << 20, small = 4096;
    const ffcl_caps *caps = &ctx->device.caps;
    const int large = bytes >= 2 * huge;
    cl_mem mem = NULL;
    *code = CL_SUCCESS;
    if (!(caps->type & CL_DEVICE_TYPE_CPU) || !caps->unified || !(large || caps->native))
        return NULL;
    pages *p = calloc(1, sizeof *p);
    void *at = MAP_FAILED;
    const size_t whole = ffcl_round_up(bytes, large ? huge : small);
    if (p)
        at = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) {
        *code = CL_OUT_OF_HOST_MEMORY;
        goto out;
    }
    *p = (pages){at, whole};
    if (large)
        madvise(at, whole, MADV_HUGEPAGE);
    mem = clCreateBuffer(ctx->context, CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR, bytes, at, code);
    if (*code == CL_SUCCESS)
        *code = clSetMemObjectDestructorCallback(mem, free_pages, p);
    if (*code == CL_SUCCESS)
        return mem;
    if (mem)
        clReleaseMemObject(mem);
    munmap(at, whole);
out:
    free(p);
    if (!caps->native)
        *code = CL_SUCCESS;
    return NULL;
}

int ffcl_buffer_create(ffcl_ctx *ctx, cl_mem *out, size_t bytes, const char *what)
{
    cl_int code;
    *out = NULL;
    size_t size = bytes < 4 ? 4 : bytes;
    if (size > ctx->device.caps.max_alloc_bytes)
        return ffcl_fail(ctx->err, FFCL_EDEVMEM,
                         "%s needs a buffer of %.0f MB, and %s allows %.0f MB in one piece", what,
                         (double)size / 1e6, ctx->device.caps.name,
                         (double)ctx->device.caps.max_alloc_bytes / 1e6);
    const int digits = size < 1000000 ? 6 : 0;      /* small ones fail, too */
    *out = create_in_own_pages(ctx, size, &code);
    if (*out)
        return 0;
    if (code == CL_SUCCESS)
        *out = clCreateBuffer(ctx->context, CL_MEM_READ_WRITE, size, NULL, &code);
    if (code == CL_MEM_OBJECT_ALLOCATION_FAILURE || code == CL_OUT_OF_RESOURCES)
        return ffcl_fail(ctx->err, FFCL_EDEVMEM,
                         "out of device memory: %s has no %.*f MB left for %s",
                         ctx->device.caps.name, digits, (double)size / 1e6, what);
    if (code == CL_OUT_OF_HOST_MEMORY)
        return ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory: the computer has no %.*f MB left "
                         "for %s", digits, (double)size / 1e6, what);
    return ffcl_cl_check(ctx->err, code, "clCreateBuffer", __FILE__, __LINE__);
}

int ffcl_buffer_over(ffcl_ctx *ctx, cl_mem *out, const void *at, size_t bytes)
{
    cl_int code;
    *out = clCreateBuffer(ctx->context, CL_MEM_READ_ONLY | CL_MEM_USE_HOST_PTR, bytes,
                          (void *)(uintptr_t)at, &code);
    return ffcl_cl_check(ctx->err, code, "clCreateBuffer", __FILE__, __LINE__);
}

int ffcl_buffer_write(ffcl_ctx *ctx, cl_mem mem, size_t at, const void *host, size_t bytes)
{
    return FFCL_CL(ctx->err, clEnqueueWriteBuffer(ctx->queue, mem, CL_TRUE, at, bytes, host, 0,
                                                  NULL, ffcl_profile_copy(ctx, "write", bytes)));
}

int ffcl_buffer_read(ffcl_ctx *ctx, cl_mem mem, size_t at, void *host, size_t bytes)
{
    return FFCL_CL(ctx->err, clEnqueueReadBuffer(ctx->queue, mem, CL_TRUE, at, bytes, host, 0,
                                                 NULL, ffcl_profile_copy(ctx, "read", bytes)));
}

int ffcl_buffer_zero(ffcl_ctx *ctx, cl_mem mem, size_t bytes)
{
    static const cl_int zero = 0;
    if (ctx->planning)
        return 0;
    return FFCL_CL(ctx->err, clEnqueueFillBuffer(ctx->queue, mem, &zero, sizeof zero, 0, bytes, 0,
                                                 NULL, ffcl_profile_copy(ctx, "fill", bytes)));
}

int ffcl_finish(ffcl_ctx *ctx)
{
    return FFCL_CL(ctx->err, clFinish(ctx->queue));
}

ffcl_tensor ffcl_tickets(ffcl_ctx *ctx)
{
    const size_t bytes = FFCL_TICKETS * sizeof(cl_int);
    if (!ctx->planning && !ctx->status && !ctx->tickets) {
        int rc = ffcl_buffer_create(ctx, &ctx->tickets, bytes, "the counters of shared tiles");
        ffcl_ctx_keep(ctx, rc ? rc : ffcl_buffer_zero(ctx, ctx->tickets, bytes));
    }
    return ffcl_tensor_in(ctx->tickets, ffcl_tensor_of(FFCL_I32, 1, 1, FFCL_TICKETS));
}

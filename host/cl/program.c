/* SPDX-License-Identifier: MIT */
#include "cl/program.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cl/binary_cache.h"
#include "cl/environment.h"
#include "cl/ptx.h"
#include "cl/registers.h"
#include "cl/source.h"
#include "cl/together.h"
#include "os/address_space.h"
#include "util.h"

/* Raise when the layout of an entry or the meaning of a key changes. */
enum { CACHE_FORMAT = 1 };

/* Threads that compile: a model has some thirty programs. */
enum { MOST_COMPILERS = 16 };

typedef struct program {
    char *source, *options;
    cl_program handle;          /* NULL until built */
    size_t length;              /* of its text, from when it was looked for in the cache on */
    ffcl_kernel **kernels;
    size_t n_kernels;
} program;

struct ffcl_programs {
    program **list;
    size_t n;
    size_t compiled, cached;
    ffcl_programs *spare;       /* built for another list; taken where they are wanted */
};

int ffcl_programs_open(ffcl_programs **out, ffcl_ctx *ctx)
{
    *out = calloc(1, sizeof **out);
    return *out ? 0 : ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for the list of programs");
}

static void kernel_free(ffcl_kernel *k)
{
    if (!k)
        return;
    if (k->handle)
        clReleaseKernel(k->handle);
    free(k->name);
    free(k->options);
    free(k->entry);
    free(k);
}

static void program_free(program *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->n_kernels; i++)
        kernel_free(p->kernels[i]);
    if (p->handle)
        clReleaseProgram(p->handle);
    free(p->kernels);
    free(p->source);
    free(p->options);
    free(p);
}

void ffcl_programs_close(ffcl_programs **programs)
{
    ffcl_programs *all = *programs;
    if (!all)
        return;
    for (size_t i = 0; i < all->n; i++)
        program_free(all->list[i]);
    ffcl_programs_close(&all->spare);
    free(all->list);
    free(all);
    *programs = NULL;
}

void ffcl_programs_hand_over(ffcl_ctx *ctx, ffcl_programs **from)
{
    ffcl_programs **end = &ctx->programs->spare;
    while (*end)
        end = &(*end)->spare;
    *end = *from;
    *from = NULL;
}

static char *cache_key(const ffcl_ctx *ctx, const char *text, const char *options)
{
    const ffcl_caps *c = &ctx->device.caps;
    /* By these the driver makes other code of the same text. */
    char *environment = ffcl_environment();
    char *key = environment ? ffcl_format("format %d\nplatform %s, %s\ndevice %s, %s\ndriver %s\n"
                                          "environment %s\noptions %s\n%s", CACHE_FORMAT,
                                          c->platform, c->platform_version, c->name, c->version,
                                          c->driver, environment, options, text) : NULL;
    free(environment);
    return key;
}

/* The text of a program and its key; both are the caller's to free. */
static int read_program(ffcl_ctx *ctx, const program *p, char **text, char **key)
{
    *key = NULL;
    int rc = ffcl_source_expand(ctx, p->source, text);
    if (rc)
        return rc;
    *key = cache_key(ctx, *text, p->options);
    return *key ? 0 : ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for %s.cl", p->source);
}

int ffcl_programs_key(ffcl_ctx *ctx, char **out)
{
    char *all = ffcl_format("%s", "");
    int rc = all ? 0 : ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for a key");
    for (size_t i = 0; rc == 0 && i < ctx->programs->n; i++) {
        char *text = NULL, *key = NULL, *longer = NULL;
        rc = read_program(ctx, ctx->programs->list[i], &text, &key);
        if (rc == 0) {
            longer = ffcl_format("%s%s\n", all, key);
            free(all);
            all = longer;
            rc = all ? 0 : ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for a key");
        }
        free(text);
        free(key);
    }
    if (rc) {
        free(all);
        all = NULL;
    }
    *out = all;
    return rc;
}

static int build_failed(ffcl_ctx *ctx, const program *p, cl_program handle, cl_int code)
{
    size_t size = 0;
    clGetProgramBuildInfo(handle, ctx->device.id, CL_PROGRAM_BUILD_LOG, 0, NULL, &size);
    char *log = calloc(1, size + 1);
    if (log && size)
        clGetProgramBuildInfo(handle, ctx->device.id, CL_PROGRAM_BUILD_LOG, size, log, NULL);
    const char *name = ffcl_cl_name(code);
    char limit[160];
    ffcl_file_size_hint(limit, sizeof limit);
    int rc = ffcl_fail(ctx->err, FFCL_EBUILD,
                       "kernel source %s.cl does not build on %s (%s%s%s)%s:\n%s", p->source,
                       ctx->device.caps.name, name ? name : "unknown error",
                       *p->options ? ", options " : "", p->options, limit, log ? log : "");
    free(log);
    return rc;
}

static cl_program from_binary(ffcl_ctx *ctx, const program *p, const unsigned char *binary,
                              size_t size)
{
    cl_int status = CL_SUCCESS, code = CL_SUCCESS;
    cl_program handle = clCreateProgramWithBinary(ctx->context, 1, &ctx->device.id, &size, &binary,
                                                  &status, &code);
    if (code != CL_SUCCESS || status != CL_SUCCESS)
        return NULL;
    if (clBuildProgram(handle, 1, &ctx->device.id, p->options, NULL, NULL) != CL_SUCCESS) {
        clReleaseProgram(handle);
        return NULL;
    }
    return handle;
}

/* PoCL keeps what it compiles by itself, and for a binary it compiles every kernel a second time,
 * for work-groups of any size: more than half of a first start. */
static int driver_keeps(const ffcl_ctx *ctx)
{
    const char *all = getenv("FFCL_BINARIES"), *pocl = getenv("POCL_KERNEL_CACHE");
    return strcmp(ctx->device.caps.platform, "Portable Computing Language") == 0 &&
           !(all && strcmp(all, "all") == 0) && !(pocl && strcmp(pocl, "0") == 0);
}

/* Is a larger program no slower to build?  So it is where only what is launched is compiled.  Who
 * works on a kernel reads its own name in messages. */
static int takes_together(const ffcl_ctx *ctx)
{
    const char *dir = getenv("FFCL_CL_DIR");
    return ffcl_is_cpu(ctx) && driver_keeps(ctx) && !(dir && *dir);
}

/* Takes the program from the cache; no failure where it is not there. */
static int load(ffcl_ctx *ctx, program *p)
{
    if (driver_keeps(ctx))
        return 0;
    char *text = NULL, *key = NULL;
    size_t size = 0;
    ffcl_binary_use use = {.fd = -1};
    int rc = read_program(ctx, p, &text, &key);
    if (rc == 0 && ffcl_binary_begin(&use, key)) {
        char warning[160];
        snprintf(warning, sizeof warning, "the driver did not survive the cached program of "
                 "%.60s.cl; it is compiled again", p->source);
        ffcl_report(ctx->obs, FFCL_PHASE_WARN, warning, 0, 0);
    }
    unsigned char *binary = rc ? NULL : ffcl_binary_load(key, &size);
    p->length = text ? strlen(text) : 0;
    if (binary)
        p->handle = from_binary(ctx, p, binary, size);
    ffcl_binary_end(&use);
    ctx->programs->cached += p->handle != NULL;
    free(binary);
    free(text);
    free(key);
    return rc;
}

static void to_cache(cl_program handle, const char *key)
{
    size_t size = 0;
    if (clGetProgramInfo(handle, CL_PROGRAM_BINARY_SIZES, sizeof size, &size, NULL) != CL_SUCCESS ||
        size == 0)
        return;
    unsigned char *binary = malloc(size);
    if (binary &&
        clGetProgramInfo(handle, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL) == CL_SUCCESS)
        ffcl_binary_store(key, binary, size);
    free(binary);
}

/* Compiles a program and puts it into the cache. */
static int compile(ffcl_ctx *ctx, program *p)
{
    char *text = NULL, *key = NULL;
    cl_program handle = NULL;
    cl_int code = CL_SUCCESS;
    int rc = read_program(ctx, p, &text, &key);
    if (rc)
        goto out;
    const char *texts[] = {text};
    handle = clCreateProgramWithSource(ctx->context, 1, texts, NULL, &code);
    rc = FFCL_CL_CODE(ctx->err, code, "clCreateProgramWithSource");
    if (rc)
        goto out;
    code = clBuildProgram(handle, 1, &ctx->device.id, p->options, NULL, NULL);
    if (code != CL_SUCCESS) {
        rc = build_failed(ctx, p, handle, code);
        goto out;
    }
    rc = ffcl_ptx_uncover(ctx, &handle, p->source, p->options);
    if (rc)
        goto out;
    p->handle = handle;
    handle = NULL;
    if (!driver_keeps(ctx))
        to_cache(p->handle, key);
out:
    if (handle)
        clReleaseProgram(handle);
    free(text);
    free(key);
    return rc;
}

/* Compiles programs side by side, for drivers that do so. */
typedef struct compilers {
    program **missing;
    size_t n, next, done;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t n_threads, n_ended;
    size_t failed;              /* the first program that does not build; n: none */
    int rc;
    ffcl_error err;
} compilers;

typedef struct compiler {
    compilers *all;
    ffcl_ctx ctx;               /* a copy of the caller's, with err of its own */
    pthread_t thread;
    ffcl_error err;
} compiler;

static void *compile_some(void *user)
{
    compiler *c = user;
    compilers *all = c->all;
    pthread_mutex_lock(&all->lock);
    while (all->next < all->n && !all->rc) {
        const size_t i = all->next++;
        pthread_mutex_unlock(&all->lock);
        int rc = compile(&c->ctx, all->missing[i]);
        pthread_mutex_lock(&all->lock);
        all->done += rc == 0;
        if (rc && i < all->failed) {
            all->failed = i;
            all->rc = rc;
            all->err = c->err;
        }
        pthread_cond_signal(&all->changed);
    }
    all->n_ended++;
    pthread_cond_signal(&all->changed);
    pthread_mutex_unlock(&all->lock);
    return NULL;
}

static int compile_together(ffcl_ctx *ctx, program **missing, size_t n)
{
    compilers all = {.missing = missing, .n = n, .failed = n};
    const size_t most = ffcl_min(ffcl_min(n, MOST_COMPILERS), ffcl_cores());
    compiler *threads = calloc(most, sizeof *threads);
    if (!threads)
        return ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for compiling");
    pthread_mutex_init(&all.lock, NULL);
    pthread_cond_init(&all.changed, NULL);
    pthread_mutex_lock(&all.lock);
    for (compiler *c = threads; all.n_threads < most; c++, all.n_threads++) {
        *c = (compiler){.all = &all, .ctx = *ctx};
        c->ctx.err = &c->err;
        if (pthread_create(&c->thread, NULL, compile_some, c))
            break;
    }
    /* A driver that keeps programs may have them all. */
    const double silent_until = ffcl_clock() + (driver_keeps(ctx) ? 0.5 : 0.0);
    for (size_t reported = n + 1; all.n_ended < all.n_threads;) {
        if (reported != all.done && ffcl_clock() >= silent_until)
            ffcl_report(ctx->obs, FFCL_PHASE_COMPILE, NULL, reported = all.done, n);
        pthread_cond_wait(&all.changed, &all.lock);
    }
    pthread_mutex_unlock(&all.lock);
    for (size_t i = 0; i < all.n_threads; i++)
        pthread_join(threads[i].thread, NULL);
    pthread_mutex_destroy(&all.lock);
    pthread_cond_destroy(&all.changed);
    free(threads);
    ctx->programs->compiled += all.done;
    if (all.rc)
        *ctx->err = all.err;
    /* Where no thread could be started. */
    for (size_t i = all.next; all.rc == 0 && i < n; i++) {
        all.rc = compile(ctx, missing[i]);
        ctx->programs->compiled += all.rc == 0;
    }
    if (all.rc == 0 && ffcl_clock() >= silent_until)
        ffcl_report(ctx->obs, FFCL_PHASE_COMPILE, NULL, n, n);
    return all.rc;
}

static int is_program(const program *p, const char *source, const char *options)
{
    return p && strcmp(p->source, source) == 0 && strcmp(p->options, options) == 0;
}

/* Takes a built program from the spare ones; NULL: there is none. */
static program *take_spare(ffcl_programs *all, const char *source, const char *options)
{
    for (ffcl_programs *s = all->spare; s; s = s->spare)
        for (size_t i = 0; i < s->n; i++)
            if (is_program(s->list[i], source, options) && s->list[i]->handle) {
                program *p = s->list[i];
                s->list[i] = s->list[--s->n];
                return p;
            }
    return NULL;
}

static int find_program(ffcl_ctx *ctx, program **out, const char *source, const char *options)
{
    ffcl_programs *all = ctx->programs;
    for (size_t i = 0; i < all->n; i++)
        if (is_program(all->list[i], source, options)) {
            *out = all->list[i];
            return 0;
        }
    program **grown = realloc(all->list, (all->n + 1) * sizeof *grown);
    program *spare = grown ? take_spare(all, source, options) : NULL;
    program *p = spare ? spare : calloc(1, sizeof *p);
    if (grown)
        all->list = grown;
    if (p && !spare) {
        p->source = ffcl_format("%s", source);
        p->options = ffcl_format("%s", options);
    }
    if (!grown || !p || !p->source || !p->options) {
        program_free(p);
        return ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for the program %s", source);
    }
    all->list[all->n++] = p;
    *out = p;
    return 0;
}

/* The kernel called name, with the options that it was asked for with, `entry` in the program. */
static int find_kernel(ffcl_ctx *ctx, program *p, ffcl_kernel **out, const char *name,
                       const char *options, const char *entry)
{
    for (size_t i = 0; i < p->n_kernels; i++)
        if (strcmp(p->kernels[i]->entry, entry) == 0 &&
            strcmp(p->kernels[i]->options, options) == 0) {
            *out = p->kernels[i];
            return 0;
        }
    ffcl_kernel **grown = realloc(p->kernels, (p->n_kernels + 1) * sizeof *grown);
    ffcl_kernel *k = calloc(1, sizeof *k);
    if (grown)
        p->kernels = grown;
    if (k) {
        k->name = ffcl_format("%s", name);
        k->options = ffcl_format("%s", options);
        k->entry = ffcl_format("%s", entry);
    }
    if (!grown || !k || !k->name || !k->options || !k->entry) {
        kernel_free(k);
        return ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for the kernel %s", name);
    }
    p->kernels[p->n_kernels++] = k;
    *out = k;
    return 0;
}

/* Creates the handle of a kernel whose program is built. */
static int open_kernel(ffcl_ctx *ctx, const program *p, ffcl_kernel *k)
{
    cl_int code;
    k->handle = clCreateKernel(p->handle, k->entry, &code);
    if (code != CL_SUCCESS)
        return ffcl_fail(ctx->err, FFCL_EBUILD, "%s.cl has no usable kernel %s (%s)", p->source,
                         k->name, ffcl_cl_name(code) ? ffcl_cl_name(code) : "unknown error");
    int rc = FFCL_CL(ctx->err, clGetKernelInfo(k->handle, CL_KERNEL_NUM_ARGS, sizeof k->n_args,
                                               &k->n_args, NULL));
    if (rc)
        return rc;
    return FFCL_CL(ctx->err, clGetKernelWorkGroupInfo(k->handle, ctx->device.id,
                                                      CL_KERNEL_WORK_GROUP_SIZE,
                                                      sizeof k->max_work_group,
                                                      &k->max_work_group, NULL));
}

const ffcl_kernel *ffcl_kernel_get(ffcl_ctx *ctx, const char *source, const char *name,
                                   const char *options)
{
    program *p = NULL;
    ffcl_kernel *k = NULL;
    char all[512], entry[128];
    const char *suffix = "";
    if (ctx->status)
        return NULL;
    snprintf(all, sizeof all, "%s%s%s", options, ctx->number_options ? ctx->number_options : "",
             ffcl_register_options(ctx, source));
    const int is_part = takes_together(ctx) && ffcl_is_together(source, all, &suffix);
    snprintf(entry, sizeof entry, "%s%s", name, suffix);
    int rc = is_part ? find_program(ctx, &p, FFCL_TOGETHER, FFCL_TOGETHER_OPTIONS)
                     : find_program(ctx, &p, source, all);
    if (rc == 0)
        rc = find_kernel(ctx, p, &k, name, all, entry);
    if (rc == 0 && !ctx->planning && !p->handle)
        rc = load(ctx, p);
    if (rc == 0 && !ctx->planning && !p->handle) {
        rc = compile(ctx, p);
        ctx->programs->compiled += rc == 0;
    }
    if (rc == 0 && !ctx->planning && !k->handle)
        rc = open_kernel(ctx, p, k);
    ffcl_ctx_keep(ctx, rc);
    return rc ? NULL : k;
}

const char *ffcl_dtype_option(ffcl_dtype dtype)
{
    return dtype == FFCL_F16 ? "-DHALF" : "";
}

/* Long texts first, so that no thread begins one when the others are done. */
static int by_length(const void *a, const void *b)
{
    const program *x = *(program *const *)a, *y = *(program *const *)b;
    const int by_source = strcmp(x->source, y->source);
    if (x->length != y->length)
        return x->length < y->length ? 1 : -1;
    return by_source ? by_source : strcmp(x->options, y->options);
}

int ffcl_programs_build(ffcl_ctx *ctx)
{
    ffcl_programs *all = ctx->programs;
    program **missing = calloc(all->n + 1, sizeof *missing);
    size_t n = 0;
    int rc = missing ? 0 : ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for compiling");
    for (size_t i = 0; rc == 0 && i < all->n; i++)
        if (!all->list[i]->handle) {
            rc = load(ctx, all->list[i]);
            if (!all->list[i]->handle)
                missing[n++] = all->list[i];
        }
    if (rc == 0 && n) {
        qsort(missing, n, sizeof *missing, by_length);
        rc = compile_together(ctx, missing, n);
    }
    for (size_t i = 0; rc == 0 && i < all->n; i++)
        for (size_t j = 0; rc == 0 && j < all->list[i]->n_kernels; j++)
            if (!all->list[i]->kernels[j]->handle)
                rc = open_kernel(ctx, all->list[i], all->list[i]->kernels[j]);
    free(missing);
    return rc;
}

void ffcl_programs_counts(const ffcl_ctx *ctx, size_t *compiled, size_t *cached)
{
    *compiled = ctx->programs->compiled;
    *cached = ctx->programs->cached;
}

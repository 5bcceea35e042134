/* SPDX-License-Identifier: MIT
 * Trouble for the end-to-end tests, as a library to preload:
 *   FFCL_SHIM_KILL=CALL:N     SIGKILL just before the N-th call of rename, fsync, ftruncate, unlink
 *                             or pwrite by this process
 *   FFCL_SHIM_READS=D:N       reads from the D-th OpenCL device in use (0, 1, ...; -1: all) fail
 *                             from the N-th on; other devices wait for the first to fail, or
 *                             they might leave the D-th none to do
 *   FFCL_SHIM_SGEMM=HOW       CLBlast's GEMMs crash, hang, fail, or are wrong in one element
 *   FFCL_SHIM_SETS=NAME=VALUE:HOW,...
 *                             the same where CLBlast is given a parameter of that value
 *   FFCL_SHIM_LOCKS=E[:ofd]   locks (ofd: of open files only) fail with errno E
 *   FFCL_SHIM_FAIL=CALL:N:E   the N-th of those, or of pthread_create, dup, opendir or readdir,
 *                             fails with errno E; N below 0: the -N-th and all after it
 *   FFCL_SHIM_MALLOC=N        the N-th allocation by the program itself, or by a library that reads
 *                             or writes files for it, fails; N: -1 prints how many there are
 *   FFCL_SHIM_SYNCFS=E        syncfs fails with errno E
 *   FFCL_SHIM_INFO=W          clGetDeviceInfo of property W (a number) fails
 *   FFCL_SHIM_BUILD=HOW       clBuildProgram prints "9 warnings generated." to stderr, and then,
 *                             where HOW is abort, exit or exit0, ends the process so
 *   FFCL_SHIM_CLOCK=1         the clock of the day jumps by years at every look
 * and the faults by number of shim_faults.c. */
#include <CL/cl.h>
#include <clblast_c.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "shim.h"

static atomic_int calls, reads, looks, has_failed;
static _Atomic(cl_device_id) devices[16];

/* Where the code of the program, and of libraries that it has files read and written by, lies. */
static struct {
    uintptr_t from, to;
} ranges[16];
static int n_ranges, n_of_program;      /* those of the program come first */
static atomic_int allocations;
static int failing_allocation;      /* 0: none; -1: count */

static int add_range(struct dl_phdr_info *info, size_t size, void *user)
{
    static const char *const libraries[] = {"libcjson", "libzip", "libpng", "libinih"};
    int is_one = !*info->dlpi_name && !n_ranges;
    (void)size;
    (void)user;
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
        is_one |= strstr(info->dlpi_name, libraries[i]) != NULL;
    for (int i = 0; is_one && i < info->dlpi_phnum && n_ranges < 16; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type != PT_LOAD || !(p->p_flags & PF_X))
            continue;
        ranges[n_ranges].from = info->dlpi_addr + p->p_vaddr;
        ranges[n_ranges].to = ranges[n_ranges].from + p->p_memsz;
        n_ranges++;
        n_of_program += !*info->dlpi_name;
    }
    return 0;
}

__attribute__((constructor)) static void find_ranges(void)
{
    const char *wish = getenv("FFCL_SHIM_MALLOC");
    dl_iterate_phdr(add_range, NULL);
    failing_allocation = wish ? atoi(wish) : 0;
}

__attribute__((destructor)) static void tell_allocations(void)
{
    if (failing_allocation == -1)
        fprintf(stderr, "allocations: %d\n", (int)allocations);
}

static int is_among(const void *caller, int n)
{
    for (int i = 0; i < n; i++)
        if ((uintptr_t)caller >= ranges[i].from && (uintptr_t)caller < ranges[i].to)
            return 1;
    return 0;
}

int ffcl_shim_is_counted(const void *caller)
{
    return is_among(caller, n_ranges);
}

int ffcl_shim_is_program(const void *caller)
{
    return is_among(caller, n_of_program);
}

/* A sanitizer has an allocator of its own. */
#ifndef FFCL_SHIM_SANITIZED
static int fails(const void *caller)
{
    if (!failing_allocation || !ffcl_shim_is_counted(caller) ||
        atomic_fetch_add(&allocations, 1) + 1 != failing_allocation)
        return 0;
    errno = ENOMEM;
    return 1;
}

void *__libc_malloc(size_t n), *__libc_calloc(size_t n, size_t size),
    *__libc_realloc(void *old, size_t n);

void *malloc(size_t n)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t n)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(old, n);
}
#endif

/* Kills, or is the errno with which this call fails; 0: it does not. */
static int trouble(const char *name, const void *caller)
{
    const int writes = !strcmp(name, "pwrite") || !strcmp(name, "ftruncate") ||
                       !strcmp(name, "fsync");
    if (writes ? ffcl_shim_write_fails(caller) : ffcl_shim_file_fails(caller))
        return errno;
    const char *kill = getenv("FFCL_SHIM_KILL"), *fail = getenv("FFCL_SHIM_FAIL");
    const char *wish = kill ? kill : fail;
    size_t length = strlen(name);
    int n = 0, number = 0;
    /* Compilers of drivers have files of their own. */
    if (!wish || !ffcl_shim_is_counted(caller) || strncmp(wish, name, length) ||
        wish[length] != ':' || sscanf(wish + length, ":%d:%d", &n, &number) < 1)
        return 0;
    const int call = atomic_fetch_add(&calls, 1) + 1;
    if (n < 0 ? call < -n : call != n)
        return 0;
    if (kill)
        raise(SIGKILL);
    errno = number;
    return number;
}

int rename(const char *from, const char *to)
{
    int (*real)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");
    return trouble("rename", __builtin_return_address(0)) ? -1 : real(from, to);
}

int fsync(int fd)
{
    int (*real)(int) = dlsym(RTLD_NEXT, "fsync");
    return trouble("fsync", __builtin_return_address(0)) ? -1 : real(fd);
}

int ftruncate(int fd, off_t n)
{
    int (*real)(int, off_t) = dlsym(RTLD_NEXT, "ftruncate");
    return trouble("ftruncate", __builtin_return_address(0)) ? -1 : real(fd, n);
}

int ftruncate64(int fd, off64_t n)
{
    int (*real)(int, off64_t) = dlsym(RTLD_NEXT, "ftruncate64");
    return trouble("ftruncate", __builtin_return_address(0)) ? -1 : real(fd, n);
}

int unlink(const char *path)
{
    int (*real)(const char *) = dlsym(RTLD_NEXT, "unlink");
    return trouble("unlink", __builtin_return_address(0)) ? -1 : real(path);
}

int dup(int fd)
{
    int (*real)(int) = dlsym(RTLD_NEXT, "dup");
    const void *caller = __builtin_return_address(0);
    const int fails = ffcl_shim_is_program(caller) ? trouble("dup", caller)
                                                   : ffcl_shim_file_fails(caller);
    return fails ? -1 : real(fd);
}

DIR *opendir(const char *path)
{
    DIR *(*real)(const char *) = dlsym(RTLD_NEXT, "opendir");
    return trouble("opendir", __builtin_return_address(0)) ? NULL : real(path);
}

struct dirent *readdir(DIR *dir)
{
    struct dirent *(*real)(DIR *) = dlsym(RTLD_NEXT, "readdir");
    return trouble("readdir", __builtin_return_address(0)) ? NULL : real(dir);
}

struct dirent64 *readdir64(DIR *dir)
{
    struct dirent64 *(*real)(DIR *) = dlsym(RTLD_NEXT, "readdir64");
    return trouble("readdir", __builtin_return_address(0)) ? NULL : real(dir);
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t at)
{
    ssize_t (*real)(int, const void *, size_t, off64_t) = dlsym(RTLD_NEXT, "pwrite64");
    return trouble("pwrite", __builtin_return_address(0)) ? -1 : real(fd, bytes, n, at);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*run)(void *), void *user)
{
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) =
        dlsym(RTLD_NEXT, "pthread_create");
    const int number = trouble("pthread_create", __builtin_return_address(0));
    return number ? number : real(thread, how, run, user);
}

static int lock_or_else(const char *name, int fd, int command, void *argument)
{
    int (*real)(int, int, ...) = dlsym(RTLD_NEXT, name);
    const char *wish = getenv("FFCL_SHIM_LOCKS");
    const int ofd = command == F_OFD_SETLK || command == F_OFD_SETLKW;
    const int posix = command == F_SETLK || command == F_SETLKW;
    if (wish && (ofd || (posix && !strstr(wish, ":ofd")))) {
        errno = atoi(wish);
        return -1;
    }
    return real(fd, command, argument);
}

int fcntl(int fd, int command, ...)
{
    va_list args;
    va_start(args, command);
    void *argument = va_arg(args, void *);
    va_end(args);
    return lock_or_else("fcntl", fd, command, argument);
}

int fcntl64(int fd, int command, ...)
{
    va_list args;
    va_start(args, command);
    void *argument = va_arg(args, void *);
    va_end(args);
    return lock_or_else("fcntl64", fd, command, argument);
}

int clock_gettime(clockid_t id, struct timespec *t)
{
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int rc = real(id, t);
    if (rc == 0 && id == CLOCK_REALTIME && getenv("FFCL_SHIM_CLOCK"))
        t->tv_sec += (time_t)(atomic_fetch_add(&looks, 1) % 7 - 3) * 100000000;
    return rc;
}

time_t time(time_t *out)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    if (out)
        *out = t.tv_sec;
    return t.tv_sec;
}

int syncfs(int fd)
{
    int (*real)(int) = dlsym(RTLD_NEXT, "syncfs");
    const char *wish = getenv("FFCL_SHIM_SYNCFS");
    if (ffcl_shim_file_fails(__builtin_return_address(0)))
        return -1;
    if (wish)
        errno = atoi(wish);
    return wish ? -1 : real(fd);
}

cl_int clGetDeviceInfo(cl_device_id id, cl_device_info what, size_t size, void *value,
                       size_t *needed)
{
    cl_int (*real)(cl_device_id, cl_device_info, size_t, void *, size_t *) =
        dlsym(RTLD_NEXT, "clGetDeviceInfo");
    const char *wish = getenv("FFCL_SHIM_INFO");
    const cl_int code = ffcl_shim_cl_fails(__builtin_return_address(0));
    if (wish && (cl_device_info)strtoul(wish, NULL, 0) == what)
        return CL_OUT_OF_RESOURCES;
    return code ? code : real(id, what, size, value, needed);
}

/* Until a read has failed, or 30 s. */
static void await_failure(void)
{
    const struct timespec moment = {0, 1000000};
    for (int i = 0; i < 30000 && !has_failed; i++)
        nanosleep(&moment, NULL);
}

/* The place of a device among those that were read from. */
static int place(cl_device_id id)
{
    for (int i = 0; i < 16; i++) {
        cl_device_id nobody = NULL;
        if (atomic_compare_exchange_strong(&devices[i], &nobody, id) || nobody == id)
            return i;
    }
    return 16;
}

cl_int clEnqueueReadBuffer(cl_command_queue queue, cl_mem mem, cl_bool blocking, size_t at,
                           size_t n, void *to, cl_uint waits, const cl_event *wait, cl_event *done)
{
    cl_int (*real)(cl_command_queue, cl_mem, cl_bool, size_t, size_t, void *, cl_uint,
                   const cl_event *, cl_event *) = dlsym(RTLD_NEXT, "clEnqueueReadBuffer");
    const char *wish = getenv("FFCL_SHIM_READS");
    int victim, first, code = ffcl_shim_cl_waits(__builtin_return_address(0));
    cl_device_id id = NULL;
    if (code) {
        clFinish(queue);
        return code;
    }
    if (wish && sscanf(wish, "%d:%d", &victim, &first) == 2) {
        clGetCommandQueueInfo(queue, CL_QUEUE_DEVICE, sizeof id, &id, NULL);
        int here = place(id);
        if (victim >= 0 && here != victim) {
            await_failure();
        } else if (atomic_fetch_add(&reads, 1) + 1 >= first) {
            has_failed = 1;
            return CL_OUT_OF_RESOURCES;
        }
    }
    return real(queue, mem, blocking, at, n, to, waits, wait, done);
}

/* What the parameters that CLBlast was given, or FFCL_SHIM_SGEMM, do to its GEMMs. */
static atomic_int wrong, failing;

static void misbehave(const char *how)
{
    if (!strcmp(how, "crash"))
        raise(SIGKILL);         /* PoCL has a handler for SIGSEGV, which continues */
    for (; !strcmp(how, "hang");)
        pause();
    if (!strcmp(how, "wrong"))
        wrong = 1;
    if (!strcmp(how, "fail"))
        failing = 1;
}

CLBlastStatusCode CLBlastOverrideParameters(const cl_device_id device, const char *kernel,
                                            const CLBlastPrecision precision, const size_t n,
                                            const char **names, const size_t *values)
{
    CLBlastStatusCode (*real)(cl_device_id, const char *, CLBlastPrecision, size_t, const char **,
                              const size_t *) = dlsym(RTLD_NEXT, "CLBlastOverrideParameters");
    const char *wish = getenv("FFCL_SHIM_SETS");
    char name[40], how[20];
    size_t value;
    int used = 0;
    for (; wish && sscanf(wish, "%39[A-Z_]=%zu:%19[a-z]%n", name, &value, how, &used) == 3;
         wish += used + (wish[used] == ','))
        for (size_t i = 0; i < n; i++)
            if (!strcmp(names[i], name) && values[i] == value)
                misbehave(how);
    return real(device, kernel, precision, n, names, values);
}

CLBlastStatusCode CLBlastSgemmWithTempBuffer(
    const CLBlastLayout layout, const CLBlastTranspose ta, const CLBlastTranspose tb,
    const size_t m, const size_t n, const size_t k, const float alpha, const cl_mem a,
    const size_t a_at, const size_t lda, const cl_mem b, const size_t b_at, const size_t ldb,
    const float beta, cl_mem c, const size_t c_at, const size_t ldc, cl_command_queue *queue,
    cl_event *event, cl_mem temp)
{
    CLBlastStatusCode (*real)(CLBlastLayout, CLBlastTranspose, CLBlastTranspose, size_t, size_t,
                              size_t, float, cl_mem, size_t, size_t, cl_mem, size_t, size_t, float,
                              cl_mem, size_t, size_t, cl_command_queue *, cl_event *, cl_mem) =
        dlsym(RTLD_NEXT, "CLBlastSgemmWithTempBuffer");
    const char *how = getenv("FFCL_SHIM_SGEMM");
    static const float nothing = 0.0f;
    if (how)
        misbehave(how);
    if (failing)
        return CLBlastOpenCLBuildProgramFailure;
    CLBlastStatusCode code = real(layout, ta, tb, m, n, k, alpha, a, a_at, lda, b, b_at, ldb, beta,
                                  c, c_at, ldc, queue, event, temp);
    /* The last element is enough. */
    if (wrong && code == CLBlastSuccess)
        clEnqueueFillBuffer(*queue, c, &nothing, sizeof nothing,
                            (c_at + (n - 1) * ldc + m - 1) * sizeof nothing, sizeof nothing, 0,
                            NULL, NULL);
    return code;
}

cl_int clBuildProgram(cl_program program, cl_uint n, const cl_device_id *list, const char *options,
                      void(CL_CALLBACK *ready)(cl_program, void *), void *user)
{
    static __typeof__(clBuildProgram) *real;
    const char *how = getenv("FFCL_SHIM_BUILD");
    if (!real)
        real = (__typeof__(real))dlsym(RTLD_NEXT, "clBuildProgram");
    if (how)
        fprintf(stderr, "9 warnings generated.\n");
    if (how && strcmp(how, "abort") == 0)
        abort();
    if (how && strncmp(how, "exit", 4) == 0)
        exit(how[4] ? 0 : 1);
    const cl_int code = ffcl_shim_cl_fails(__builtin_return_address(0));
    return code ? code : real(program, n, list, options, ready, user);
}

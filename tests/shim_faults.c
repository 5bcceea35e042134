/* SPDX-License-Identifier: MIT
 * Faults by number, for the sweeps of tests/e2e/faults.sh.  Calls are counted where ffcl, or a
 * library that reads or writes files for it, makes them; N -1 prints how many there are.
 *   FFCL_SHIM_CL=N:CODE       the N-th OpenCL call fails with CODE (-5, say)
 *   FFCL_SHIM_ASYNC=N:CODE    the N-th kernel fails on the device: it does nothing, and calls that
 *                             wait for the device, or read from it, fail with CODE from then on
 *   FFCL_SHIM_FILE=N:ERRNO    the N-th call on files fails: open, read, write, stat, close, ...
 *   FFCL_SHIM_FULL=N:ERRNO    the N-th call that writes or makes files fails, and all after it
 * What a run that a hostile file has taken over would do:
 *   FFCL_SHIM_TRY=WRITE:READ  at the first kernel, says by which errno a file WRITE cannot be made,
 *                             READ cannot be read, and no connection can be made (0: it can)
 *   FFCL_SHIM_LANDLOCK=ERRNO  the kernel has no Landlock */
#include <CL/cl.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim.h"

static atomic_int cl_calls, kernels, file_calls, writes, device_failed;

static struct {
    int n, code;
} cl_fault, async_fault, file_fault, full_fault;

static struct stat said[2];     /* where stdout and stderr lead */

/* Neither in memory nor what ffcl says, whose stream may be a copy of stderr. */
static int is_file(FILE *f)
{
    struct stat st;
    const int is_one = f != stdout && f != stderr && fileno(f) >= 0 && fstat(fileno(f), &st) == 0;
    for (int i = 0; is_one && i < 2; i++)
        if (said[i].st_ino == st.st_ino && said[i].st_dev == st.st_dev)
            return 0;
    return is_one;
}

/* Set before main: getenv takes time, and a sweep counts everything from the start. */
__attribute__((constructor)) static void read_wishes(void)
{
    const char *cl = getenv("FFCL_SHIM_CL"), *async = getenv("FFCL_SHIM_ASYNC");
    const char *file = getenv("FFCL_SHIM_FILE"), *full = getenv("FFCL_SHIM_FULL");
    for (int fd = 1; fd <= 2; fd++)
        if (fstat(fd, &said[fd - 1]) != 0)
            said[fd - 1].st_ino = 0;
    if (cl)
        sscanf(cl, "%d:%d", &cl_fault.n, &cl_fault.code);
    if (async)
        sscanf(async, "%d:%d", &async_fault.n, &async_fault.code);
    if (file)
        sscanf(file, "%d:%d", &file_fault.n, &file_fault.code);
    if (full)
        sscanf(full, "%d:%d", &full_fault.n, &full_fault.code);
}

__attribute__((destructor)) static void tell_counts(void)
{
    if (cl_fault.n == -1 || file_fault.n == -1 || async_fault.n == -1 || full_fault.n == -1)
        fprintf(stderr, "calls: OpenCL %d, kernels %d, files %d, writes %d\n", (int)cl_calls,
                (int)kernels, (int)file_calls, (int)writes);
}

int ffcl_shim_cl_fails(const void *caller)
{
    if (!cl_fault.n || !ffcl_shim_is_program(caller))
        return 0;
    return atomic_fetch_add(&cl_calls, 1) + 1 == cl_fault.n ? cl_fault.code : 0;
}

int ffcl_shim_cl_waits(const void *caller)
{
    const int code = ffcl_shim_cl_fails(caller);
    return code ? code : device_failed ? async_fault.code : 0;
}

int ffcl_shim_file_fails(const void *caller)
{
    if (!file_fault.n || !ffcl_shim_is_counted(caller) ||
        atomic_fetch_add(&file_calls, 1) + 1 != file_fault.n)
        return 0;
    errno = file_fault.code;
    return 1;
}

int ffcl_shim_write_fails(const void *caller)
{
    if (ffcl_shim_file_fails(caller))
        return 1;
    if (!full_fault.n || !ffcl_shim_is_counted(caller))
        return 0;
    const int n = atomic_fetch_add(&writes, 1) + 1;
    if (full_fault.n < 0 || n < full_fault.n)
        return 0;
    errno = full_fault.code;
    return 1;
}

#define CALLER __builtin_return_address(0)

/* ---- OpenCL: those that return a code, and those that return an object -------------------- */

#define CODE(name, wants, gives) \
    cl_int name wants \
    { \
        cl_int (*real) wants = (cl_int (*) wants)dlsym(RTLD_NEXT, #name); \
        const cl_int code = ffcl_shim_cl_fails(CALLER); \
        return code ? code : real gives; \
    }

/* What waits does wait, and then fails: nothing is under way on a device that has failed. */
#define WAIT(name, wants, gives) \
    cl_int name wants \
    { \
        cl_int (*real) wants = (cl_int (*) wants)dlsym(RTLD_NEXT, #name); \
        const cl_int code = ffcl_shim_cl_waits(CALLER), own = real gives; \
        return code ? code : own; \
    }

#define OBJECT(type, name, wants, gives) \
    type name wants \
    { \
        type (*real) wants = (type (*) wants)dlsym(RTLD_NEXT, #name); \
        const cl_int fails = ffcl_shim_cl_fails(CALLER); \
        if (!fails) \
            return real gives; \
        if (code) \
            *code = fails; \
        return NULL; \
    }

#define NOTIFY void (*notify)(const char *, const void *, size_t, void *)

OBJECT(cl_context, clCreateContext,
       (const cl_context_properties *p, cl_uint n, const cl_device_id *d, NOTIFY, void *u,
        cl_int *code), (p, n, d, notify, u, code))
OBJECT(cl_command_queue, clCreateCommandQueue,
       (cl_context c, cl_device_id d, cl_command_queue_properties p, cl_int *code), (c, d, p, code))
OBJECT(cl_mem, clCreateBuffer,
       (cl_context c, cl_mem_flags f, size_t n, void *h, cl_int *code), (c, f, n, h, code))
OBJECT(cl_mem, clCreateSubBuffer,
       (cl_mem m, cl_mem_flags f, cl_buffer_create_type t, const void *r, cl_int *code),
       (m, f, t, r, code))
OBJECT(cl_program, clCreateProgramWithSource,
       (cl_context c, cl_uint n, const char **s, const size_t *l, cl_int *code), (c, n, s, l, code))
OBJECT(cl_program, clCreateProgramWithBinary,
       (cl_context c, cl_uint n, const cl_device_id *d, const size_t *l, const unsigned char **b,
        cl_int *s, cl_int *code), (c, n, d, l, b, s, code))
OBJECT(cl_kernel, clCreateKernel, (cl_program p, const char *n, cl_int *code), (p, n, code))
OBJECT(void *, clEnqueueMapBuffer,
       (cl_command_queue q, cl_mem m, cl_bool b, cl_map_flags f, size_t at, size_t n, cl_uint w,
        const cl_event *l, cl_event *e, cl_int *code), (q, m, b, f, at, n, w, l, e, code))
CODE(clGetDeviceIDs,
     (cl_platform_id p, cl_device_type t, cl_uint n, cl_device_id *d, cl_uint *m), (p, t, n, d, m))
CODE(clGetPlatformIDs, (cl_uint n, cl_platform_id *p, cl_uint *m), (n, p, m))
CODE(clGetPlatformInfo, (cl_platform_id p, cl_platform_info w, size_t n, void *v, size_t *m),
     (p, w, n, v, m))
CODE(clGetProgramInfo, (cl_program p, cl_program_info w, size_t n, void *v, size_t *m),
     (p, w, n, v, m))
CODE(clGetProgramBuildInfo,
     (cl_program p, cl_device_id d, cl_program_build_info w, size_t n, void *v, size_t *m),
     (p, d, w, n, v, m))
CODE(clGetKernelInfo, (cl_kernel k, cl_kernel_info w, size_t n, void *v, size_t *m),
     (k, w, n, v, m))
CODE(clGetKernelWorkGroupInfo,
     (cl_kernel k, cl_device_id d, cl_kernel_work_group_info w, size_t n, void *v, size_t *m),
     (k, d, w, n, v, m))
CODE(clGetMemObjectInfo, (cl_mem o, cl_mem_info w, size_t n, void *v, size_t *m), (o, w, n, v, m))
CODE(clGetEventProfilingInfo, (cl_event o, cl_profiling_info w, size_t n, void *v, size_t *m),
     (o, w, n, v, m))
CODE(clSetKernelArg, (cl_kernel k, cl_uint i, size_t n, const void *v), (k, i, n, v))
CODE(clSetMemObjectDestructorCallback, (cl_mem m, void (*f)(cl_mem, void *), void *u), (m, f, u))
CODE(clRetainEvent, (cl_event e), (e))
CODE(clEnqueueWriteBuffer,
     (cl_command_queue q, cl_mem m, cl_bool b, size_t at, size_t n, const void *p, cl_uint w,
      const cl_event *l, cl_event *e), (q, m, b, at, n, p, w, l, e))
CODE(clEnqueueCopyBuffer,
     (cl_command_queue q, cl_mem a, cl_mem b, size_t i, size_t j, size_t n, cl_uint w,
      const cl_event *l, cl_event *e), (q, a, b, i, j, n, w, l, e))
CODE(clEnqueueFillBuffer,
     (cl_command_queue q, cl_mem m, const void *p, size_t s, size_t at, size_t n, cl_uint w,
      const cl_event *l, cl_event *e), (q, m, p, s, at, n, w, l, e))
CODE(clEnqueueNativeKernel,
     (cl_command_queue q, void (*f)(void *), void *a, size_t s, cl_uint n, const cl_mem *m,
      const void **p, cl_uint w, const cl_event *l, cl_event *e), (q, f, a, s, n, m, p, w, l, e))
CODE(clEnqueueUnmapMemObject,
     (cl_command_queue q, cl_mem m, void *p, cl_uint w, const cl_event *l, cl_event *e),
     (q, m, p, w, l, e))
CODE(clEnqueueMarkerWithWaitList,
     (cl_command_queue q, cl_uint w, const cl_event *l, cl_event *e), (q, w, l, e))
CODE(clFlush, (cl_command_queue q), (q))
WAIT(clFinish, (cl_command_queue q), (q))
WAIT(clWaitForEvents, (cl_uint n, const cl_event *l), (n, l))
WAIT(clGetEventInfo, (cl_event o, cl_event_info w, size_t n, void *v, size_t *m), (o, w, n, v, m))

/* The answers go where FFCL_SHIM_ANSWER, a file that is open before the sandbox, leads. */
static int answers = -1;

__attribute__((constructor)) static void open_answers(void)
{
    const char *path = getenv("FFCL_SHIM_ANSWER");
    if (path)
        answers = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
}

static void try_to_leave(void)
{
    static atomic_flag is_tried = ATOMIC_FLAG_INIT;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = 256,
                             .sin_addr = {.s_addr = 0x0100007f}};
    char path[600] = "", *other;
    const char *wish = getenv("FFCL_SHIM_TRY");
    if (!wish || answers < 0 || atomic_flag_test_and_set(&is_tried))
        return;
    snprintf(path, sizeof path, "%s", wish);
    other = strchr(path, ':');
    *other++ = '\0';
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT, 0600) < 0 ? errno : 0;
    dprintf(answers, "write %d\n", fd);
    fd = syscall(SYS_openat, AT_FDCWD, other, O_RDONLY, 0) < 0 ? errno : 0;
    dprintf(answers, "read %d\n", fd);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    dprintf(answers, "connect %d\n", connect(fd, (void *)&to, sizeof to) < 0 ? errno : 0);
    close(fd);
}

long syscall(long number, ...)
{
    enum { CREATE_RULESET = 444 };
    long (*real)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    const char *wish = getenv("FFCL_SHIM_LANDLOCK");
    long a[6];
    va_list args;
    va_start(args, number);
    for (size_t i = 0; i < 6; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    if (wish && number == CREATE_RULESET) {
        errno = atoi(wish);
        return -1;
    }
    return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

cl_int clEnqueueNDRangeKernel(cl_command_queue q, cl_kernel k, cl_uint d, const size_t *o,
                              const size_t *g, const size_t *l, cl_uint w, const cl_event *list,
                              cl_event *e)
{
    cl_int (*real)(cl_command_queue, cl_kernel, cl_uint, const size_t *, const size_t *,
                   const size_t *, cl_uint, const cl_event *, cl_event *) =
        (cl_int (*)(cl_command_queue, cl_kernel, cl_uint, const size_t *, const size_t *,
                    const size_t *, cl_uint, const cl_event *, cl_event *))
            dlsym(RTLD_NEXT, "clEnqueueNDRangeKernel");
    const cl_int code = ffcl_shim_cl_fails(CALLER);
    if (code)
        return code;
    try_to_leave();
    if (async_fault.n && ffcl_shim_is_program(CALLER) &&
        atomic_fetch_add(&kernels, 1) + 1 == async_fault.n) {
        device_failed = 1;
        return clEnqueueMarkerWithWaitList(q, w, w ? list : NULL, e);
    }
    return real(q, k, d, o, g, l, w, list, e);
}

/* ---- files --------------------------------------------------------------------------------- */

#define FILE_CALL(type, bad, name, wants, gives) \
    CHECKED(ffcl_shim_file_fails, type, bad, name, wants, gives)
#define WRITE_CALL(type, bad, name, wants, gives) \
    CHECKED(ffcl_shim_write_fails, type, bad, name, wants, gives)
#define CHECKED(check, type, bad, name, wants, gives) \
    type name wants \
    { \
        type (*real) wants = (type (*) wants)dlsym(RTLD_NEXT, #name); \
        return check(CALLER) ? bad : real gives; \
    }

/* ferror sees it, too: glibc's flag for that. */
#define STREAM_CALL(check, type, bad, name, wants, gives) \
    type name wants \
    { \
        type (*real) wants = (type (*) wants)dlsym(RTLD_NEXT, #name); \
        const int fails = is_file(f) && check(CALLER); \
        if (fails) \
            f->_flags |= 0x20; \
        return fails ? bad : real gives; \
    }

#define OPEN(name) \
    int name(const char *path, int flags, ...) \
    { \
        int (*real)(const char *, int, ...) = (int (*)(const char *, int, ...)) \
            dlsym(RTLD_NEXT, #name); \
        va_list args; \
        va_start(args, flags); \
        const mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0; \
        va_end(args); \
        return (flags & O_CREAT ? ffcl_shim_write_fails(CALLER) : ffcl_shim_file_fails(CALLER)) \
                   ? -1 : real(path, flags, mode); \
    }

OPEN(open)
OPEN(open64)
FILE_CALL(ssize_t, -1, read, (int fd, void *p, size_t n), (fd, p, n))
FILE_CALL(ssize_t, -1, __read_chk, (int fd, void *p, size_t n, size_t m), (fd, p, n, m))
FILE_CALL(ssize_t, -1, pread, (int fd, void *p, size_t n, off_t at), (fd, p, n, at))
FILE_CALL(ssize_t, -1, pread64, (int fd, void *p, size_t n, off64_t at), (fd, p, n, at))
WRITE_CALL(ssize_t, -1, write, (int fd, const void *p, size_t n), (fd, p, n))
FILE_CALL(off64_t, -1, lseek64, (int fd, off64_t at, int from), (fd, at, from))
FILE_CALL(int, -1, stat, (const char *path, struct stat *st), (path, st))
FILE_CALL(int, -1, lstat, (const char *path, struct stat *st), (path, st))
FILE_CALL(int, -1, fstat, (int fd, struct stat *st), (fd, st))
FILE_CALL(int, -1, stat64, (const char *path, struct stat64 *st), (path, st))
FILE_CALL(int, -1, lstat64, (const char *path, struct stat64 *st), (path, st))
FILE_CALL(int, -1, fstat64, (int fd, struct stat64 *st), (fd, st))
FILE_CALL(int, -1, access, (const char *path, int mode), (path, mode))
WRITE_CALL(int, -1, mkdir, (const char *path, mode_t mode), (path, mode))
FILE_CALL(FILE *, NULL, fdopen, (int fd, const char *how), (fd, how))
FILE_CALL(FILE *, NULL, fopen, (const char *path, const char *how), (path, how))
STREAM_CALL(ffcl_shim_file_fails, size_t, 0, fread,
            (void *p, size_t n, size_t m, FILE *f), (p, n, m, f))
STREAM_CALL(ffcl_shim_file_fails, size_t, 0, __fread_chk,
            (void *p, size_t k, size_t n, size_t m, FILE *f), (p, k, n, m, f))
STREAM_CALL(ffcl_shim_write_fails, size_t, 0, fwrite,
            (const void *p, size_t n, size_t m, FILE *f), (p, n, m, f))
STREAM_CALL(ffcl_shim_write_fails, int, EOF, fflush, (FILE *f), (f))

void *mmap(void *p, size_t n, int prot, int flags, int fd, off_t at)
{
    void *(*real)(void *, size_t, int, int, int, off_t) =
        (void *(*)(void *, size_t, int, int, int, off_t))dlsym(RTLD_NEXT, "mmap");
    return fd >= 0 && ffcl_shim_file_fails(CALLER) ? MAP_FAILED : real(p, n, prot, flags, fd, at);
}

/* They are closed all the same, as Linux does it. */
int close(int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "close");
    const int fails = ffcl_shim_file_fails(CALLER), number = errno, code = real(fd);
    errno = fails ? number : errno;
    return fails ? -1 : code;
}

int fclose(FILE *f)
{
    int (*real)(FILE *) = (int (*)(FILE *))dlsym(RTLD_NEXT, "fclose");
    /* That of a stream in memory fails with no disk. */
    const int fails = fileno(f) >= 0 && ffcl_shim_file_fails(CALLER), number = errno;
    const int code = real(f);
    errno = fails ? number : errno;
    return fails ? EOF : code;
}

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
 *   FFCL_SHIM_CLOCK=1         the clock of the day jumps by years at every look */
#include <CL/cl.h>
#include <clblast_c.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static atomic_int calls, reads, looks, has_failed;
static _Atomic(cl_device_id) devices[16];

static void count(const char *name)
{
    const char *wish = getenv("FFCL_SHIM_KILL");
    size_t length = strlen(name);
    if (wish && !strncmp(wish, name, length) && wish[length] == ':' &&
        atomic_fetch_add(&calls, 1) + 1 == atoi(wish + length + 1))
        raise(SIGKILL);
}

int rename(const char *from, const char *to)
{
    int (*real)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");
    count("rename");
    return real(from, to);
}

int fsync(int fd)
{
    int (*real)(int) = dlsym(RTLD_NEXT, "fsync");
    count("fsync");
    return real(fd);
}

int ftruncate(int fd, off_t n)
{
    int (*real)(int, off_t) = dlsym(RTLD_NEXT, "ftruncate");
    count("ftruncate");
    return real(fd, n);
}

int ftruncate64(int fd, off64_t n)
{
    int (*real)(int, off64_t) = dlsym(RTLD_NEXT, "ftruncate64");
    count("ftruncate");
    return real(fd, n);
}

int unlink(const char *path)
{
    int (*real)(const char *) = dlsym(RTLD_NEXT, "unlink");
    count("unlink");
    return real(path);
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t at)
{
    ssize_t (*real)(int, const void *, size_t, off64_t) = dlsym(RTLD_NEXT, "pwrite64");
    count("pwrite");
    return real(fd, bytes, n, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    return pwrite64(fd, bytes, n, at);
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
    int victim, first;
    cl_device_id id = NULL;
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

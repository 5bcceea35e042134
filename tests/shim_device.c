/* SPDX-License-Identifier: MIT
 * Another device for the tests, as a library to preload: every OpenCL device says that it is what
 * FFCL_SHIM_DEVICE names, and is held to it.  A comma list of
 *   gpu               a GPU without host functions
 *   unified=N         1: memory shared with the host; 0: not
 *   ram=N             MB of the machine's memory
 *   maps=HOW          memory of the host under a buffer: 0 refused, 1 copied, 2 taken as it is
 *                     where it begins with a page and ends with a line of the cache, else copied
 *   wave=N            AMD's, with wavefronts of N: WMMA or MFMA, which are emulated
 *   lanes=N           Intel's, with dpas in sub-groups of N, which is emulated
 *   vendor=N          of a maker by PCI's number, Intel is 32902; a GPU is nobody's without
 *   nofp16            without cl_khr_fp16 in the list of extensions
 *   local=N, group=N  bytes of local memory, work-items of a work-group
 *   says=N            work-items that any kernel is said to take, though it takes more
 *   alloc=N, global=N MB of the largest buffer, and of all
 *   units=N, clock=N  compute units, MHz
 *   driver=TEXT       the driver's version
 *   release=TEXT      the end of the platform's version, which is then longer than 200 characters
 *   only=TEXT, nth=N  devices with this in their names alone, and the N-th of a platform, from 0;
 *                     others are what they are
 * What a driver would refuse is refused: larger buffers, work-groups, local memory.
 *   FFCL_SHIM_UNIT=HOW    what becomes of the matrix unit's kernel: fast (in trials all others are
 *                         slow), slow, wrong (in one element), late (wrong, but not in trials),
 *                         build (its build crashes), run (its run does), hang
 *   FFCL_SHIM_KERNEL=NAME:N   that kernel takes N work-items of a work-group
 *   FFCL_SHIM_PEAK=FILE   at the end, the most bytes that buffers had at once
 *   FFCL_SHIM_KEEP=1      no buffer is released, so that none takes another's place */
#include <CL/cl.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* The number of an entry of FFCL_SHIM_DEVICE; -1: it is not there. */
static long entry(const char *name)
{
    const char *at = getenv("FFCL_SHIM_DEVICE");
    const size_t length = strlen(name);
    for (; at && *at; at += strcspn(at, ","), at += *at == ',')
        if (!strncmp(at, name, length) && (at[length] == '=' || !at[length] || at[length] == ','))
            return at[length] == '=' ? atol(at + length + 1) : 1;
    return -1;
}

/* The place of a device among those of its platform. */
static long place_of(cl_device_id id)
{
    cl_platform_id platform = NULL;
    cl_device_id all[16];
    cl_uint n = 0;
    REAL(clGetDeviceInfo)(id, CL_DEVICE_PLATFORM, sizeof platform, &platform, NULL);
    clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 16, all, &n);
    for (cl_uint i = 0; i < n && i < 16; i++)
        if (all[i] == id)
            return i;
    return -1;
}

/* Whether this device is one that pretends; NULL: whether any does. */
static int pretends(cl_device_id id)
{
    if (id && entry("nth") >= 0 && place_of(id) != entry("nth"))
        return 0;
    const char *list = getenv("FFCL_SHIM_DEVICE"), *only = list ? strstr(list, "only=") : NULL;
    char name[256] = "", wish[64] = "";
    if (!list || !only || !id)
        return list != NULL;
    snprintf(wish, sizeof wish, "%.*s", (int)strcspn(only + 5, ","), only + 5);
    REAL(clGetDeviceInfo)(id, CL_DEVICE_NAME, sizeof name, name, NULL);
    return strstr(name, wish) != NULL;
}

static cl_device_id device_of_queue(cl_command_queue queue)
{
    cl_device_id id = NULL;
    clGetCommandQueueInfo(queue, CL_QUEUE_DEVICE, sizeof id, &id, NULL);
    return id;
}

/* The first, of programs for several. */
static cl_device_id device_of_program(cl_program program)
{
    cl_device_id ids[16] = {NULL};
    clGetProgramInfo(program, CL_PROGRAM_DEVICES, sizeof ids, ids, NULL);
    return ids[0];
}

static cl_device_id device_of_context(cl_context context)
{
    cl_device_id ids[16] = {NULL};
    clGetContextInfo(context, CL_CONTEXT_DEVICES, sizeof ids, ids, NULL);
    return ids[0];
}

static int emulates(cl_device_id id)
{
    return pretends(id) && (entry("wave") > 0 || entry("lanes") > 0);
}

static int unit_is(const char *how)
{
    const char *wish = getenv("FFCL_SHIM_UNIT");
    return wish && strcmp(wish, how) == 0;
}

static int is_trial(void)
{
    static int known = -1;
    if (known < 0) {
        char line[4096] = "";
        int fd = open("/proc/self/cmdline", O_RDONLY);
        ssize_t n = fd >= 0 ? read(fd, line, sizeof line - 1) : 0;
        if (fd >= 0)
            close(fd);
        for (ssize_t i = 0; i < n; i++)
            if (!line[i])
                line[i] = ' ';
        known = strstr(line, "unit-trial") != NULL;
    }
    return known;
}

static void rest(long ms)
{
    const struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

static cl_int give(const void *from, size_t n, size_t size, void *value, size_t *needed)
{
    if (needed)
        *needed = n;
    if (value && size < n)
        return CL_INVALID_VALUE;
    if (value)
        memcpy(value, from, n);
    return CL_SUCCESS;
}

static cl_int give_text(cl_device_id id, cl_device_info what, size_t size, void *value,
                        size_t *needed)
{
    static const char fp16[] = "cl_khr_fp16", lanes[] = "cl_intel_required_subgroup_size";
    static __thread char text[8192];
    const char *wish = getenv("FFCL_SHIM_DEVICE"), *driver = strstr(wish, "driver=");
    cl_int code = REAL(clGetDeviceInfo)(id, what, sizeof text - 64, text, NULL);
    if (code != CL_SUCCESS)
        return code;
    if (what == CL_DRIVER_VERSION && driver)
        snprintf(text, sizeof text, "%.*s", (int)strcspn(driver + 7, ","), driver + 7);
    if (what == CL_DEVICE_EXTENSIONS && entry("wave") > 0)
        strcat(text, " cl_amd_device_attribute_query");
    char *named = strstr(text, lanes);
    if (what == CL_DEVICE_EXTENSIONS && entry("gpu") > 0 && named)
        memset(named, ' ', strlen(lanes));      /* PoCL's from 6 on, which are a CPU's */
    if (what == CL_DEVICE_EXTENSIONS && entry("lanes") > 0)
        strcat(text, " cl_intel_subgroup_matrix_multiply_accumulate"
                     " cl_intel_required_subgroup_size");
    char *at = strstr(text, fp16);
    if (what == CL_DEVICE_EXTENSIONS && entry("nofp16") > 0 && at)
        memset(at, ' ', strlen(fp16));
    return give(text, strlen(text) + 1, size, value, needed);
}

cl_int clGetPlatformInfo(cl_platform_id id, cl_platform_info what, size_t size, void *value,
                         size_t *needed)
{
    const char *list = getenv("FFCL_SHIM_DEVICE"), *at = list ? strstr(list, "release=") : NULL;
    char text[512] = "";
    if (!at || what != CL_PLATFORM_VERSION)
        return REAL(clGetPlatformInfo)(id, what, size, value, needed);
    cl_int code = REAL(clGetPlatformInfo)(id, what, sizeof text - 1, text, NULL);
    if (code != CL_SUCCESS)
        return code;
    const size_t n = strlen(text);
    memset(text + n, '.', 200 > n ? 200 - n : 0);
    text[200 > n ? 200 : n] = '\0';
    snprintf(text + strlen(text), 64, "%.*s", (int)strcspn(at + 8, ","), at + 8);
    return give(text, strlen(text) + 1, size, value, needed);
}

cl_int clGetDeviceInfo(cl_device_id id, cl_device_info what, size_t size, void *value,
                       size_t *needed)
{
    enum { BOARD_NAME = 0x4038, WAVEFRONT = 0x4043, SUB_GROUP_SIZES = 0x4108 };
    static const struct {
        cl_device_info what;
        const char *name;
        size_t bytes;
        cl_ulong times;
    } numbers[] = {
        {CL_DEVICE_LOCAL_MEM_SIZE, "local", sizeof(cl_ulong), 1},
        {CL_DEVICE_MAX_WORK_GROUP_SIZE, "group", sizeof(size_t), 1},
        {CL_DEVICE_MAX_MEM_ALLOC_SIZE, "alloc", sizeof(cl_ulong), 1 << 20},
        {CL_DEVICE_GLOBAL_MEM_SIZE, "global", sizeof(cl_ulong), 1 << 20},
        {CL_DEVICE_MAX_COMPUTE_UNITS, "units", sizeof(cl_uint), 1},
        {CL_DEVICE_MAX_CLOCK_FREQUENCY, "clock", sizeof(cl_uint), 1},
        {CL_DEVICE_HOST_UNIFIED_MEMORY, "unified", sizeof(cl_bool), 1},
        {CL_DEVICE_VENDOR_ID, "vendor", sizeof(cl_uint), 1},
        {WAVEFRONT, "wave", sizeof(cl_uint), 1},
    };
    const cl_device_type gpu = CL_DEVICE_TYPE_GPU;
    const cl_device_exec_capabilities kernels = CL_EXEC_KERNEL;
    if (!pretends(id))
        return REAL(clGetDeviceInfo)(id, what, size, value, needed);
    if (what == CL_DRIVER_VERSION || what == CL_DEVICE_EXTENSIONS)
        return give_text(id, what, size, value, needed);
    const size_t lanes = (size_t)entry("lanes");
    if (what == SUB_GROUP_SIZES && entry("lanes") > 0)
        return give(&lanes, sizeof lanes, size, value, needed);
    if (what == BOARD_NAME && entry("wave") > 0)
        return give("gfx1100", 8, size, value, needed);
    if (what == CL_DEVICE_TYPE && entry("gpu") > 0)
        return give(&gpu, sizeof gpu, size, value, needed);
    if (what == CL_DEVICE_EXECUTION_CAPABILITIES && entry("gpu") > 0)
        return give(&kernels, sizeof kernels, size, value, needed);
    const cl_uint nobody = 0;           /* PoCL gives AMD's CPUs Intel's number */
    if (what == CL_DEVICE_VENDOR_ID && entry("gpu") > 0 && entry("vendor") < 0)
        return give(&nobody, sizeof nobody, size, value, needed);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (what == numbers[i].what && entry(numbers[i].name) >= 0) {
            const cl_ulong n = (cl_ulong)entry(numbers[i].name) * numbers[i].times;
            return give(&n, numbers[i].bytes, size, value, needed);     /* little-endian */
        }
    return REAL(clGetDeviceInfo)(id, what, size, value, needed);
}

/* ---- buffers -------------------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static size_t in_use, peak;

static void account(long bytes)
{
    pthread_mutex_lock(&lock);
    in_use += (size_t)bytes;
    peak = in_use > peak ? in_use : peak;
    pthread_mutex_unlock(&lock);
}

static void CL_CALLBACK released(cl_mem mem, void *user)
{
    (void)mem;
    account(-(long)(size_t)user);
}

__attribute__((destructor)) static void write_peak(void)
{
    const char *path = getenv("FFCL_SHIM_PEAK");
    /* Of programs that have buffers: a script may start ffcl by way of others, which end later. */
    FILE *f = path && peak && !is_trial() ? fopen(path, "w") : NULL;
    if (f) {
        fprintf(f, "%zu\n", peak);
        fclose(f);
    }
}

/* As drivers of integrated GPUs do. */
static cl_mem_flags driver_flags(cl_mem_flags flags, size_t size, const void *host)
{
    const int is_whole = (size_t)host % 4096 == 0 && size % 64 == 0;
    if (!(flags & CL_MEM_USE_HOST_PTR) || entry("maps") < 1 || (entry("maps") == 2 && is_whole))
        return flags;
    return (flags & ~(cl_mem_flags)CL_MEM_USE_HOST_PTR) | CL_MEM_COPY_HOST_PTR;
}

long sysconf(int name)
{
    const long ram = name == _SC_PHYS_PAGES ? entry("ram") : -1;
    return ram > 0 ? (ram << 20) / REAL(sysconf)(_SC_PAGESIZE) : REAL(sysconf)(name);
}

cl_mem clCreateBuffer(cl_context context, cl_mem_flags flags, size_t size, void *host, cl_int *code)
{
    const long alloc = entry("alloc"), global = entry("global");
    cl_int problem = CL_SUCCESS;
    if (!pretends(device_of_context(context)))
        return REAL(clCreateBuffer)(context, flags, size, host, code);
    flags = driver_flags(flags, size, host);
    if ((flags & CL_MEM_USE_HOST_PTR) && entry("maps") == 0)
        problem = CL_OUT_OF_HOST_MEMORY;
    else if (alloc >= 0 && size > (size_t)alloc << 20)
        problem = CL_INVALID_BUFFER_SIZE;
    else if (global >= 0 && in_use + size > (size_t)global << 20)
        problem = CL_MEM_OBJECT_ALLOCATION_FAILURE;
    if (problem != CL_SUCCESS) {
        if (code)
            *code = problem;
        return NULL;
    }
    cl_mem mem = REAL(clCreateBuffer)(context, flags, size, host, code);
    /* What lies in the host's memory anyway takes none of the device's. */
    if (mem && !(flags & CL_MEM_USE_HOST_PTR)) {
        account((long)size);
        clSetMemObjectDestructorCallback(mem, released, (void *)size);
    }
    return mem;
}

cl_int clReleaseMemObject(cl_mem mem)
{
    return getenv("FFCL_SHIM_KEEP") ? CL_SUCCESS : REAL(clReleaseMemObject)(mem);
}

/* ---- kernels -------------------------------------------------------------------------------- */

static struct {
    cl_kernel kernel;
    cl_mem out;
} outputs[64];
static int n_outputs;

static int is_unit(cl_kernel kernel)
{
    char name[64] = "";
    clGetKernelInfo(kernel, CL_KERNEL_FUNCTION_NAME, sizeof name, name, NULL);
    return strcmp(name, "gemm_matrix_unit") == 0;
}

cl_int clBuildProgram(cl_program program, cl_uint n, const cl_device_id *devices,
                      const char *options, void(CL_CALLBACK *done)(cl_program, void *), void *user)
{
    char longer[1024];
    if (options && strstr(options, "-DUNIT=") && emulates(device_of_program(program))) {
        static const char registers[] = "-cl-intel-256-GRF-per-thread";
        if (unit_is("build"))
            raise(SIGKILL);     /* PoCL has a handler for SIGSEGV, which continues */
        snprintf(longer, sizeof longer, "%s -DEMULATE=1", options);
        char *at = strstr(longer, registers);
        if (at)
            memset(at, ' ', strlen(registers));
        options = longer;
    }
    return REAL(clBuildProgram)(program, n, devices, options, done, user);
}

cl_int clSetKernelArg(cl_kernel kernel, cl_uint index, size_t size, const void *value)
{
    int i = 0;
    if (index == 0 && value && size == sizeof(cl_mem) && is_unit(kernel)) {
        pthread_mutex_lock(&lock);
        while (i < n_outputs && outputs[i].kernel != kernel)
            i++;
        if (i < 64) {
            n_outputs += i == n_outputs;
            outputs[i].kernel = kernel;
            memcpy(&outputs[i].out, value, sizeof(cl_mem));
        }
        pthread_mutex_unlock(&lock);
    }
    return REAL(clSetKernelArg)(kernel, index, size, value);
}

static cl_mem output_of(cl_kernel kernel)
{
    for (int i = 0; i < n_outputs; i++)
        if (outputs[i].kernel == kernel)
            return outputs[i].out;
    return NULL;
}

/* What FFCL_SHIM_KERNEL holds this kernel to; 0: nothing. */
static size_t own_limit(cl_kernel kernel)
{
    const char *wish = getenv("FFCL_SHIM_KERNEL"), *colon = wish ? strchr(wish, ':') : NULL;
    char name[128] = "";
    clGetKernelInfo(kernel, CL_KERNEL_FUNCTION_NAME, sizeof name, name, NULL);
    return colon && strlen(name) == (size_t)(colon - wish) &&
           !strncmp(name, wish, strlen(name)) ? (size_t)atol(colon + 1) : 0;
}

cl_int clGetKernelWorkGroupInfo(cl_kernel kernel, cl_device_id id, cl_kernel_work_group_info what,
                                size_t size, void *value, size_t *needed)
{
    const long most[] = {entry("group"), entry("says"), (long)own_limit(kernel)};
    cl_int code = REAL(clGetKernelWorkGroupInfo)(kernel, id, what, size, value, needed);
    if (!pretends(id))
        return code;
    for (int i = 0; i < 3 && code == CL_SUCCESS && what == CL_KERNEL_WORK_GROUP_SIZE && value; i++)
        if (most[i] > 0 && *(size_t *)value > (size_t)most[i])
            *(size_t *)value = (size_t)most[i];
    return code;
}

/* What a device of these limits would say. */
static cl_int limits(cl_command_queue queue, cl_kernel kernel, cl_uint dims, const size_t *local)
{
    const long group = entry("group"), most = entry("local");
    size_t items = 1;
    cl_ulong bytes = 0;
    const cl_device_id id = device_of_queue(queue);
    if (!pretends(id))
        return CL_SUCCESS;
    for (cl_uint i = 0; local && i < dims; i++)
        items *= local[i];
    const size_t own = own_limit(kernel);
    if ((group > 0 && items > (size_t)group) || (own && items > own))
        return CL_INVALID_WORK_GROUP_SIZE;
    if (most >= 0 && clGetKernelWorkGroupInfo(kernel, id, CL_KERNEL_LOCAL_MEM_SIZE, sizeof bytes,
                                              &bytes, NULL) == CL_SUCCESS &&
        bytes > (cl_ulong)most)
        return CL_OUT_OF_RESOURCES;
    return CL_SUCCESS;
}

cl_int clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint dims,
                              const size_t *offset, const size_t *global, const size_t *local,
                              cl_uint waits, const cl_event *wait, cl_event *done)
{
    static const cl_ushort seven = 0x4700;
    const int unit = is_unit(kernel) && emulates(device_of_queue(queue));
    cl_int code = limits(queue, kernel, dims, local);
    if (code != CL_SUCCESS)
        return code;
    if (unit && unit_is("run"))
        raise(SIGKILL);
    while (unit && unit_is("hang"))
        pause();
    /* Longer than the unit's emulation takes. */
    if ((unit && unit_is("slow")) || (!unit && unit_is("fast") && is_trial()))
        rest(20);
    code = REAL(clEnqueueNDRangeKernel)(queue, kernel, dims, offset, global, local, waits, wait,
                                        done);
    if (code == CL_SUCCESS && unit && (unit_is("wrong") || (unit_is("late") && !is_trial())))
        clEnqueueFillBuffer(queue, output_of(kernel), &seven, sizeof seven, sizeof seven,
                            sizeof seven, 0, NULL, NULL);
    return code;
}

/* SPDX-License-Identifier: MIT */
#include "cl/device.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "os/address_space.h"
#include "text.h"
#include "util.h"

/* Of cl_nv_device_attribute_query, which CL/cl.h does not have. */
enum { NV_COMPUTE_MAJOR = 0x4000, NV_COMPUTE_MINOR = 0x4001 };
/* Of cl_amd_device_attribute_query and cl_intel_required_subgroup_size. */
enum { AMD_WAVEFRONT_WIDTH = 0x4043, INTEL_SUB_GROUP_SIZES = 0x4108 };

/* Questions to a device; the first that it does not answer is the failure of all. */
typedef struct query {
    cl_device_id id;
    ffcl_error *err;
    int rc;
} query;

static void answered(query *q, cl_int code)
{
    if (!q->rc)
        q->rc = FFCL_CL_CODE(q->err, code, "clGetDeviceInfo");
}

/* In one line. */
static void tidy(char *text)
{
    ffcl_text_clean(text, 0);
    while (*text && isspace((unsigned char)text[strlen(text) - 1]))
        text[strlen(text) - 1] = 0;
}

/* A text, new, or NULL. */
static char *long_text(query *q, cl_device_info what)
{
    size_t need = 0;
    cl_int code = clGetDeviceInfo(q->id, what, 0, NULL, &need);
    char *text = code == CL_SUCCESS ? calloc(1, need + 1) : NULL;
    if (text && need)
        code = clGetDeviceInfo(q->id, what, need, text, NULL);
    answered(q, code == CL_SUCCESS && !text ? CL_OUT_OF_HOST_MEMORY : code);
    return text;
}

static void text_info(query *q, cl_device_info what, char *out, size_t size)
{
    char *text = long_text(q, what);
    snprintf(out, size, "%s", text ? text : "");
    free(text);
    tidy(out);
}

/* Of any length: what is longer than `out` is cut, and not lost. */
static void platform_info(query *q, cl_platform_id platform, cl_platform_info what, char *out,
                          size_t size)
{
    size_t need = 0;
    cl_int code = clGetPlatformInfo(platform, what, 0, NULL, &need);
    char *text = code == CL_SUCCESS ? calloc(1, need + 1) : NULL;
    if (text && need)
        code = clGetPlatformInfo(platform, what, need, text, NULL);
    if (!q->rc)
        q->rc = FFCL_CL_CODE(q->err, code == CL_SUCCESS && !text ? CL_OUT_OF_HOST_MEMORY : code,
                             "clGetPlatformInfo");
    snprintf(out, size, "%s", text ? text : "");
    free(text);
    tidy(out);
}

/* A GPU of Intel by its vendor's number, whichever driver it has: PCI's, Mesa's and Microsoft's
 * alike, or Apple's, whose lowest three digits are a model's. */
static int is_intel_gpu(query *q, const ffcl_caps *c)
{
    cl_uint vendor = 0;
    answered(q, clGetDeviceInfo(q->id, CL_DEVICE_VENDOR_ID, sizeof vendor, &vendor, NULL));
    return (c->type & CL_DEVICE_TYPE_GPU) && (vendor == 0x8086 || vendor >> 12 == 0x1024);
}

/* The smallest sub-group that a kernel may ask for; 0 where it may not. */
static size_t least_lanes(query *q, const char *extensions)
{
    size_t sizes[16] = {0}, bytes = 0, least = 0;
    if (!strstr(extensions, "cl_intel_required_subgroup_size"))
        return 0;
    answered(q, clGetDeviceInfo(q->id, INTEL_SUB_GROUP_SIZES, sizeof sizes, sizes, &bytes));
    for (size_t i = 0; i < bytes / sizeof *sizes; i++)
        if (least == 0 || sizes[i] < least)
            least = sizes[i];
    return least;
}

/* What vendors' extensions answer. */
static void read_extensions(query *q, ffcl_caps *c)
{
    char *text = long_text(q, CL_DEVICE_EXTENSIONS);
    const char *extensions = text ? text : "";
    c->half = strstr(extensions, "cl_khr_fp16") != NULL;
    if (strstr(extensions, "cl_nv_device_attribute_query")) {
        cl_uint major = 0, minor = 0;
        answered(q, clGetDeviceInfo(q->id, NV_COMPUTE_MAJOR, sizeof major, &major, NULL));
        answered(q, clGetDeviceInfo(q->id, NV_COMPUTE_MINOR, sizeof minor, &minor, NULL));
        c->nv_compute = (int)(10 * major + minor);
    }
    if (strstr(extensions, "cl_amd_device_attribute_query")) {
        cl_uint width = 0;
        answered(q, clGetDeviceInfo(q->id, AMD_WAVEFRONT_WIDTH, sizeof width, &width, NULL));
        c->amd_wavefront = width;
    }
    /* PoCL from 6 on takes the extension on CPUs, too. */
    c->few_lanes = c->type & CL_DEVICE_TYPE_GPU ? least_lanes(q, extensions) : 0;
    c->asks_lanes = c->few_lanes > 0;
    /* Intel's matrix instructions are for the smallest sub-group. */
    if (strstr(extensions, "cl_intel_subgroup_matrix_multiply_accumulate"))
        c->intel_lanes = c->few_lanes;
    if (!c->few_lanes && is_intel_gpu(q, c))
        c->few_lanes = 8;
    free(text);
}

/* Host and device share the machine's memory, and drivers say all of it, or most: the system,
 * ffcl's own images and the page cache need some that the device is not to take. */
static void leave_host_memory(ffcl_caps *c)
{
    const cl_ulong least = (cl_ulong)1 << 30;
    const long pages = sysconf(_SC_PHYS_PAGES), bytes = sysconf(_SC_PAGESIZE);
    if (!ffcl_is_integrated(c) || pages <= 0 || bytes <= 0)
        return;
    const cl_ulong all = (cl_ulong)pages * (cl_ulong)bytes, kept = ffcl_max(all / 8, least);
    c->global_bytes = ffcl_min(c->global_bytes, ffcl_max(all - ffcl_min(kept, all), all / 2));
}

static int read_caps(cl_platform_id platform, cl_device_id id, ffcl_caps *c, ffcl_error *err)
{
    memset(c, 0, sizeof *c);
    cl_uint align_bits = 0;
    cl_bool unified = CL_FALSE;
    cl_device_exec_capabilities runs = 0;
    query q = {.id = id, .err = err};
    const struct {
        cl_device_info what;
        size_t size;
        void *to;
    } numbers[] = {
        {CL_DEVICE_TYPE, sizeof c->type, &c->type},
        {CL_DEVICE_GLOBAL_MEM_SIZE, sizeof c->global_bytes, &c->global_bytes},
        {CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof c->max_alloc_bytes, &c->max_alloc_bytes},
        {CL_DEVICE_LOCAL_MEM_SIZE, sizeof c->local_bytes, &c->local_bytes},
        {CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof c->max_work_group, &c->max_work_group},
        {CL_DEVICE_MAX_COMPUTE_UNITS, sizeof c->units, &c->units},
        {CL_DEVICE_MAX_CLOCK_FREQUENCY, sizeof c->clock, &c->clock},
        {CL_DEVICE_MEM_BASE_ADDR_ALIGN, sizeof align_bits, &align_bits},
        {CL_DEVICE_HOST_UNIFIED_MEMORY, sizeof unified, &unified},
        {CL_DEVICE_EXECUTION_CAPABILITIES, sizeof runs, &runs},
    };
    text_info(&q, CL_DEVICE_NAME, c->name, sizeof c->name);
    text_info(&q, CL_DEVICE_VENDOR, c->vendor, sizeof c->vendor);
    text_info(&q, CL_DEVICE_VERSION, c->version, sizeof c->version);
    text_info(&q, CL_DRIVER_VERSION, c->driver, sizeof c->driver);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        answered(&q, clGetDeviceInfo(id, numbers[i].what, numbers[i].size, numbers[i].to, NULL));
    platform_info(&q, platform, CL_PLATFORM_NAME, c->platform, sizeof c->platform);
    platform_info(&q, platform, CL_PLATFORM_VERSION, c->platform_version,
                  sizeof c->platform_version);
    c->align_bytes = ffcl_max(align_bits / 8, 4);
    c->unified = unified == CL_TRUE;
    c->native = (runs & CL_EXEC_NATIVE_KERNEL) != 0;
    leave_host_memory(c);
    read_extensions(&q, c);
    return q.rc;
}

/* Others may have devices where this one fails; *why: how it did. */
static int append_platform(ffcl_device **list, size_t *n, cl_platform_id platform, size_t index,
                           cl_int *why, ffcl_error *err)
{
    cl_uint count = 0;
    const cl_int code = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, NULL, &count);
    if (code != CL_SUCCESS && code != CL_DEVICE_NOT_FOUND)
        *why = code;
    if (code != CL_SUCCESS || count == 0)
        return 0;
    cl_device_id *ids = calloc(count, sizeof *ids);
    ffcl_device *grown = realloc(*list, (*n + count) * sizeof **list);
    if (grown)
        *list = grown;
    int rc = 0;
    if (!ids || !grown) {
        rc = ffcl_fail(err, FFCL_ENOMEM, "out of memory while listing devices");
        goto out;
    }
    rc = FFCL_CL(err, clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, count, ids, NULL));
    for (cl_uint i = 0; rc == 0 && i < count; i++) {
        ffcl_device *d = &(*list)[*n];
        *d = (ffcl_device){.index = *n, .platform_index = index, .device_index = i,
                           .platform = platform, .id = ids[i]};
        rc = read_caps(platform, ids[i], &d->caps, err);
        (*n)++;
    }
out:
    free(ids);
    return rc;
}

/* PoCL's devices are not there where its cache of kernels cannot be: its folder, new, if that
 * cannot be made or written; or NULL. */
static char *useless_pocl_cache(void)
{
    const char *own = getenv("POCL_CACHE_DIR"), *xdg = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    char *folder = own && *own ? ffcl_format("%s/.", own)
                   : xdg && *xdg ? ffcl_format("%s/pocl/kcache/.", xdg)
                   : home && *home ? ffcl_format("%s/.cache/pocl/kcache/.", home)
                                   : ffcl_format("/tmp/pocl/kcache/.");
    if (!folder)
        return NULL;
    ffcl_make_folders(folder);
    folder[strlen(folder) - 2] = '\0';
    if (access(folder, W_OK | X_OK))
        return folder;
    free(folder);
    return NULL;
}

static int no_device(const cl_platform_id *platforms, cl_uint count, cl_int why, ffcl_error *err)
{
    char name[64] = "";
    for (cl_uint i = 0; i < count; i++) {
        clGetPlatformInfo(platforms[i], CL_PLATFORM_NAME, sizeof name - 1, name, NULL);
        char *folder = strstr(name, "Portable Computing Language") ? useless_pocl_cache() : NULL;
        if (!folder)
            continue;
        int rc = ffcl_fail(err, FFCL_EDEVICE, "PoCL is installed and shows no device, as its cache "
                           "%.300s cannot be written: set POCL_CACHE_DIR to a folder that can",
                           folder);
        free(folder);
        return rc;
    }
    if (why != CL_SUCCESS)
        return FFCL_CL_CODE(err, why, "clGetDeviceIDs");
    return ffcl_fail(err, FFCL_EDEVICE, "none of the %u OpenCL platforms has a device: install "
                     "pocl-opencl-icd to use the CPU, or check the GPU driver", (unsigned)count);
}

int ffcl_device_list(ffcl_device **list, size_t *n, ffcl_error *err)
{
    *list = NULL;
    *n = 0;
    cl_uint count = 0;
    cl_int why = CL_SUCCESS;
    const cl_int code = clGetPlatformIDs(0, NULL, &count), none = -1001;    /* the loader's */
    if (code != CL_SUCCESS && code != none)
        return FFCL_CL_CODE(err, code, "clGetPlatformIDs");
    if (code == none || count == 0)
        return ffcl_fail(err, FFCL_EDEVICE,
                         "no OpenCL platform is installed: install your GPU vendor's OpenCL "
                         "driver, or pocl-opencl-icd to use the CPU");
    cl_platform_id *platforms = calloc(count, sizeof *platforms);
    if (!platforms)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory while listing devices");
    int rc = FFCL_CL(err, clGetPlatformIDs(count, platforms, NULL));
    for (cl_uint i = 0; rc == 0 && i < count; i++)
        rc = append_platform(list, n, platforms[i], i, &why, err);
    if (rc == 0 && *n == 0)
        rc = no_device(platforms, count, why, err);
    free(platforms);
    if (rc) {
        free(*list);
        *list = NULL;
        *n = 0;
    }
    return rc;
}

const char *ffcl_device_kind(const ffcl_caps *caps)
{
    if (caps->type & CL_DEVICE_TYPE_GPU)
        return "GPU";
    if (caps->type & CL_DEVICE_TYPE_CPU)
        return "CPU";
    return caps->type & CL_DEVICE_TYPE_ACCELERATOR ? "accelerator" : "device";
}

/* The first device of a type, or n. */
static size_t first_of_type(const ffcl_device *list, size_t n, cl_device_type type)
{
    size_t i = 0;
    while (i < n && !(list[i].caps.type & type))
        i++;
    return i;
}

/* auto: GPUs before accelerators before CPUs. */
static size_t best_device(const ffcl_device *list, size_t n)
{
    static const cl_device_type order[] = {CL_DEVICE_TYPE_GPU, CL_DEVICE_TYPE_ACCELERATOR,
                                           CL_DEVICE_TYPE_CPU};
    for (size_t k = 0; k < sizeof order / sizeof *order; k++)
        if (first_of_type(list, n, order[k]) < n)
            return first_of_type(list, n, order[k]);
    return 0;
}

/* Is the entry auto, gpu or cpu?  *found: the first device of that type; n: there is none. */
static int keyword(const ffcl_device *list, size_t n, const char *entry, size_t *found)
{
    if (strcasecmp(entry, "auto") == 0)
        *found = best_device(list, n);
    else if (strcasecmp(entry, "gpu") == 0)
        *found = first_of_type(list, n, CL_DEVICE_TYPE_GPU);
    else if (strcasecmp(entry, "cpu") == 0)
        *found = first_of_type(list, n, CL_DEVICE_TYPE_CPU);
    else
        return 0;
    return 1;
}

/* Does one entry of the selection, which is no keyword, match device d? */
static int entry_matches(const ffcl_device *d, const char *entry)
{
    size_t a, b;
    char rest;
    if (strcasecmp(entry, "all") == 0)
        return 1;
    if (isdigit((unsigned char)entry[0])) {
        if (sscanf(entry, "%zu:%zu%c", &a, &b, &rest) == 2)
            return d->platform_index == a && d->device_index == b;
        if (sscanf(entry, "%zu%c", &a, &rest) == 1)
            return d->index == a;
    }
    return strcasestr(d->caps.name, entry) || strcasestr(d->caps.platform, entry);
}

static void describe(char *text, size_t size, const ffcl_device *list, size_t n)
{
    size_t used = 0;
    text[0] = 0;
    for (size_t i = 0; i < n && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%zu (%zu:%zu) %s", used ? ", " : "",
                                 list[i].index, list[i].platform_index, list[i].device_index,
                                 list[i].caps.name);
}

static int mark_entry(const ffcl_device *list, size_t n, const char *entry, char *marks,
                     ffcl_error *err)
{
    size_t first = n, found = 0;
    if (keyword(list, n, entry, &first)) {
        if (first < n) {
            marks[first] = 1;
            return 0;
        }
    } else {
        for (size_t i = 0; i < n; i++)
            if (entry_matches(&list[i], entry)) {
                marks[i] = 1;
                found++;
            }
        if (found)
            return 0;
    }
    char text[1024];
    describe(text, sizeof text, list, n);
    return ffcl_fail(err, FFCL_EDEVICE, "no OpenCL device matches device.select = %s; there is %s",
                     entry, text);
}

static int mark_list(const ffcl_device *list, size_t n, const char *select, char *marks,
                     ffcl_error *err)
{
    char entry[256];
    const char *p = select;
    int rc = 0;
    do {
        size_t length = strcspn(p, ",");
        snprintf(entry, sizeof entry, "%.*s", (int)length, p);
        char *start = entry + strspn(entry, " \t");
        for (size_t k = strlen(start); k && isspace((unsigned char)start[k - 1]); k--)
            start[k - 1] = 0;
        rc = mark_entry(list, n, *start ? start : "auto", marks, err);
        p += length + (p[length] == ',');
    } while (rc == 0 && *p);
    return rc;
}

int ffcl_device_select_all(ffcl_device **out, size_t *chosen, const char *select, ffcl_error *err)
{
    ffcl_device *list = NULL;
    size_t n = 0;
    char *marks = NULL;
    *out = NULL;
    *chosen = 0;
    int rc = ffcl_device_list(&list, &n, err);
    if (rc)
        goto out;
    marks = calloc(n, 1);
    if (!marks) {
        rc = ffcl_fail(err, FFCL_ENOMEM, "out of memory while listing devices");
        goto out;
    }
    rc = mark_list(list, n, select, marks, err);
    if (rc)
        goto out;
    for (size_t i = 0; i < n; i++)
        if (marks[i])
            list[(*chosen)++] = list[i];
    *out = list;
    list = NULL;
out:
    free(marks);
    free(list);
    return rc;
}

int ffcl_device_select(ffcl_device *out, const char *select, ffcl_error *err)
{
    ffcl_device *list = NULL;
    size_t n = 0;
    int rc = ffcl_address_space_check(ffcl_address_space_of_libraries(), "drivers and libraries",
                                      err);
    if (rc == 0)
        rc = ffcl_device_select_all(&list, &n, select, err);
    if (rc == 0 && n > 1) {
        char text[1024];
        describe(text, sizeof text, list, n);
        rc = ffcl_fail(err, FFCL_EDEVICE,
                       "device.select = %s means %zu devices, and one is needed: %s; choose by "
                       "index or platform:device", select, n, text);
    }
    if (rc == 0)
        *out = list[0];
    free(list);
    return rc;
}

/* SPDX-License-Identifier: MIT
 * Platforms and devices: listing, selection, capabilities. */
#ifndef FFCL_CL_DEVICE_H
#define FFCL_CL_DEVICE_H

#include "cl/api.h"

/* What decisions depend on; never on the device's name. */
typedef struct ffcl_caps {
    cl_device_type type;
    char name[128], vendor[128], version[128], driver[128], platform[128];
    char platform_version[256];
    cl_ulong global_bytes, max_alloc_bytes, local_bytes;
    size_t max_work_group, align_bytes;     /* align: of a sub-buffer's origin */
    cl_uint units, clock;                   /* clock: MHz, 0 where it is not said */
    size_t scratch_bytes;                   /* of a band of a convolution at most; 0: as is usual */
    int half, unified, native;              /* cl_khr_fp16; memory shared with the host; */
                                            /* host functions in its queues */
    int nv_compute;                         /* NVIDIA compute capability, 90 for 9.0; 0: other */
    size_t amd_wavefront;                   /* AMD: work-items a wavefront; 0: other */
    size_t few_lanes;                       /* Intel's GPUs, whose threads share few registers: */
                                            /* the smallest sub-group, 8 where none is named; */
                                            /* also of CPUs that name one; 0: other */
    int asks_lanes;                         /* kernels may ask for it */
    size_t intel_lanes;                     /* the same of Intel with dpas; 0: other */
} ffcl_caps;

typedef struct ffcl_device {
    size_t index, platform_index, device_index;
    cl_platform_id platform;
    cl_device_id id;
    ffcl_caps caps;
} ffcl_device;

/* All devices of all platforms (platforms without one are passed over); *list is the caller's to
 * free.  FFCL_EDEVICE when there is no platform or no device. */
int ffcl_device_list(ffcl_device **list, size_t *n, ffcl_error *err);

/* All devices that select matches, in the order of the list; *out (n) is the caller's to free. */
int ffcl_device_select_all(ffcl_device **out, size_t *n, const char *select, ffcl_error *err);

/* The one device that select matches: auto | gpu | cpu (the first of the type) | all | index | P:D
 * | part of a name | a list of these.  FFCL_EDEVICE when none matches, or several do (listed). */
int ffcl_device_select(ffcl_device *out, const char *select, ffcl_error *err);

/* "GPU", "CPU", "accelerator" or "device". */
const char *ffcl_device_kind(const ffcl_caps *caps);

/* Does a device that is no CPU share the host's memory?  Its global_bytes leave the host what it
 * needs. */
static inline int ffcl_is_integrated(const ffcl_caps *caps)
{
    return caps->unified && !(caps->type & CL_DEVICE_TYPE_CPU);
}

#endif

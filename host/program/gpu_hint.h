/* SPDX-License-Identifier: MIT
 * Graphics cards that the system shows and OpenCL does not: which packages are missing. */
#ifndef FFCL_PROGRAM_GPU_HINT_H
#define FFCL_PROGRAM_GPU_HINT_H

#include <stddef.h>

/* Who made a card. */
typedef enum ffcl_gpu_vendor {
    FFCL_GPU_AMD, FFCL_GPU_INTEL, FFCL_GPU_NVIDIA, FFCL_GPU_VENDORS
} ffcl_gpu_vendor;

/* Which makers have a display controller under sys ("/sys"), by PCI class and vendor. */
void ffcl_gpu_find(const char *sys, int found[FFCL_GPU_VENDORS]);

/* For each maker found whose cards no OpenCL GPU device is of, a line: what to install.  text has
 * room for size bytes; "" where nothing is missing.  A library that cannot tell its devices counts
 * as one that has none. */
void ffcl_gpu_hint(const int found[FFCL_GPU_VENDORS], const int answers[FFCL_GPU_VENDORS],
                   char *text, size_t size);

/* Whether a line of ffcl_devices, such as "vendor: Intel(R) Corporation", names a maker: sets his
 * entry. */
void ffcl_gpu_answers(const char *line, int answers[FFCL_GPU_VENDORS]);

#endif

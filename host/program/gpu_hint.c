/* SPDX-License-Identifier: MIT */
#include "program/gpu_hint.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *name, *packages;
    unsigned pci;
    const char *words[3];       /* as drivers name the maker */
} vendors[FFCL_GPU_VENDORS] = {
    [FFCL_GPU_AMD] = {
        "AMD", "Debian, Ubuntu: mesa-opencl-icd (on Debian 13 and Ubuntu 24.04 with "
        "RUSTICL_ENABLE=radeonsi), or AMD's ROCm packages (rocm-opencl); Fedora: rocm-opencl; "
        "Arch: rocm-opencl-runtime", 0x1002, {"Advanced Micro Devices", "AMD", NULL}},
    [FFCL_GPU_INTEL] = {
        "Intel", "Debian, Ubuntu: intel-opencl-icd; Fedora: intel-compute-runtime; "
        "Arch: intel-compute-runtime", 0x8086, {"Intel", NULL, NULL}},
    [FFCL_GPU_NVIDIA] = {
        "NVIDIA", "Debian (non-free): nvidia-opencl-icd; Ubuntu: the nvidia-driver package that "
        "ubuntu-drivers recommends; Fedora (RPM Fusion): xorg-x11-drv-nvidia-cuda; "
        "Arch: opencl-nvidia", 0x10de, {"NVIDIA", NULL, NULL}},
};

/* The hexadecimal number in a file of one line; 0 where it cannot be read. */
static unsigned long read_number(const char *folder, const char *device, const char *name)
{
    char path[512], line[32] = "";
    snprintf(path, sizeof path, "%s/%.200s/%s", folder, device, name);
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    if (!fgets(line, sizeof line, file))
        line[0] = '\0';
    fclose(file);
    return strtoul(line, NULL, 16);
}

void ffcl_gpu_find(const char *sys, int found[FFCL_GPU_VENDORS])
{
    enum { DISPLAY = 0x03, ACCELERATOR = 0x12 };
    char folder[256];
    memset(found, 0, FFCL_GPU_VENDORS * sizeof *found);
    snprintf(folder, sizeof folder, "%.200s/bus/pci/devices", sys);
    DIR *dir = opendir(folder);
    for (const struct dirent *e; dir && (e = readdir(dir));) {
        const unsigned long kind = read_number(folder, e->d_name, "class") >> 16;
        const unsigned long vendor = read_number(folder, e->d_name, "vendor");
        for (int v = 0; v < FFCL_GPU_VENDORS; v++)
            if ((kind == DISPLAY || kind == ACCELERATOR) && vendor == vendors[v].pci)
                found[v] = 1;
    }
    if (dir)
        closedir(dir);
}

void ffcl_gpu_answers(const char *line, int answers[FFCL_GPU_VENDORS])
{
    if (strncmp(line, "vendor: ", 8))
        return;
    for (int v = 0; v < FFCL_GPU_VENDORS; v++)
        for (const char *const *word = vendors[v].words; *word; word++)
            if (strcasestr(line, *word))
                answers[v] = 1;
}

void ffcl_gpu_hint(const int found[FFCL_GPU_VENDORS], const int answers[FFCL_GPU_VENDORS],
                   char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (int v = 0; v < FFCL_GPU_VENDORS; v++)
        if (found[v] && !answers[v] && used < size)
            used += (size_t)snprintf(text + used, size - used, "%sthis computer has an %s GPU for "
                                     "which no OpenCL driver answers; install one: %s",
                                     used ? "\n" : "", vendors[v].name, vendors[v].packages);
}

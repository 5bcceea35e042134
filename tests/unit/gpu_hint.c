/* SPDX-License-Identifier: MIT
 * Graphics cards in a made-up /sys, and what is said of those that OpenCL does not have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../host/program/gpu_hint.h"

static char root[] = "/tmp/ffcl-sys-XXXXXX";

static void put(const char *device, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/bus/pci/devices/%s/%s", root, device, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void add(const char *device, const char *class, const char *vendor)
{
    char path[256];
    snprintf(path, sizeof path, "%s/bus/pci/devices/%s", root, device);
    assert_int_equal(mkdir(path, 0777), 0);
    put(device, "class", class);
    put(device, "vendor", vendor);
}

static void test_hint(void **state)
{
    (void)state;
    int found[FFCL_GPU_VENDORS], answers[FFCL_GPU_VENDORS] = {0};
    char text[1600];
    ffcl_gpu_find(root, found);             /* nothing there at all */
    assert_false(found[FFCL_GPU_AMD] || found[FFCL_GPU_INTEL] || found[FFCL_GPU_NVIDIA]);
    char command[200];
    snprintf(command, sizeof command, "mkdir -p %s/bus/pci/devices", root);
    assert_int_equal(system(command), 0);
    add("0000:00:1f.0", "0x060100\n", "0x8086\n");      /* a bridge of Intel's is no GPU */
    add("0000:03:00.0", "0x030000\n", "0x1002\n");
    add("0000:04:00.0", "0x030200\n", "0x10de\n");
    ffcl_gpu_find(root, found);
    assert_true(found[FFCL_GPU_AMD] && !found[FFCL_GPU_INTEL] && found[FFCL_GPU_NVIDIA]);
    ffcl_gpu_answers("vendor: NVIDIA Corporation", answers);
    ffcl_gpu_answers("platform: AMD Accelerated Parallel Processing", answers);
    assert_true(!answers[FFCL_GPU_AMD] && answers[FFCL_GPU_NVIDIA]);
    ffcl_gpu_hint(found, answers, text, sizeof text);
    assert_non_null(strstr(text, "an AMD GPU"));
    assert_non_null(strstr(text, "rocm-opencl"));
    assert_null(strstr(text, "NVIDIA GPU"));
    ffcl_gpu_answers("vendor: Advanced Micro Devices, Inc.", answers);
    ffcl_gpu_hint(found, answers, text, sizeof text);
    assert_string_equal(text, "");
}

static int make(void **state)
{
    (void)state;
    return mkdtemp(root) ? 0 : -1;
}

static int clean(void **state)
{
    (void)state;
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_hint)};
    return cmocka_run_group_tests(tests, make, clean);
}

/* SPDX-License-Identifier: MIT
 * Plans a model for small GPUs of every kind: local memory, work-groups, largest buffer, memory.
 * Nothing is computed: the device is the CPU with capabilities of another.  Prints a line for each
 * plan and checks it: within memory and buffers, and no launch over half a second at 0.4 TFLOP/s;
 * a plan that is not possible ends in one sentence that says what would fit.
 * usage: plans SIT VAE PRECISION[+LANES] [BATCH [MB]]   exit code 1 where a plan breaks a rule
 * MB: of one GPU in place of those, of 32 KB, 256 work-items and as large buffers as memory.
 * +8, +16: GPUs of Intel with sub-groups of at least so many work-items; +8x: with matrix
 * instructions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "sample/engine.h"

enum { MB = 1 << 20 };

static const size_t locals[] = {16384, 32768}, groups[] = {64, 128, 256};
static const size_t allocs[] = {128, 256, 1024}, memories[] = {2048, 3072, 4096, 6144};
#define COUNT(list) (sizeof list / sizeof *(list))

static void die(const char *what, const ffcl_error *err)
{
    fprintf(stderr, "plans: %s: %s\n", what, err->text);
    exit(2);
}

static void set(ffcl_config *cfg, const char *key, const char *value)
{
    char text[4200];
    ffcl_error err = {0, ""};
    snprintf(text, sizeof text, "%s=%.4000s", key, value);
    if (ffcl_config_set(cfg, text, &err))
        die(key, &err);
}

/* Prints the plan, or why there is none; 1 where it breaks a rule. */
static int judge(const ffcl_caps *caps, int rc, const ffcl_engine_plan_info *p,
                 const ffcl_error *err)
{
    const size_t total = p->weights + p->activations;
    printf("local %2llu KB, groups %3zu, buffers %4llu MB, memory %4llu MB: ",
           (unsigned long long)caps->local_bytes / 1024, caps->max_work_group,
           (unsigned long long)caps->max_alloc_bytes / MB,
           (unsigned long long)caps->global_bytes / MB);
    if (rc) {
        printf("%s\n", err->text);
        return rc != FFCL_EDEVMEM || strchr(err->text, '\n') || !strstr(err->text, "needs") ||
               !(strstr(err->text, " fits") || strstr(err->text, " may fit") ||
                 strstr(err->text, "it takes a device"));
    }
    printf("%s%s, batch %zu, VAE %zu, %.3f GB of weights, %.3f of activations, largest %.3f, "
           "longest launch %.3f s\n", p->dtype == FFCL_F16 ? "half" : "float32",
           p->no_winograd ? " without Winograd" : "", p->batch, p->decode_batch,
           (double)p->weights / 1e9, (double)p->activations / 1e9, (double)p->largest / 1e9,
           p->flops / 0.4e12);
    return total > 0.92 * (double)caps->global_bytes || p->largest > caps->max_alloc_bytes ||
           p->flops > 0.5 * 0.4e12 || p->flops <= 0 || !p->batch;
}

/* As the device says that has them: host/cl/device.c. */
static void pretend_intel(ffcl_caps *caps, const char *lanes)
{
    char *end;
    caps->few_lanes = strtoul(lanes, &end, 10);
    caps->asks_lanes = 1;
    caps->intel_lanes = *end == 'x' ? caps->few_lanes : 0;
}

static int plan(const ffcl_config *cfg, ffcl_device device, const size_t limits[4])
{
    ffcl_engine_plan_info info = {0};
    ffcl_error err = {0, ""};
    ffcl_caps *caps = &device.caps;
    caps->type = CL_DEVICE_TYPE_GPU;
    caps->native = 0;
    caps->units = 24;
    caps->clock = 1000;
    caps->local_bytes = limits[0];
    caps->max_work_group = limits[1];
    caps->max_alloc_bytes = limits[2] * MB;
    caps->global_bytes = limits[3] * MB;
    int rc = ffcl_engine_shapes(cfg, &device, NULL, NULL, &info, NULL, &err);
    return judge(caps, rc, &info, &err);
}

int main(int argc, char **argv)
{
    ffcl_error err = {0, ""};
    ffcl_device device;
    ffcl_config *cfg = NULL;
    int bad = 0;
    if (argc < 4) {
        fputs("usage: plans SIT VAE PRECISION[+LANES] [BATCH [MB]]\n", stderr);
        return 2;
    }
    if (ffcl_device_select(&device, "cpu", &err) || ffcl_config_open(&cfg, NULL, &err))
        die("cannot open", &err);
    set(cfg, "model.checkpoint", argv[1]);
    set(cfg, "vae.weights", argv[2]);
    char *lanes = strchr(argv[3], '+');
    if (lanes) {
        *lanes++ = '\0';
        pretend_intel(&device.caps, lanes);
    }
    set(cfg, "precision.compute", argv[3]);
    set(cfg, "condition.t_embedder", "delta");
    set(cfg, "condition.w_embedder", "guidance");
    if (argc > 4)
        set(cfg, "sampler.batch", argv[4]);
    const size_t one = argc > 5 ? strtoul(argv[5], NULL, 10) : 0;
    if (one)
        bad += plan(cfg, device, (size_t[4]){32768, 256, one, one});
    const size_t all = one ? 0 : COUNT(memories) * COUNT(allocs) * COUNT(groups) * COUNT(locals);
    for (size_t i = 0; i < all; i++) {
        size_t n = i;
        const size_t local = locals[n % COUNT(locals)];
        n /= COUNT(locals);
        const size_t group = groups[n % COUNT(groups)];
        n /= COUNT(groups);
        const size_t limits[4] = {local, group, allocs[n % COUNT(allocs)],
                                  memories[n / COUNT(allocs)]};
        bad += plan(cfg, device, limits);
    }
    printf("%d of the plans break a rule\n", bad);
    ffcl_config_close(&cfg);
    return bad > 0;
}

/* SPDX-License-Identifier: MIT
 * Plans SiT and VAE, or the Inception network, for a device of each kind and prints, by
 * FFCL_TRACE, every launch that the plan holds.  Nothing is computed: the device is the default one
 * with capabilities of another.
 * usage: launches PROFILE SIT VAE SIDE BATCH  (see tests/launches.sh)
 *        launches PROFILE INCEPTION BATCH     INCEPTION: weights, written where they are not */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cl/arena.h"
#include "backend.h"
#include "gemm.h"
#include "model/family.h"
#include "model/inception.h"
#include "model/sit.h"
#include "model/vae.h"

typedef struct profile {
    const char *name, *backend;
    cl_device_type type;
    cl_uint units;
    int nv_compute;
    ffcl_dtype dtype;
    ffcl_matrix_unit unit;
    int batch_invariant;
} profile;

static const profile profiles[] = {
    {"cpu", "auto", CL_DEVICE_TYPE_CPU, 2, 0, FFCL_F32, FFCL_UNIT_NONE, 0},
    {"cpu-clblast", "clblast", CL_DEVICE_TYPE_CPU, 2, 0, FFCL_F32, FFCL_UNIT_NONE, 0},
    {"cpu-half", "auto", CL_DEVICE_TYPE_CPU, 2, 0, FFCL_F16, FFCL_UNIT_NONE, 0},
    {"gpu", "clblast", CL_DEVICE_TYPE_GPU, 60, 0, FFCL_F32, FFCL_UNIT_NONE, 0},
    {"gpu-set", "clblast", CL_DEVICE_TYPE_GPU, 60, 0, FFCL_F32, FFCL_UNIT_NONE, 1},
    {"gpu-builtin", "builtin", CL_DEVICE_TYPE_GPU, 60, 0, FFCL_F32, FFCL_UNIT_NONE, 0},
    {"gpu-own", "clblast", CL_DEVICE_TYPE_GPU, 60, 0, FFCL_F32, FFCL_UNIT_NONE, 0},
    {"gpu-half", "clblast", CL_DEVICE_TYPE_GPU, 60, 0, FFCL_F16, FFCL_UNIT_NONE, 0},
    {"a100", "clblast", CL_DEVICE_TYPE_GPU, 108, 80, FFCL_F16, FFCL_UNIT_MMA, 0},
    {"h100", "clblast", CL_DEVICE_TYPE_GPU, 132, 90, FFCL_F16, FFCL_UNIT_WGMMA, 0},
    {"h100-set", "clblast", CL_DEVICE_TYPE_GPU, 132, 90, FFCL_F16, FFCL_UNIT_WGMMA, 1},
    {"gpu-half-own", "clblast", CL_DEVICE_TYPE_GPU, 60, 0, FFCL_F16, FFCL_UNIT_NONE, 0},
    {"h100-float", "clblast", CL_DEVICE_TYPE_GPU, 132, 90, FFCL_F32, FFCL_UNIT_NONE, 0},
    {"rdna3", "clblast", CL_DEVICE_TYPE_GPU, 96, 0, FFCL_F16, FFCL_UNIT_WMMA, 0},
    {"cdna", "clblast", CL_DEVICE_TYPE_GPU, 104, 0, FFCL_F16, FFCL_UNIT_MFMA, 0},
    {"arc", "clblast", CL_DEVICE_TYPE_GPU, 32, 0, FFCL_F16, FFCL_UNIT_DPAS8, 1},
};

static void die(const char *what, const ffcl_error *err)
{
    fprintf(stderr, "launches: %s%s%s\n", what, err ? ": " : "", err ? err->text : "");
    exit(1);
}

/* "+8" after a name: a GPU of Intel whose smallest sub-group has 8 work-items; "+8x": with
 * matrix instructions, whose kernels may take twice the registers. */
static void pretend_intel(ffcl_ctx *ctx, const char *suffix)
{
    char *end;
    ffcl_caps *caps = &ctx->device.caps;
    caps->few_lanes = strtoul(suffix, &end, 10);
    caps->asks_lanes = 1;
    caps->intel_lanes = *end == 'x' ? caps->few_lanes : 0;
    ctx->asked_registers = 1;
    snprintf(ctx->register_options, sizeof ctx->register_options, " -DFEW_LANES=%zu%s",
             caps->few_lanes, caps->intel_lanes ? " -cl-intel-256-GRF-per-thread" : "");
}

static void pretend(ffcl_ctx *ctx, const profile *p)
{
    ffcl_caps *caps = &ctx->device.caps;
    caps->type = p->type;
    caps->units = p->units;
    caps->nv_compute = p->nv_compute;
    caps->max_work_group = 1024;
    if (p->type == CL_DEVICE_TYPE_GPU)
        caps->native = 0;
    caps->local_bytes = 49152;
    caps->global_bytes = (cl_ulong)80 << 30;
    caps->max_alloc_bytes = (cl_ulong)20 << 30;
    ctx->matrix_unit = p->unit;
    ctx->batch_invariant = p->batch_invariant;
}

static void open_profile(ffcl_ctx **out, ffcl_device *device, const profile *p,
                         const char *suffix, ffcl_error *err)
{
    if (ffcl_device_select(device, "cpu", err) || ffcl_ctx_open(out, device, NULL, NULL, err))
        die("cannot open", err);
    ffcl_ctx *ctx = *out;
    ctx->err = err;
    if (ffcl_blas_open(ctx, &(ffcl_blas_options){.name = p->backend}))
        die("back end", err);
    ctx->blas->has_blocked = ctx->blas->prefers_blocked = strcmp(p->name, "gpu-own") == 0;
    ctx->blas->has_blocked_half = strcmp(p->name, "gpu-half-own") == 0;
    pretend(ctx, p);
    if (*suffix)
        pretend_intel(ctx, suffix + 1);
}

/* As the evaluation has it: no sum depends on the batch. */
static void plan_inception(ffcl_ctx *ctx, ffcl_dtype dtype, const char *path, size_t B)
{
    ffcl_inception *net = NULL;
    const ffcl_tensor bytes = ffcl_image_of(FFCL_U8, B, 256, 256, 3);
    const ffcl_inception_out out = {
        ffcl_tensor_of(FFCL_F32, B, 1, FFCL_INCEPTION_POOL), ffcl_tensor_of(FFCL_F32, B, 289, 7),
        ffcl_tensor_of(FFCL_F32, B, 1, FFCL_INCEPTION_CLASSES)};
    if ((access(path, F_OK) && ffcl_inception_generate(path, 1, ctx->err)) ||
        ffcl_inception_open(&net, path, ctx->err))
        die("weights", ctx->err);
    ctx->batch_invariant = 1;
    if (ffcl_inception_prepare(net, ctx, dtype))
        die("network", ctx->err);
    ffcl_arena_plan(ctx->arena);
    ctx->planning = 1;
    ffcl_inception_forward(net, ctx, &out, &bytes, 0, NULL);
    if (ffcl_ctx_check(ctx))
        die("plan", ctx->err);
    ctx->planning = 0;
    size_t total, largest;
    ffcl_arena_size(ctx->arena, &total, &largest);
    printf("activations %zu, largest %zu, weights %zu\n", total, largest,
           ffcl_inception_bytes(net));
    ffcl_inception_close(&net);
}

int main(int argc, char **argv)
{
    ffcl_error err = {0, ""};
    ffcl_device device;
    ffcl_ctx *ctx = NULL;
    ffcl_config *cfg = NULL;
    ffcl_sit *sit = NULL;
    ffcl_vae *vae = NULL;
    const profile *p = NULL;
    char assignment[4096];
    if (argc != 6 && argc != 4)
        die("usage: launches PROFILE SIT VAE SIDE BATCH, or PROFILE INCEPTION BATCH", NULL);
    const size_t length = strcspn(argv[1], "+");
    for (size_t i = 0; i < sizeof profiles / sizeof *profiles; i++)
        if (strlen(profiles[i].name) == length && strncmp(profiles[i].name, argv[1], length) == 0)
            p = &profiles[i];
    if (!p)
        die("no such profile", NULL);
    open_profile(&ctx, &device, p, argv[1] + length, &err);
    if (argc == 4) {
        plan_inception(ctx, p->dtype, argv[2], strtoul(argv[3], NULL, 10));
        ffcl_blas_close(ctx);
        ffcl_ctx_close(&ctx);
        return 0;
    }
    const size_t R = strtoul(argv[4], NULL, 10) / 8, B = strtoul(argv[5], NULL, 10);
    if (ffcl_config_open(&cfg, NULL, &err))
        die("cannot open", &err);
    snprintf(assignment, sizeof assignment, "model.checkpoint=%s", argv[2]);
    if (ffcl_config_set(cfg, assignment, &err) ||
        ffcl_config_set(cfg, "condition.t_embedder=delta", &err) ||
        ffcl_config_set(cfg, "condition.w_embedder=guidance", &err) ||
        ffcl_config_set(cfg, "model.preset=freeflow", &err) || ffcl_family_resolve(cfg, 0, &err))
        die("configuration", &err);
    const ffcl_sit_hints hints = {0, 0, 0};
    if (ffcl_sit_open(&sit, cfg, &hints, &err) ||
        ffcl_vae_open(&vae, argv[3], &(ffcl_vae_options){.wrapper = "auto"}, &err) ||
        ffcl_sit_prepare(sit, ctx, p->dtype) || ffcl_vae_prepare(vae, ctx, p->dtype))
        die("models", &err);
    ffcl_arena_plan(ctx->arena);
    ctx->planning = 1;
    ffcl_tensor z = ffcl_tensor_of(FFCL_F32, B, 4, R * R);
    z.width = R;
    const ffcl_tensor y = ffcl_tensor_of(FFCL_I32, B, 1, 1);
    const ffcl_tensor image = ffcl_image_of(FFCL_F32, B, 8 * R, 8 * R, 3);
    int rc = ffcl_sit_fix(sit, ctx, NULL, 1);
    ffcl_sit_forward(sit, ctx, &z, &z, &y, NULL, 0, NULL);
    ffcl_vae_decode(vae, ctx, &image, &z, 1.0f, NULL);
    if (rc || ffcl_ctx_check(ctx))
        die("plan", &err);
    ctx->planning = 0;
    size_t total, largest;
    ffcl_arena_size(ctx->arena, &total, &largest);
    printf("activations %zu, largest %zu, SiT %zu, VAE %zu, largest %zu %zu\n", total, largest,
           ffcl_sit_bytes(sit), ffcl_vae_bytes(vae), ffcl_sit_largest_bytes(sit),
           ffcl_vae_largest_bytes(vae));
    ffcl_sit_close(&sit);
    ffcl_vae_close(&vae);
    ffcl_blas_close(ctx);
    ffcl_ctx_close(&ctx);
    ffcl_config_close(&cfg);
    return 0;
}

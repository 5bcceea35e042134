/* SPDX-License-Identifier: MIT
 * Plans SiT and VAE for a device of each kind and prints, by FFCL_TRACE, every launch that the
 * plan holds.  Nothing is computed: the device is the default one with capabilities of another.
 * usage: launches PROFILE SIT VAE SIDE BATCH  (see tests/launches.sh) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cl/arena.h"
#include "gemm.h"
#include "model/sit.h"
#include "model/vae.h"

typedef struct profile {
    const char *name, *backend;
    cl_device_type type;
    cl_uint units;
    int nv_compute;
    ffcl_store store;
    ffcl_engine_level level;
    int any_batch;
} profile;

static const profile profiles[] = {
    {"cpu", "auto", CL_DEVICE_TYPE_CPU, 2, 0, FFCL_STORE_FLOAT, FFCL_ENGINE_NONE, 0},
    {"cpu-clblast", "clblast", CL_DEVICE_TYPE_CPU, 2, 0, FFCL_STORE_FLOAT, FFCL_ENGINE_NONE, 0},
    {"cpu-half", "auto", CL_DEVICE_TYPE_CPU, 2, 0, FFCL_STORE_HALF, FFCL_ENGINE_NONE, 0},
    {"gpu", "clblast", CL_DEVICE_TYPE_GPU, 60, 0, FFCL_STORE_FLOAT, FFCL_ENGINE_NONE, 0},
    {"gpu-set", "clblast", CL_DEVICE_TYPE_GPU, 60, 0, FFCL_STORE_FLOAT, FFCL_ENGINE_NONE, 1},
    {"gpu-builtin", "builtin", CL_DEVICE_TYPE_GPU, 60, 0, FFCL_STORE_FLOAT, FFCL_ENGINE_NONE, 0},
    {"gpu-half", "clblast", CL_DEVICE_TYPE_GPU, 60, 0, FFCL_STORE_HALF, FFCL_ENGINE_NONE, 0},
    {"a100", "clblast", CL_DEVICE_TYPE_GPU, 108, 80, FFCL_STORE_HALF, FFCL_ENGINE_MMA, 0},
    {"h100", "clblast", CL_DEVICE_TYPE_GPU, 132, 90, FFCL_STORE_HALF, FFCL_ENGINE_WGMMA, 0},
    {"h100-set", "clblast", CL_DEVICE_TYPE_GPU, 132, 90, FFCL_STORE_HALF, FFCL_ENGINE_WGMMA, 1},
    {"h100-float", "clblast", CL_DEVICE_TYPE_GPU, 132, 90, FFCL_STORE_FLOAT, FFCL_ENGINE_NONE, 0},
    {"rdna3", "clblast", CL_DEVICE_TYPE_GPU, 96, 0, FFCL_STORE_HALF, FFCL_ENGINE_WMMA, 0},
    {"cdna", "clblast", CL_DEVICE_TYPE_GPU, 104, 0, FFCL_STORE_HALF, FFCL_ENGINE_MFMA, 0},
    {"arc", "clblast", CL_DEVICE_TYPE_GPU, 32, 0, FFCL_STORE_HALF, FFCL_ENGINE_DPAS8, 1},
};

static void die(const char *what, const ffcl_error *err)
{
    fprintf(stderr, "launches: %s%s%s\n", what, err ? ": " : "", err ? err->text : "");
    exit(1);
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
    ctx->matrix_engine = p->level;
    ctx->any_batch = p->any_batch;
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
    if (argc != 6)
        die("usage: launches PROFILE SIT VAE SIDE BATCH", NULL);
    for (size_t i = 0; i < sizeof profiles / sizeof *profiles; i++)
        if (strcmp(profiles[i].name, argv[1]) == 0)
            p = &profiles[i];
    if (!p)
        die("no such profile", NULL);
    const size_t R = strtoul(argv[4], NULL, 10) / 8, B = strtoul(argv[5], NULL, 10);
    if (ffcl_device_select(&device, "cpu", &err) || ffcl_ctx_open(&ctx, &device, NULL, &err) ||
        ffcl_config_open(&cfg, NULL, &err))
        die("cannot open", &err);
    ctx->err = &err;
    snprintf(assignment, sizeof assignment, "model.checkpoint=%s", argv[2]);
    if (ffcl_config_set(cfg, assignment, &err) ||
        ffcl_config_set(cfg, "condition.t_embedder=delta", &err) ||
        ffcl_config_set(cfg, "condition.w_embedder=guidance", &err))
        die("configuration", &err);
    if (p->type == CL_DEVICE_TYPE_GPU)
        device.caps.native = 0;
    if (ffcl_blas_open(ctx, p->backend))
        die("back end", &err);
    pretend(ctx, p);
    ctx->blas_checked = 1;
    if (ffcl_sit_open(&sit, cfg, 0, &err) || ffcl_vae_open(&vae, argv[3], &err) ||
        ffcl_sit_prepare(sit, ctx, p->store) || ffcl_vae_prepare(vae, ctx, p->store))
        die("models", &err);
    ffcl_arena_plan(ctx->arena);
    ctx->planning = 1;
    if (ffcl_sit_fix(sit, ctx, NULL) ||
        ffcl_sit_forward(sit, ctx, NULL, NULL, NULL, NULL, B, NULL) ||
        ffcl_vae_decode(vae, ctx, NULL, NULL, 0, 1.0f, B, R, NULL))
        die("plan", &err);
    ctx->planning = 0;
    size_t total, largest;
    ffcl_arena_size(ctx->arena, &total, &largest);
    printf("activations %zu, largest %zu, SiT %zu, VAE %zu, largest %zu %zu\n", total, largest,
           ffcl_sit_bytes(sit), ffcl_vae_bytes(vae), ffcl_sit_largest(sit),
           ffcl_vae_largest_weight(vae));
    ffcl_sit_close(&sit);
    ffcl_vae_close(&vae);
    ffcl_blas_close(ctx);
    ffcl_ctx_close(&ctx);
    ffcl_config_close(&cfg);
    return 0;
}

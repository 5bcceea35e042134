/* SPDX-License-Identifier: MIT
 * A device with both models loaded: noise and labels in, images out, one planned batch at a
 * time.  The sampler and verify are built on it. */
#ifndef FFCL_SAMPLE_ENGINE_H
#define FFCL_SAMPLE_ENGINE_H

#include <pthread.h>

#include "config.h"
#include "gemm.h"
#include "model/family.h"
#include "model/sit.h"
#include "model/vae.h"
#include "sample/schedule.h"

typedef struct ffcl_engine ffcl_engine;

/* What an engine is opened for. */
typedef struct ffcl_engine_wants {
    int sit, vae;               /* which models */
    size_t batch;               /* images at a time; 0: as many as fit, at most count */
    size_t count;               /* images in all */
    ffcl_sit_hints hints;       /* see ffcl_sit_open */
    size_t groups_hint;         /* see ffcl_vae_open */
    int is_recording;           /* see ffcl_family_resolve */
    const ffcl_device *device;  /* the one to open; NULL: the one that cfg selects */
    int batch_invariant;        /* see ffcl_ctx */
    int is_plan;                /* nothing will be computed: no self-check of the GEMM library */
    int own_labels;             /* steps bring labels of their own; cfg's classes are not checked */
    int own_noise;              /* steps bring noise that is as the model wants it */
    int own_scalars;            /* steps bring what the embedders are fed with, in place of cfg's */
    struct ffcl_profile *profile;   /* gathers what the device does; NULL: nothing is timed */
    /* Steps may ask for the features of their images by the Inception network of these weights
     * (NULL: none), resized by that rule of ffcl_resize_bytes. */
    const char *inception;
    int resize;
    /* NULL, or held until the programs are there: of engines that are opened side by side one
     * compiles and checks what the others then find in the cache. */
    pthread_mutex_t *compiling;
} ffcl_engine_wants;

/* Resolves the preset of a copy of cfg, selects and opens the device, reads the weight files'
 * directories, plans memory (reported as a note before loading), compiles what is not cached, loads
 * the weights. */
int ffcl_engine_open(ffcl_engine **out, const ffcl_config *cfg, const ffcl_engine_wants *wants,
                     const ffcl_observer *obs, ffcl_error *err);
void ffcl_engine_close(ffcl_engine **engine);

/* A plan: images at a time, and bytes on the device. */
typedef struct ffcl_engine_plan_info {
    size_t batch, decode_batch;
    ffcl_dtype dtype;
    int no_winograd;
    size_t weights, activations, largest;   /* largest: buffer */
    size_t mapped;              /* bytes of the weights that stay in their files */
    double flops;               /* of the launch that has most to do */
} ffcl_engine_plan_info;

/* Plans cfg's models for the device; nothing is loaded or computed.  see, which may be NULL, is
 * called with every float32 GEMM of a batch, and info, which may be NULL, filled. */
int ffcl_engine_shapes(const ffcl_config *cfg, const ffcl_device *device,
                       void (*see)(void *user, const ffcl_matmul *p), void *user,
                       ffcl_engine_plan_info *info, const ffcl_observer *obs, ffcl_error *err);

/* The calls of cfg's model, for trials; nothing is loaded or computed. */
struct ffcl_trial_calls;
int ffcl_engine_trial_calls(const ffcl_config *cfg, const ffcl_device *device,
                            struct ffcl_trial_calls *calls, const ffcl_observer *obs,
                            ffcl_error *err);

/* NULL where the engine has no such model. */
const ffcl_sit_dims *ffcl_engine_sit(const ffcl_engine *engine);
const ffcl_vae_dims *ffcl_engine_vae(const ffcl_engine *engine);
/* Side of the images, which without a VAE are the latents. */
size_t ffcl_engine_side(const ffcl_engine *engine);
/* What the noise is multiplied with: [model] noise_scale, resolved. */
double ffcl_engine_noise_scale(const ffcl_engine *engine);
/* Half: verify's tolerances are wider then. */
ffcl_dtype ffcl_engine_dtype(const ffcl_engine *engine);
const ffcl_device *ffcl_engine_device(const ffcl_engine *engine);
size_t ffcl_engine_batch(const ffcl_engine *engine);
/* Its Inception network, which images from the host may be sent to while nothing is under way;
 * NULL: it has none. */
struct ffcl_extractor *ffcl_engine_extractor(const ffcl_engine *engine);
/* Adds a phase of the host to the profile, if there is one; in seconds of ffcl_clock. */
void ffcl_engine_phase(ffcl_engine *engine, const char *name, double began, double ended);
/* Who computes its float32 GEMMs, and with which tuning: "clblast, tuning 1a2b3c4d". */
void ffcl_engine_products(const ffcl_engine *engine, char *text, size_t size);

/* What the engine was opened with; and the variants that its batches take, "attention: gemms; gemm:
 * cblas, builtin".  Nothing is under way. */
const ffcl_engine_plan_info *ffcl_engine_plan_of(const ffcl_engine *engine);
int ffcl_engine_variants(ffcl_engine *engine, char *text, size_t size, ffcl_error *err);

/* The file of the SiT's weights, or of the VAE's; NULL where there is none. */
const ffcl_tensor_file *ffcl_engine_file(const ffcl_engine *engine, int vae);

/* The version of the library that multiplies, "OpenBLAS 0.3.21"; "": ffcl does. */
void ffcl_engine_library(const ffcl_engine *engine, char *text, size_t size);

/* The matrix unit of its half GEMMs, or "none", and what the check of half numbers made it do
 * without, "none -DNO_NATIVE"; "" where it computes in float32. */
void ffcl_engine_unit(const ffcl_engine *engine, char *text, size_t size);
/* What embedder i is fed with; cfg's value for it, which for a time is 1, as in one step of length
 * 1 from noise. */
const ffcl_condition *ffcl_engine_condition(const ffcl_engine *engine, size_t i);
float ffcl_engine_scalar(const ffcl_engine *engine, size_t i);

/* Which tensors of its file the SiT has, or the VAE, see ffcl_weights_describe; "none" without. */
void ffcl_engine_tensors(const ffcl_engine *engine, int vae, char *text, size_t size);

/* What the names of the SiT's weights begin with in the file; "": nothing. */
const char *ffcl_engine_prefix(const ffcl_engine *engine);

/* cfg as the engine has it, its preset resolved. */
const ffcl_config *ffcl_engine_config(const ffcl_engine *engine);
/* NULL where steps bring what the embedders are fed with. */
const ffcl_schedule *ffcl_engine_schedule(const ffcl_engine *engine);
/* Samples by the [sampler] section and the [model] conventions of cfg, which is copied, from here
 * on; the engine was opened with a SiT.  Nothing is under way. */
int ffcl_engine_reschedule(ffcl_engine *engine, const ffcl_config *cfg, ffcl_error *err);
/* Rows of evaluations of the network, of all images, that are done; from any thread. */
size_t ffcl_engine_evaluated(const ffcl_engine *engine);

/* What the decoder gets of a latent, channel c: latent * times[c] + plus[c]. */
typedef struct ffcl_latent_form {
    double scale, shift;        /* [vae] scale and shift, resolved */
    const float *times, *plus;  /* (C) */
    char stats[160];            /* "none", or where mean and deviation are from, with a CRC */
} ffcl_latent_form;
const ffcl_latent_form *ffcl_engine_latent_form(const ffcl_engine *engine);

/* One batch: its inputs, and where its outputs go.  Pointers are the caller's, NULL where not
 * wanted. */
typedef struct ffcl_step {
    size_t B;                   /* images; any number */
    size_t R;                   /* latent side; set by the engine when it has a SiT */
    const float *z;             /* (B, C, R, R); for a VAE alone, the latents */
    const int32_t *y;           /* (B) */
    const float *scalars;       /* (embedders, B), where the engine was opened for own_scalars */
    const float *noise;         /* (later noises, B, C, R, R) */
    float *F, *latent;          /* (B, C, R, R) out; F of the first evaluation */
    float *denorm;              /* (B, C, R, R) out: what the decoder gets, where that is not the */
                                /* latent times a number */
    float *image;               /* (B, S, S, 3) out, before rounding */
    uint8_t *bytes;             /* (B, S, S, 3) out */
    float *features;            /* (B, FFCL_INCEPTION_ALL) out, of the bytes; needs inception */
    const ffcl_tap *tap;
    const char **stages;        /* (B) out: NULL, or the stage in which the image is not finite */
    size_t bad;                 /* out: B, or the first image with a value that is not finite */
    const char *bad_stage;      /* out: "latent" or "image" */
} ffcl_step;

/* Starts a step of at most ffcl_engine_batch images and returns; two may be under way.
 * The step and all it points to must stay until ffcl_engine_wait has returned for it.  After a
 * failure nothing is under way.  For engines with a SiT; no tap. */
int ffcl_engine_submit(ffcl_engine *engine, ffcl_step *step, ffcl_error *err);

/* Waits for the step that was submitted first; its outputs are there then. */
int ffcl_engine_wait(ffcl_engine *engine, ffcl_step *step, ffcl_error *err);

/* Computes such a step as far as it gets in so many seconds, and the one command that is under way
 * then; *share: of the step's operations, 1 where all are done.  Only then outputs are there. */
int ffcl_engine_run_for(ffcl_engine *engine, ffcl_step *step, double seconds, double *share,
                        ffcl_error *err);

/* Runs B images in planned batches.  With a tap, B is one batch. */
int ffcl_engine_run(ffcl_engine *engine, ffcl_step *step, ffcl_error *err);

#endif

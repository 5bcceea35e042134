/* SPDX-License-Identifier: MIT
 * What the parts of the engine share; private to engine.c and engine_plan.c. */
#ifndef FFCL_SAMPLE_ENGINE_IMPL_H
#define FFCL_SAMPLE_ENGINE_IMPL_H

#include "sample/engine.h"

/* What each of the batches under way has of its own, so that the next can be sent while the device
 * still works on the one before. */
typedef struct ffcl_lane {
    ffcl_tensor z;              /* (batch, C, R*R) */
    ffcl_tensor y;              /* (batch, 1, 1) int32 */
    ffcl_tensor *scalars;       /* (embedders) of (batch, 1, 1); NULL unless steps bring them */
    ffcl_tensor *bytes;         /* (n_parts) of (decode_batch, S*S, 3) uint8 */
    /* Page-locked memory, as some drivers have the host wait for the device when it reads into
     * any other: parts of mapped. */
    cl_mem locked;
    void *mapped;
    float *host_z, *host_scalars;   /* (batch, C, R, R), (embedders, batch) */
    cl_int *host_y, *flags;         /* (batch), (2, batch): bad latents, bad images */
    uint8_t *host_bytes;            /* (batch, S, S, 3) */
    cl_event done;              /* of the last command; NULL where nothing is under way */
} ffcl_lane;

enum { FFCL_LANES = 2 };

struct ffcl_engine {
    const ffcl_config *cfg;     /* borrowed */
    ffcl_ctx *ctx;
    ffcl_sit *sit;
    ffcl_vae *vae;
    ffcl_dtype dtype;           /* of wide activations and most weights */
    size_t C, R, S;             /* latent channels and side, image side */
    size_t embedders;           /* whose values steps bring */
    size_t batch, decode_batch; /* images a SiT pass, images a VAE pass */
    size_t planned, planned_tap; /* what the arena is laid out for; 0: nothing */
    ffcl_tensor latent;         /* (batch, C, R*R) */
    ffcl_tensor flags;          /* (2 * batch, 1, 1) int32: latents, images that are not finite */
    ffcl_lane lanes[FFCL_LANES];
    size_t n_parts;             /* VAE passes of a whole batch */
    size_t first_lane, in_flight;   /* the oldest batch under way; how many are */
};

static inline size_t ffcl_latent_floats(const ffcl_engine *e)
{
    return e->C * e->R * e->R;
}

static inline size_t ffcl_image_values(const ffcl_engine *e)
{
    return e->S * e->S * 3;
}

/* B latents, channel by channel: (B, C, R*R). */
static inline ffcl_tensor ffcl_latents_of(const ffcl_engine *e, size_t B)
{
    ffcl_tensor t = ffcl_tensor_of(FFCL_F32, B, e->C, e->R * e->R);
    t.width = e->R;
    return t;
}

/* Gives the lanes' and the engine's tensors the shapes for batches of e->batch and e->decode_batch;
 * their buffers stay. */
void ffcl_engine_shape(ffcl_engine *e);

/* The whole pass over B images, which are images at .. of the step; also the planning pass. */
int ffcl_engine_run_batch(ffcl_engine *e, const ffcl_lane *l, size_t B, const ffcl_step *step,
                          size_t at);

/* Lays the arena out for batches of B. */
int ffcl_engine_plan(ffcl_engine *e, size_t B, const ffcl_tap *tap);

/* Bytes of both models' weights on the device. */
size_t ffcl_engine_weight_bytes(const ffcl_engine *e);

/* Chooses batch and decode_batch, the largest that fit, and lays the arena out for them.
 * FFCL_EDEVMEM. */
int ffcl_engine_choose_batch(ffcl_engine *e, const ffcl_engine_wants *wants);

/* For ffcl_choice: the calls of passes over few and over more images; user is the engine. */
struct ffcl_trial_calls;
int ffcl_engine_calls(void *user, struct ffcl_trial_calls *calls);

#endif

/* SPDX-License-Identifier: MIT
 * What the parts of the engine share; private to engine.c and engine_plan.c. */
#ifndef FFCL_SAMPLE_ENGINE_IMPL_H
#define FFCL_SAMPLE_ENGINE_IMPL_H

#include <stdatomic.h>

#include "cl/locked.h"
#include "sample/engine.h"
#include "sample/extractor.h"

/* What each of the batches under way has of its own, so that the next can be sent while the device
 * still works on the one before. */
typedef struct ffcl_lane {
    ffcl_tensor z;              /* (batch, C, R*R) */
    ffcl_tensor y;              /* (2 * batch, 1, 1) int32: labels, then the null class for each */
    ffcl_tensor *scalars;       /* (embedders) of (batch, 1, 1); NULL unless steps bring them */
    ffcl_tensor *bytes;         /* (n_parts) of (decode_batch, S*S, 3) uint8 */
    ffcl_locked locked;             /* holds: */
    float *host_z, *host_scalars;   /* (batch, C, R, R), (embedders, batch) */
    cl_int *host_y, *flags;         /* (2, batch) each; flags: bad latents, bad images */
    uint8_t *host_bytes;            /* (batch, S, S, 3) */
    ffcl_features features;         /* of the batch, in memory of the extractor */
    cl_event done;              /* of the last command; NULL where nothing is under way */
} ffcl_lane;

enum { FFCL_LANES = 2 };

struct ffcl_engine {
    ffcl_config *cfg;           /* its own, resolved */
    ffcl_ctx *ctx;
    ffcl_sit *sit;
    ffcl_vae *vae;
    ffcl_dtype dtype;           /* of wide activations and most weights */
    size_t C, R, S;             /* latent channels and side, image side */
    int is_pixels;              /* the latents are images: there is no decoder */
    size_t inputs;              /* whose values steps bring */
    ffcl_schedule schedule;     /* without moves where steps bring values */
    int is_guided;              /* some evaluation is */
    atomic_size_t evaluated;    /* see ffcl_engine_evaluated */
    double noise_scale;
    ffcl_latent_form form;
    float *form_values;         /* (2, C): times, plus */
    int is_affine;              /* times differ, or plus is not 0 */
    ffcl_tensor affine;         /* (2, C), where is_affine */
    ffcl_tensor noise;          /* (batch, C, R*R), where there is later noise */
    size_t batch, decode_batch; /* images a SiT pass, images a VAE pass */
    ffcl_engine_plan_info plan; /* of both */
    ffcl_extractor *extractor;  /* NULL: nobody wants features */
    int half_fits;              /* float32 does not fit the device, half would */
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

/* Does a step end in images? */
static inline int ffcl_makes_images(const ffcl_engine *e)
{
    return e->vae || e->is_pixels;
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

/* Selects and opens the device of wants, with the back end and the precision of cfg; a note says
 * which.  *dtype stays as it is but for half.  engine: whose GEMMs a trial times, or NULL. */
int ffcl_engine_open_device(ffcl_ctx **out, ffcl_dtype *dtype, const ffcl_config *cfg,
                            const ffcl_engine_wants *wants, ffcl_engine *engine,
                            const ffcl_observer *obs, ffcl_error *err);

/* Gives the lanes' and the engine's tensors the shapes for batches of e->batch and e->decode_batch;
 * their buffers stay. */
void ffcl_engine_shape(ffcl_engine *e);

/* The whole pass over B images, which are images at .. of the step; also the planning pass. */
int ffcl_engine_run_batch(ffcl_engine *e, const ffcl_lane *l, size_t B, const ffcl_step *step,
                          size_t at);

/* Enqueues a read into host memory that is valid when the batch is done; to may be NULL. */
void ffcl_engine_fetch(ffcl_ctx *ctx, const ffcl_tensor *from, void *to);

/* How many images a batch may have: as wants says. */
size_t ffcl_engine_most(const ffcl_engine *e, const ffcl_engine_wants *wants);

/* The Inception network of wants, before the plan of the models, which leaves it its place. */
int ffcl_engine_open_extractor(ffcl_engine *e, const ffcl_engine_wants *wants,
                               const ffcl_observer *obs, ffcl_error *err);
/* Enqueues the features of bytes (b, S*S, 3), images first .. of the lane's batch; then, of its B
 * images, their reading; and, when the batch is done, gives them to images at .. of the step. */
void ffcl_engine_make_features(ffcl_engine *e, const ffcl_lane *l, size_t first,
                               const ffcl_tensor *bytes);
void ffcl_engine_fetch_features(ffcl_engine *e, const ffcl_lane *l, size_t B);
void ffcl_engine_keep_features(ffcl_step *step, size_t at, const ffcl_features *features);

/* The SiT's part of that: latents of B images. */
void ffcl_engine_run_sit(ffcl_engine *e, const ffcl_lane *l, size_t B, const ffcl_step *step,
                         size_t at);

/* The schedule of e->cfg, and whether its solver and the embedders go together.  FFCL_ECONFIG. */
int ffcl_engine_open_schedule(ffcl_engine *e, ffcl_error *err);
/* The buffer of later noise, unless it is there. */
int ffcl_engine_create_noise(ffcl_engine *e);
/* Gives the SiT the schedule's values for its embedders, by a small pass with a plan of its own. */
int ffcl_engine_fix_scalars(ffcl_engine *e);

/* Lays the arena out for batches of B. */
int ffcl_engine_plan(ffcl_engine *e, size_t B, const ffcl_tap *tap);

/* What the decoder gets of latents: fills form, form_values and is_affine. */
int ffcl_engine_find_form(ffcl_engine *e, ffcl_error *err);

/* Bytes of both models' weights on the device. */
size_t ffcl_engine_weight_bytes(const ffcl_engine *e);

/* Prepares the models in the way that fits the device's memory with one image: as they are to be
 * computed; else in float32 without Winograd's method; else, where cfg leaves it open, in half.  A
 * note says what was given up.  Where nothing fits, ffcl_engine_choose_batch says so. */
int ffcl_engine_choose_way(ffcl_engine *e);

/* Notes the device, how it computes, and what is forced. */
void ffcl_engine_report(const ffcl_engine *e);

/* What one launch may do at most, so that no device is kept from its screen for longer than half a
 * second: at 0.4 TFLOP/s, or what the device does at least.  INFINITY on CPUs. */
double ffcl_engine_most_flops(const ffcl_engine *e);

/* Chooses batch and decode_batch, the largest that fit, and lays the arena out for them.
 * FFCL_EDEVMEM. */
int ffcl_engine_choose_batch(ffcl_engine *e, const ffcl_engine_wants *wants);

/* What the chosen plan takes; plans it once more. */
void ffcl_engine_info(ffcl_engine *e, ffcl_engine_plan_info *info);

/* For ffcl_choice: the calls of passes over few and over more images; user is the engine. */
struct ffcl_trial_calls;
int ffcl_engine_calls(void *user, struct ffcl_trial_calls *calls);

#endif

/* SPDX-License-Identifier: MIT */
#include "sample/extractor.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cl/choices.h"
#include "cl/locked.h"
#include "cl/profile.h"
#include "cl/program.h"
#include "os/address_space.h"
#include "sample/engine_impl.h"
#include "util.h"

enum {
    LANES = 2,          /* batches under way */
    SLOTS = LANES + 1,  /* their features, and those of a batch that the caller has not done with */
};

/* What each of the batches under way has of its own. */
typedef struct lane {
    ffcl_tensor bytes;          /* (room, height*width, 3), where images come from the host */
    ffcl_tensor pool, spatial, logits;  /* (room, ...) */
    ffcl_locked locked;         /* holds: */
    uint8_t *host_bytes;
    ffcl_features features;     /* where those of its batch go: one of the slots */
    cl_event done;
} lane;

struct ffcl_extractor {
    ffcl_ctx *ctx;
    int owns_ctx;
    ffcl_inception *net;
    ffcl_arena *arena;          /* its own, beside the engine's */
    ffcl_dtype dtype;
    int rule;
    size_t height, width, batch, room;
    size_t planned, reserved, bytes;
    lane lanes[LANES];
    size_t first_lane, in_flight;
    ffcl_locked locked;         /* holds: */
    ffcl_features slots[SLOTS];
    size_t next_slot;
};

static ffcl_tensor bytes_of(const ffcl_extractor *x, size_t n)
{
    return ffcl_image_of(FFCL_U8, n, x->height, x->width, 3);
}

static size_t bytes_each(const ffcl_extractor *x)
{
    return x->height * x->width * 3;
}

/* The pass over n images into rows first .. of the lane, on an arena of its own and with sums that
 * no batch changes. */
static int forward(ffcl_extractor *x, lane *l, size_t first, const ffcl_tensor *bytes,
                   const ffcl_tap *tap)
{
    ffcl_ctx *ctx = x->ctx;
    struct ffcl_arena *arena = ctx->arena;
    const int invariant = ctx->batch_invariant;
    const size_t n = bytes->batch;
    const ffcl_inception_out out = {ffcl_images(l->pool, first, n),
                                    ffcl_images(l->spatial, first, n),
                                    ffcl_images(l->logits, first, n)};
    ctx->arena = x->arena;
    ctx->batch_invariant = 1;
    ffcl_profile_stage(ctx, "Inception");
    ffcl_inception_forward(x->net, ctx, &out, bytes, x->rule, tap);
    ffcl_profile_stage(ctx, "");
    ctx->arena = arena;
    ctx->batch_invariant = invariant;
    return ffcl_ctx_check(ctx);
}

/* Sizes without buffers. */
static void shape(ffcl_extractor *x)
{
    for (size_t k = 0; k < LANES; k++) {
        lane *l = &x->lanes[k];
        l->bytes = ffcl_tensor_in(l->bytes.mem, bytes_of(x, x->room));
        l->pool = ffcl_tensor_in(l->pool.mem, ffcl_tensor_of(FFCL_F32, x->room, 1,
                                                             FFCL_INCEPTION_POOL));
        l->spatial = ffcl_tensor_in(l->spatial.mem, ffcl_tensor_of(FFCL_F32, x->room, 289, 7));
        l->logits = ffcl_tensor_in(l->logits.mem, ffcl_tensor_of(FFCL_F32, x->room, 1,
                                                                 FFCL_INCEPTION_CLASSES));
    }
}

static int plan(ffcl_extractor *x, size_t n, const ffcl_tap *tap)
{
    const ffcl_tensor bytes = bytes_of(x, n);
    ffcl_arena_plan(x->arena);
    x->ctx->planning = 1;
    int rc = forward(x, &x->lanes[0], 0, &bytes, tap);
    x->ctx->planning = 0;
    x->planned = 0;
    return rc;
}

static int ready_for(ffcl_extractor *x, size_t n, const ffcl_tap *tap)
{
    if (x->planned != n || tap) {
        int rc = plan(x, n, tap);
        if (rc == 0)
            rc = ffcl_arena_commit(x->arena);
        if (rc)
            return rc;
        x->planned = tap ? 0 : n;
    }
    ffcl_arena_rewind(x->arena);
    return 0;
}

static size_t features_each(void)
{
    return FFCL_INCEPTION_ALL * sizeof(float);
}

/* By halving, as the engine does. */
static int choose_batch(ffcl_extractor *x, const ffcl_extractor_options *o)
{
    const ffcl_caps *caps = &x->ctx->device.caps;
    const int cpu = ffcl_is_cpu(x->ctx);
    size_t n = o->batch ? o->batch : ffcl_min(ffcl_max(o->count, 1), cpu ? 8 : 64);
    size_t total = 0, largest = 0;
    const double all = 0.92 * (double)caps->global_bytes;
    /* An engine's activations get as much of the rest. */
    const double room = o->ctx ? (all + (double)x->reserved) / 2 : all;
    const size_t weights = ffcl_inception_bytes(x->net) + x->reserved;
    for (;; n /= 2) {
        x->batch = n;
        x->room = ffcl_max(o->room, n);
        shape(x);
        ffcl_arena_reset(x->arena);
        int rc = plan(x, n, NULL);
        if (rc)
            return rc;
        ffcl_arena_size(x->arena, &total, &largest);
        total += weights + LANES * x->room * (features_each() + bytes_each(x));
        largest = ffcl_max(largest, ffcl_inception_largest_bytes(x->net));
        if (largest <= caps->max_alloc_bytes && (double)total <= room)
            break;
        if (n == 1)
            return ffcl_fail(x->ctx->err, FFCL_EDEVMEM, "%s has too little memory for the "
                             "Inception network: with batch 1 %.2f GB are needed, the largest "
                             "buffer %.2f GB, and there are %.2f GB, %.2f GB in one piece%s",
                             caps->name, (double)total / 1e9, (double)largest / 1e9, room / 1e9,
                             (double)caps->max_alloc_bytes / 1e9,
                             o->ctx ? ": keep the images and evaluate them afterwards, by ffcl eval"
                                    : "");
    }
    x->bytes = total - x->reserved;
    char text[160];
    snprintf(text, sizeof text, "plan: Inception batch %zu, %.2f GB of %.1f GB", n,
             (double)total / 1e9, (double)caps->global_bytes / 1e9);
    ffcl_report(x->ctx->obs, FFCL_PHASE_NOTE, text, 0, 0);
    return cpu ? ffcl_address_space_check(total, "the Inception network", x->ctx->err) : 0;
}

static size_t divide(ffcl_extractor *x, char *memory)
{
    size_t used = 0;
    const size_t each = x->room * sizeof(float);
    for (size_t i = 0; i < SLOTS; i++) {
        ffcl_features *f = &x->slots[i];
        f->pool = ffcl_locked_part(memory, &used, each * FFCL_INCEPTION_POOL);
        f->spatial = ffcl_locked_part(memory, &used, each * FFCL_INCEPTION_SPATIAL);
        f->logits = ffcl_locked_part(memory, &used, each * FFCL_INCEPTION_CLASSES);
    }
    return used;
}

static int create_lane(ffcl_extractor *x, lane *l)
{
    ffcl_ctx *ctx = x->ctx;
    ffcl_tensor *const tensors[] = {&l->pool, &l->spatial, &l->logits};
    const size_t bytes = x->room * bytes_each(x);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < 3; i++)
        rc = ffcl_buffer_create(ctx, &tensors[i]->mem, ffcl_count(tensors[i]) * sizeof(float),
                                "features");
    if (rc == 0)
        rc = ffcl_buffer_create(ctx, &l->bytes.mem, bytes, "images");
    if (rc == 0)
        rc = ffcl_locked_open(ctx, &l->locked, bytes);
    l->host_bytes = l->locked.mapped;
    return rc;
}

static int load(ffcl_extractor *x)
{
    uint64_t done = 0;
    const uint64_t total = ffcl_inception_bytes(x->net);
    int rc = 0;
    for (size_t k = 0; rc == 0 && k < LANES; k++)
        rc = create_lane(x, &x->lanes[k]);
    if (rc == 0)
        rc = ffcl_locked_open(x->ctx, &x->locked, divide(x, NULL));
    if (rc == 0)
        divide(x, x->locked.mapped);
    ffcl_report(x->ctx->obs, FFCL_PHASE_LOAD, NULL, 0, total);
    if (rc == 0)
        rc = ffcl_inception_load(x->net, x->ctx, &done, total);
    if (rc == 0 && done < total)
        ffcl_report(x->ctx->obs, FFCL_PHASE_LOAD, NULL, total, total);
    return rc;
}

/* Loading's programs, named while planning, are compiled with the rest. */
static int note_load_programs(ffcl_extractor *x)
{
    ffcl_ctx *ctx = x->ctx;
    const ffcl_tensor f32 = ffcl_tensor_of(FFCL_F32, 1, 1, 1);
    const ffcl_tensor f16 = ffcl_tensor_of(FFCL_F16, 1, 1, 1);
    ctx->planning = 1;
    ffcl_transpose(ctx, &f32, &f32);
    if (x->dtype == FFCL_F16)
        ffcl_cast(ctx, &f16, &f32);
    ctx->planning = 0;
    return ffcl_ctx_check(ctx);
}

/* The batch and its programs; anew where kernels that were built take too few work-items:
 * cl/limits.h. */
static int choose_programs(ffcl_extractor *x, const ffcl_extractor_options *o)
{
    size_t ruled_out;
    int rc;
    do {
        ruled_out = x->ctx->n_ruled_out;
        rc = choose_batch(x, o);
        if (rc == 0)
            rc = ffcl_programs_build(x->ctx);
        if (rc == 0)
            rc = plan(x, x->batch, NULL);
        if (x->ctx->n_ruled_out > ruled_out)
            ffcl_choices_forget(x->ctx);
    } while (rc == 0 && x->ctx->n_ruled_out > ruled_out);
    return rc;
}

static int open_device(ffcl_extractor *x, const ffcl_extractor_options *o,
                       const ffcl_observer *obs, ffcl_error *err)
{
    if (o->ctx) {
        x->ctx = o->ctx;
        x->ctx->err = err;
        x->dtype = o->dtype;
        return 0;
    }
    x->owns_ctx = 1;
    int rc = ffcl_engine_open_device(&x->ctx, &x->dtype, o->cfg,
                                     &(ffcl_engine_wants){.device = o->device,
                                                          .batch_invariant = 1}, NULL, obs, err);
    if (rc == 0)
        rc = ffcl_choices_open(x->ctx);
    if (rc)
        return rc;
    char text[400];
    snprintf(text, sizeof text, "device %zu: %.200s, %s, %.100s", x->ctx->device.index,
             x->ctx->device.caps.name, ffcl_extractor_precision(x), ffcl_blas_name(x->ctx));
    ffcl_report(obs, FFCL_PHASE_NOTE, text, 0, 0);
    return 0;
}

int ffcl_extractor_open(ffcl_extractor **out, const ffcl_extractor_options *o,
                        const ffcl_observer *obs, ffcl_error *err)
{
    *out = NULL;
    ffcl_extractor *x = calloc(1, sizeof *x);
    if (!x)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the Inception network");
    x->rule = o->rule;
    x->height = o->height;
    x->width = o->width;
    x->reserved = o->reserved;
    int rc = ffcl_inception_open(&x->net, o->weights, err);
    if (rc == 0)
        rc = open_device(x, o, obs, err);
    if (rc == 0)
        rc = ffcl_arena_open(&x->arena, x->ctx);
    if (rc == 0)
        rc = ffcl_inception_prepare(x->net, x->ctx, x->dtype);
    if (rc == 0)
        rc = note_load_programs(x);
    if (rc == 0)
        rc = choose_programs(x, o);
    if (rc == 0)
        rc = ffcl_arena_commit(x->arena);
    if (rc == 0)
        rc = load(x);
    if (rc)
        ffcl_extractor_close(&x);
    *out = x;
    return rc;
}

static void close_lane(ffcl_extractor *x, lane *l)
{
    ffcl_locked_close(x->ctx, &l->locked);
    ffcl_weight_release(&l->bytes);
    ffcl_weight_release(&l->pool);
    ffcl_weight_release(&l->spatial);
    ffcl_weight_release(&l->logits);
    if (l->done)
        clReleaseEvent(l->done);
}

void ffcl_extractor_close(ffcl_extractor **extractor)
{
    ffcl_extractor *x = *extractor;
    if (!x)
        return;
    if (x->ctx)
        clFinish(x->ctx->queue);
    for (size_t k = 0; k < LANES; k++)
        close_lane(x, &x->lanes[k]);
    ffcl_locked_close(x->ctx, &x->locked);
    ffcl_inception_close(&x->net);
    ffcl_arena_close(&x->arena);
    if (x->owns_ctx && x->ctx) {
        ffcl_blas_close(x->ctx);
        ffcl_ctx_close(&x->ctx);
    }
    free(x);
    *extractor = NULL;
}

void ffcl_extractor_size(const ffcl_extractor *x, size_t *height, size_t *width)
{
    *height = x->height;
    *width = x->width;
}

size_t ffcl_extractor_batch(const ffcl_extractor *x)
{
    return x->batch;
}

size_t ffcl_extractor_bytes(const ffcl_extractor *x)
{
    return x->bytes;
}

const char *ffcl_extractor_precision(const ffcl_extractor *x)
{
    return x->dtype == FFCL_F16 ? "half" : "float32";
}

const char *ffcl_extractor_device(const ffcl_extractor *x)
{
    return x->ctx->device.caps.name;
}

const ffcl_tensor_file *ffcl_extractor_file(const ffcl_extractor *x)
{
    return ffcl_inception_file(x->net);
}

ffcl_ctx *ffcl_extractor_ctx(const ffcl_extractor *x)
{
    return x->ctx;
}

int ffcl_extractor_enqueue(ffcl_extractor *x, size_t k, size_t first, const ffcl_tensor *bytes)
{
    assert(first + bytes->batch <= x->room);
    int rc = 0;
    for (size_t at = 0; rc == 0 && at < bytes->batch; at += x->batch) {
        const size_t n = ffcl_min(x->batch, bytes->batch - at);
        const ffcl_tensor part = ffcl_images(*bytes, at, n);
        rc = ready_for(x, n, NULL);
        if (rc == 0)
            rc = forward(x, &x->lanes[k], first + at, &part, NULL);
    }
    return rc;
}

static int read_part(ffcl_extractor *x, const ffcl_tensor *from, size_t n, float *to)
{
    const size_t bytes = n * from->rows * from->cols * sizeof *to;
    return FFCL_CL(x->ctx->err, clEnqueueReadBuffer(x->ctx->queue, from->mem, CL_FALSE, 0, bytes,
                                                    to, 0, NULL,
                                                    ffcl_profile_copy(x->ctx, "read", bytes)));
}

/* The lane's n features, to where l->features says. */
static int fetch(ffcl_extractor *x, lane *l, size_t n)
{
    int rc = read_part(x, &l->pool, n, l->features.pool);
    if (rc == 0)
        rc = read_part(x, &l->spatial, n, l->features.spatial);
    if (rc == 0)
        rc = read_part(x, &l->logits, n, l->features.logits);
    l->features.n = n;
    return rc;
}

int ffcl_extractor_fetch(ffcl_extractor *x, size_t k, size_t n, ffcl_features *features)
{
    lane *l = &x->lanes[k];
    l->features = x->slots[k];
    int rc = fetch(x, l, n);
    *features = l->features;
    return rc;
}

/* Sends n images on their way, in the lane. */
static int send(ffcl_extractor *x, lane *l, const uint8_t *rgb, size_t n, const ffcl_tap *tap)
{
    ffcl_ctx *ctx = x->ctx;
    const size_t size = n * bytes_each(x);
    const ffcl_tensor bytes = ffcl_images(l->bytes, 0, n);
    l->features = x->slots[x->next_slot];
    x->next_slot = (x->next_slot + 1) % SLOTS;
    memcpy(l->host_bytes, rgb, size);
    int rc = ready_for(x, n, tap);
    if (rc == 0)
        rc = FFCL_CL(ctx->err, clEnqueueWriteBuffer(ctx->queue, l->bytes.mem, CL_FALSE, 0, size,
                                                    l->host_bytes, 0, NULL,
                                                    ffcl_profile_copy(ctx, "write", size)));
    if (rc == 0)
        rc = forward(x, l, 0, &bytes, tap);
    if (rc == 0)
        rc = fetch(x, l, n);
    if (rc == 0)
        rc = FFCL_CL(ctx->err, clEnqueueMarkerWithWaitList(ctx->queue, 0, NULL, &l->done));
    return rc ? rc : FFCL_CL(ctx->err, clFlush(ctx->queue));
}

int ffcl_extractor_submit(ffcl_extractor *x, const uint8_t *rgb, size_t n, ffcl_error *err)
{
    assert(x->in_flight < LANES && n <= x->batch);
    x->ctx->err = err;
    int rc = send(x, &x->lanes[(x->first_lane + x->in_flight) % LANES], rgb, n, NULL);
    x->in_flight++;
    if (rc) {
        clFinish(x->ctx->queue);
        x->in_flight = 0;
    }
    return rc;
}

int ffcl_extractor_wait(ffcl_extractor *x, ffcl_features *features, ffcl_error *err)
{
    assert(x->in_flight);
    lane *l = &x->lanes[x->first_lane];
    x->ctx->err = err;
    int rc = FFCL_CL(err, clWaitForEvents(1, &l->done));
    clReleaseEvent(l->done);
    l->done = NULL;
    x->first_lane = (x->first_lane + 1) % LANES;
    x->in_flight--;
    ffcl_profile_collect(x->ctx);
    *features = l->features;
    const ffcl_tensor_file *file = ffcl_inception_file(x->net);
    if (rc == 0 && ffcl_tensor_file_is_mapped(file))
        rc = ffcl_tensor_file_check(file, err);
    return rc;
}

int ffcl_extractor_show(ffcl_extractor *x, const uint8_t *rgb, size_t n, const ffcl_tap *tap,
                        ffcl_features *features, ffcl_error *err)
{
    assert(n <= x->batch && x->in_flight == 0);
    x->ctx->err = err;
    int rc = send(x, &x->lanes[x->first_lane], rgb, n, tap);
    x->in_flight = 1;
    return rc ? rc : ffcl_extractor_wait(x, features, err);
}

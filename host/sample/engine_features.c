/* SPDX-License-Identifier: MIT
 * Features of an engine's images, by the Inception network on the same device and queue. */
#include <string.h>

#include "sample/engine_impl.h"
#include "util.h"

int ffcl_engine_open_extractor(ffcl_engine *e, const ffcl_engine_wants *wants,
                               const ffcl_observer *obs, ffcl_error *err)
{
    enum { MOST = 32 };         /* more would take memory from the models */
    const size_t room = ffcl_engine_most(e, wants);
    return ffcl_extractor_open(&e->extractor, &(ffcl_extractor_options){
        .cfg = e->cfg, .weights = wants->inception, .rule = wants->resize, .height = e->S,
        .width = e->S, .batch = ffcl_min(room, MOST), .ctx = e->ctx, .dtype = e->dtype,
        .reserved = ffcl_engine_weight_bytes(e), .room = room}, obs, err);
}

ffcl_extractor *ffcl_engine_extractor(const ffcl_engine *engine)
{
    return engine->extractor;
}

/* The network has a plan and an arena of its own, so that the engine's planning leaves it out. */
static int is_left_out(const ffcl_engine *e)
{
    return e->ctx->planning || e->ctx->status;
}

static size_t number_of(const ffcl_engine *e, const ffcl_lane *l)
{
    return (size_t)(l - e->lanes);
}

void ffcl_engine_make_features(ffcl_engine *e, const ffcl_lane *l, size_t first,
                               const ffcl_tensor *bytes)
{
    if (!is_left_out(e))
        ffcl_ctx_keep(e->ctx, ffcl_extractor_enqueue(e->extractor, number_of(e, l), first, bytes));
}

void ffcl_engine_fetch_features(ffcl_engine *e, const ffcl_lane *l, size_t B)
{
    const size_t k = number_of(e, l);
    if (!is_left_out(e))
        ffcl_ctx_keep(e->ctx, ffcl_extractor_fetch(e->extractor, k, B, &e->lanes[k].features));
}

void ffcl_engine_keep_features(ffcl_step *step, size_t at, const ffcl_features *f)
{
    enum { POOL = FFCL_INCEPTION_POOL, SPATIAL = FFCL_INCEPTION_SPATIAL,
           CLASSES = FFCL_INCEPTION_CLASSES };
    for (size_t i = 0; i < f->n; i++) {
        float *to = step->features + (at + i) * FFCL_INCEPTION_ALL;
        memcpy(to, f->pool + i * POOL, POOL * sizeof *to);
        memcpy(to + POOL, f->spatial + i * SPATIAL, SPATIAL * sizeof *to);
        memcpy(to + POOL + SPATIAL, f->logits + i * CLASSES, CLASSES * sizeof *to);
    }
}

/* SPDX-License-Identifier: MIT
 * The sample set: the images of a run on disk, with their lock and manifest.  What is there
 * already, what is added, and how a run leaves it. */
#ifndef FFCL_RUN_SAMPLE_SET_H
#define FFCL_RUN_SAMPLE_SET_H

#include <stdatomic.h>

#include "run/hashes.h"
#include "run/indices.h"
#include "run/manifest.h"
#include "run/outputs.h"
#include "sample/engine.h"
#include "sample/noise.h"

typedef struct ffcl_sample_set ffcl_sample_set;

typedef struct ffcl_sample_set_spec {
    const ffcl_config *cfg;             /* borrowed, as all below */
    const ffcl_engine *engine;          /* has sizes, precision, conditions */
    const ffcl_noise_spec *noise;       /* has the class labels */
    ffcl_hashes *hashes;                /* may be NULL where there is neither folder nor npz */
    const ffcl_metadata *metadata;      /* NULL: PNGs have no texts */
    size_t count, height, width;
    size_t processes;                   /* that generate it together, for the manifest */
    const ffcl_observer *observer;
    atomic_int *stop;                   /* ends the search for kept images early */
} ffcl_sample_set_spec;

/* Takes the lock, compares the manifest, removes what a killed run left, opens the outputs.
 * FFCL_EBUSY, FFCL_ESETTINGS, FFCL_EOUTPUT. */
int ffcl_sample_set_open(ffcl_sample_set **out, const ffcl_sample_set_spec *spec, ffcl_error *err);

/* Sees an image that is there, from any thread. */
typedef int ffcl_kept_visitor(void *user, size_t index, const uint8_t *rgb, ffcl_error *err);

/* Marks the images that are there already as done, after reading and checking each.  see may be
 * NULL. */
int ffcl_sample_set_find_kept(ffcl_sample_set *set, ffcl_indices *indices, ffcl_kept_visitor *see,
                              void *user, ffcl_error *err);

/* A finished image, from any thread; whole: into npz and grid only, as its file is there. */
int ffcl_sample_set_put(ffcl_sample_set *set, size_t index, const uint8_t *rgb, int whole,
                        ffcl_error *err);

/* A bad image that is left out, from any thread. */
int ffcl_sample_set_skip(ffcl_sample_set *set, size_t index, int label, const char *stage,
                         ffcl_error *err);

/* How many have been left out. */
size_t ffcl_sample_set_skipped(const ffcl_sample_set *set);

/* What a device of this run did, for the manifest. */
int ffcl_sample_set_add_device(ffcl_sample_set *set, const ffcl_manifest_device *device,
                               ffcl_error *err);

/* A device begins to work, from any thread: with what it computed with before, if it did.  The
 * manifest knows it from now on.  Warns where images that are kept, or those of this run, come
 * from other kinds of devices, or drivers, only.  FFCL_ESETTINGS, FFCL_EOUTPUT. */
int ffcl_sample_set_join(ffcl_sample_set *set, const ffcl_manifest_member *member,
                         ffcl_error *err);

/* Do npz or grid want the pixels of every image? */
int ffcl_sample_set_wants_pixels(const ffcl_sample_set *set);

/* Keeps what an evaluation of cfg's images gave, a JSON text: in the manifest, and in
 * evaluation.json beside it.  Nothing where there is neither folder nor npz.  FFCL_EOUTPUT. */
int ffcl_sample_set_evaluated(const ffcl_config *cfg, const char *json, ffcl_error *err);

/* Finishes the outputs (rc 0) or leaves them for the next run, writes the manifest, releases the
 * lock.  Returns rc, or what went wrong now; err holds the sentence of rc. */
int ffcl_sample_set_end(ffcl_sample_set **set, ffcl_indices *indices, int rc, ffcl_error *err);

#endif

/* SPDX-License-Identifier: MIT
 * The set of pictures on disk: its lock, its manifest and its outputs; what is there already, what
 * is added, how it ends. */
#ifndef FFCL_RUN_SAMPLE_SET_H
#define FFCL_RUN_SAMPLE_SET_H

#include <stdatomic.h>

#include "run/hashes.h"
#include "run/indices.h"
#include "run/manifest.h"
#include "run/outputs.h"
#include "sample/engine.h"

typedef struct ffcl_set ffcl_set;

typedef struct ffcl_set_spec {
    const ffcl_config *cfg;             /* borrowed, as all below */
    const ffcl_engine *engine;          /* tells sizes, precision, conditions */
    ffcl_hashes *hashes;                /* may be NULL where there is neither folder nor npz */
    size_t count, height, width;
    size_t processes;                   /* that draw it together, for the manifest */
    const ffcl_observer *observer;
    atomic_int *stop;                   /* ends the search for kept pictures early */
} ffcl_set_spec;

/* Takes the lock, compares the manifest, removes what a killed run left, opens the outputs.
 * FFCL_EBUSY, FFCL_ESETTINGS, FFCL_EOUTPUT. */
int ffcl_set_open(ffcl_set **out, const ffcl_set_spec *spec, ffcl_error *err);

/* Marks the pictures that are there already as done, after reading and checking each. */
int ffcl_set_find_kept(ffcl_set *set, ffcl_indices *indices, ffcl_error *err);

/* A finished picture, from any thread; whole: into npz and grid only, as its file is there. */
int ffcl_set_put(ffcl_set *set, size_t index, const uint8_t *rgb, int whole, ffcl_error *err);

/* A bad picture that is left out, from any thread. */
int ffcl_set_skip(ffcl_set *set, size_t index, int label, const char *stage, ffcl_error *err);

/* A device at work; a warning where the set was begun on another kind. */
int ffcl_set_add_device(ffcl_set *set, const ffcl_manifest_device *device, ffcl_error *err);
void ffcl_set_warn_of_device(const ffcl_set *set, const char *name);

/* Do npz or grid want the pixels of every picture? */
int ffcl_set_wants_pixels(const ffcl_set *set);

/* Finishes the outputs (rc 0) or leaves them for the next run, writes the manifest, releases the
 * lock.  Returns rc, or what went wrong now; err holds the sentence of rc. */
int ffcl_set_end(ffcl_set **set, ffcl_indices *indices, int rc, ffcl_error *err);

#endif

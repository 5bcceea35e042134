/* SPDX-License-Identifier: MIT
 * manifest.json beside the images of a sample set: the settings that they were made with, so that
 * no run resumes with others, and what each run did (docs/formats.md). */
#ifndef FFCL_RUN_MANIFEST_H
#define FFCL_RUN_MANIFEST_H

#include "config.h"
#include "sample/engine.h"

typedef struct ffcl_manifest ffcl_manifest;

/* Reads path where it exists and resume is set; else the sample set begins anew.  FFCL_ESETTINGS
 * where the file is not a manifest. */
int ffcl_manifest_open(ffcl_manifest **out, const char *path, int resume, ffcl_error *err);
void ffcl_manifest_close(ffcl_manifest **m);

/* 1: an earlier run has begun the sample set. */
int ffcl_manifest_is_old(const ffcl_manifest *m);

/* The settings may differ in the number of images: each is the same, however many there are. */
void ffcl_manifest_let_grow(ffcl_manifest *m);

/* The number of images that the earlier run was to have; 0: none was, or nobody knows. */
size_t ffcl_manifest_count(const ffcl_manifest *m);

/* One setting; text is copied.  Those that do not change the images do not belong here. */
int ffcl_manifest_set(ffcl_manifest *m, const char *key, const char *text, ffcl_error *err);

/* A device that makes images, and what it computes with, which decides the last bits of results;
 * plain bytes, as processes send it to each other. */
typedef struct ffcl_manifest_member {
    char name[128], platform[128], version[128], driver[128];
    char platform_version[256]; /* which may name the compiler, as PoCL's does */
    char limits[96];            /* what kernels are chosen by; not memory, nor compute units */
    char products[400];         /* float32 matrices: whose, and with which tuning */
    char unit[80];              /* half matrices: the matrix unit, "none"; "": all is float32 */
    char library[200];          /* the version of who multiplies; "": ffcl does */
} ffcl_manifest_member;

/* On the same device a run resumes with the same only.  What the file says of other devices stays.
 * FFCL_ESETTINGS: two devices of this run have one name, and compute differently. */
int ffcl_manifest_set_kernels(ffcl_manifest *m, const ffcl_manifest_member *member,
                              ffcl_error *err);

/* The settings that are known from cfg alone, before any file or device is opened: those of
 * ffcl_config_settings. */
int ffcl_manifest_set_config(ffcl_manifest *m, const ffcl_config *cfg, ffcl_error *err);

/* A fact of the key table that has not been set; NULL: all have. */
const char *ffcl_manifest_missing(const ffcl_manifest *m);

/* Compares the settings given so far with those of the file.  FFCL_ESETTINGS: the sentence shows
 * what differs. */
int ffcl_manifest_check(const ffcl_manifest *m, ffcl_error *err);

/* The settings given so far of which the file, of an earlier version of ffcl, says nothing: they
 * are taken to be as now, which is to be reported.  1 where there are any: "KEY = VALUE, ..."
 * is then in text. */
int ffcl_manifest_assumes(const ffcl_manifest *m, char *text, size_t size);

/* A device and what it did; plain bytes, as processes send it to each other. */
typedef struct ffcl_manifest_device {
    char name[128], platform[128], version[128], driver[128];
    uint64_t batch, images;
    double submitting, device, writers;     /* seconds of its thread: see ffcl_worker_seconds */
} ffcl_manifest_device;

void ffcl_manifest_describe(ffcl_manifest_device *out, const ffcl_engine *engine, size_t images);

/* Whether the file knows this kind of device, which a version of a driver is part of. */
typedef enum ffcl_manifest_kind {
    FFCL_KIND_KNOWN,            /* or there is no other */
    FFCL_KIND_NEW,
    FFCL_KIND_NEW_IN_RUN,       /* and so far this run has none but others */
    FFCL_KIND_OTHER_FFCL        /* known, but of other versions of ffcl only */
} ffcl_manifest_kind;
ffcl_manifest_kind ffcl_manifest_kind_of(const ffcl_manifest *m,
                                         const ffcl_manifest_member *member);

/* A device begins to make images: reads the file anew, which other ranks write, too, compares, and
 * adds the device to it, so that it is known there even if this process is killed.  The caller
 * keeps other processes off.  FFCL_ESETTINGS, FFCL_EOUTPUT. */
int ffcl_manifest_join(ffcl_manifest *m, const ffcl_manifest_member *member,
                       ffcl_manifest_kind *kind, ffcl_error *err);

/* A device of this run. */
int ffcl_manifest_add_device(ffcl_manifest *m, const ffcl_manifest_device *device,
                             ffcl_error *err);

/* An image that on_bad = skip left out; from any thread if the caller locks. */
int ffcl_manifest_add_bad(ffcl_manifest *m, size_t index, int label, const char *stage,
                          ffcl_error *err);

/* What the run did. */
typedef struct ffcl_manifest_run {
    size_t kept, generated, processes;
    double seconds, committing; /* in all; at the end, until the npz was on disk */
    int64_t started;            /* seconds since 1970, by the system's clock; for the reader only */
    const char *end;            /* "running", "complete", "stopped" or an error's sentence */
} ffcl_manifest_run;

/* Writes what an evaluation of the images gave, a JSON object, into the manifest at path, where
 * there is one.  It stays until images are added.  The caller keeps other processes off.
 * FFCL_EOUTPUT, FFCL_ESETTINGS. */
int ffcl_manifest_set_evaluation(const char *path, const char *json, ffcl_error *err);

/* Writes the file, with the runs that it has by now and this one, NULL: without, which is written
 * before images are made, so that an evaluation of earlier ones does not stay.  The caller keeps
 * other processes off.  FFCL_EOUTPUT. */
int ffcl_manifest_write(ffcl_manifest *m, const ffcl_manifest_run *run, ffcl_error *err);

#endif

/* SPDX-License-Identifier: MIT
 * A reference, and what samples make of it: behind ffcl_evaluate and behind a run that evaluates
 * its images as they are generated. */
#ifndef FFCL_EVAL_EVALUATOR_H
#define FFCL_EVAL_EVALUATOR_H

#include "config.h"
#include "eval/images.h"
#include "eval/neighbours.h"
#include "eval/statistics.h"
#include "eval/tally.h"
#include "sample/extractor.h"

/* A folder or an .npz: images, statistics, or both. */
typedef struct ffcl_subject {
    char *path;
    ffcl_arrays *arrays;
    ffcl_images_in *images;             /* NULL: none */
    ffcl_statistics statistics;
    ffcl_tally *tally;                  /* of the images, once they were evaluated; or NULL */
    double seconds;                     /* for their features, the device and network being ready */
    const char *precision;              /* of the tally's features; NULL: not known */
} ffcl_subject;

/* FFCL_EFILE, FFCL_EFORMAT: neither images nor statistics. */
int ffcl_subject_open(ffcl_subject *s, const char *path, ffcl_error *err);
void ffcl_subject_close(ffcl_subject *s);

/* Its moments: the statistics it came with, else those of its images; NULL: it has none. */
const ffcl_moments *ffcl_subject_pool(const ffcl_subject *s);
const ffcl_moments *ffcl_subject_spatial(const ffcl_subject *s);

/* A curve of Frechet distances, which grows as images are added. */
typedef struct ffcl_curve {
    size_t points;
    const ffcl_subject *reference;
    ffcl_evaluation *to;
} ffcl_curve;

/* "crc32 1234abcd, 567 bytes" of a file into text (64). */
int ffcl_file_crc(char *text, const char *path, ffcl_error *err);

/* The same of [eval] inception; where that is not there, the sentence says where to get it. */
int ffcl_eval_check_network(char *crc, const ffcl_config *cfg, ffcl_error *err);

/* Evaluates the images of s into s->tally, on `device` (NULL: the one that cfg selects), which is
 * then *extractor's, closed first where it is of another size; keeps: for precision and recall.
 * curve: NULL, or filled. */
int ffcl_subject_extract(ffcl_subject *s, ffcl_extractor **extractor, const ffcl_config *cfg,
                         const ffcl_device *device, int keeps, ffcl_curve *curve,
                         const ffcl_observer *obs, ffcl_error *err);

/* FFCL_EFORMAT where statistics are of another network, or of images that were resized in another
 * way, than those that they are to be compared with, or where there is but one image; crc: of the
 * network in use. */
int ffcl_subject_check(const ffcl_subject *s, const char *crc, const ffcl_habit *habit,
                       ffcl_error *err);

/* As ffcl_evaluate, on `device`, of those that cfg selects; NULL: it is one. */
int ffcl_evaluate_on(ffcl_evaluation *out, const ffcl_config *cfg,
                     const ffcl_eval_request *request, const ffcl_device *device,
                     const ffcl_observer *obs, ffcl_error *err);

/* Of the npz of a job array, else its folder, where all images are there: else a note says that
 * they are not, and *is_done is 0. */
int ffcl_evaluate_folder(ffcl_evaluation *out, int *is_done, const ffcl_config *cfg,
                         const ffcl_device *device, const ffcl_observer *obs, ffcl_error *err);

/* What an evaluation of images that a run has made goes by; side: of these images, in pixels;
 * device: NULL, or for the images of the reference. */
typedef struct ffcl_eval_setting {
    const ffcl_config *cfg;
    size_t side;
    const ffcl_device *device;
    const ffcl_observer *obs;
    const char *precision;      /* of the features that are there */
} ffcl_eval_setting;

/* As ffcl_evaluate, of images that a run evaluated as it made them: *tally, ended, is taken.
 * request->samples: what to call them. */
int ffcl_evaluate_tally(ffcl_evaluation *out, const ffcl_eval_request *request,
                        ffcl_tally **tally, const ffcl_eval_setting *setting, ffcl_error *err);

/* Fills in the numbers: samples against reference (NULL: none), by the device of ctx (NULL: no
 * precision and recall).  With neighbours, which may be NULL, the caller gets those. */
int ffcl_evaluation_fill(ffcl_evaluation *out, const ffcl_subject *samples,
                         const ffcl_subject *reference, ffcl_ctx *ctx, ffcl_neighbours *neighbours,
                         const ffcl_observer *obs, ffcl_error *err);

#endif

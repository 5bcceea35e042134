/* SPDX-License-Identifier: MIT
 * The evaluation that ends a run: of the images on disk, in their order, on one device.  So resumed
 * runs, several devices, processes and jobs give the numbers of one device. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "eval/evaluator.h"
#include "files/atomic.h"
#include "files/input.h"
#include "util.h"

/* Are all images there?  Jobs of an array end one after another, and only the last one has them. */
static int is_complete(const ffcl_config *cfg, ffcl_error *err)
{
    ffcl_images_in *images = NULL;
    if (cfg->output.npz)
        return !ffcl_input_is_absent(cfg->output.npz);
    int rc = ffcl_images_open(&images, cfg->output.folder, err);
    const int all = rc == 0 && ffcl_images_count(images) >= ffcl_config_count(cfg);
    ffcl_images_close(&images);
    return rc ? rc : all;
}

static int write_json(const char *folder, const ffcl_evaluation *evaluation, ffcl_error *err)
{
    ffcl_atomic_file file = {0};
    char *text = ffcl_evaluation_json(evaluation), *path = ffcl_path_join(folder,
                                                                          "evaluation.json");
    int rc = text && path ? ffcl_atomic_open(&file, path, err)
                          : ffcl_fail(err, FFCL_ENOMEM, "out of memory for the evaluation");
    if (rc == 0)
        rc = ffcl_atomic_write(&file, text, strlen(text), err);
    if (rc == 0)
        rc = ffcl_atomic_commit(&file, err);
    ffcl_atomic_discard(&file);
    free(text);
    free(path);
    return rc;
}

int ffcl_config_check_evaluation(const ffcl_config *cfg, ffcl_error *err)
{
    ffcl_subject reference = {.path = NULL};
    ffcl_inception *network = NULL;
    char crc[64];
    if (strcmp(cfg->eval.reference, "off") == 0)
        return 0;
    int rc = ffcl_eval_check_network(crc, cfg, err);
    if (rc == 0)
        rc = ffcl_inception_open(&network, cfg->eval.inception, err);
    if (rc == 0 && strcmp(cfg->eval.reference, "none") != 0)
        rc = ffcl_subject_open(&reference, cfg->eval.reference, err);
    if (rc == 0)
        rc = ffcl_subject_check(&reference, crc, ffcl_habit_of(cfg->eval.like), NULL, err);
    ffcl_inception_close(&network);
    ffcl_subject_close(&reference);
    return rc;
}

int ffcl_config_evaluate(ffcl_evaluation *out, int *is_done, const ffcl_config *cfg,
                         const ffcl_observer *obs, ffcl_error *err)
{
    const int has_reference = strcmp(cfg->eval.reference, "none") != 0;
    const ffcl_eval_request request = {
        .samples = cfg->output.npz ? cfg->output.npz : cfg->output.folder,
        .reference = has_reference ? cfg->eval.reference : NULL};
    *is_done = 0;
    if (strcmp(cfg->eval.reference, "off") == 0)
        return 0;
    int all = is_complete(cfg, err);
    if (all < 0)
        return all;
    if (!all) {
        ffcl_report(obs, FFCL_PHASE_NOTE, "not evaluated: the images of other jobs are not all "
                    "there yet", 0, 0);
        return 0;
    }
    int rc = ffcl_evaluate(out, cfg, &request, obs, err);
    if (rc == 0 && cfg->output.folder)
        rc = write_json(cfg->output.folder, out, err);
    *is_done = rc == 0;
    return rc;
}

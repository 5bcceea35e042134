/* SPDX-License-Identifier: MIT
 * What an evaluation needs to know before a run; and the evaluation that ends the last job of an
 * array, of the images on disk. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "eval/check_outputs.h"
#include "eval/evaluator.h"
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

int ffcl_config_check_evaluation(const ffcl_config *cfg, ffcl_error *err)
{
    ffcl_subject reference = {.path = NULL};
    ffcl_inception *network = NULL;
    char crc[64];
    if (!ffcl_config_evaluates(cfg))
        return 0;
    int rc = ffcl_eval_check_network(crc, cfg, err);
    if (rc == 0)
        rc = ffcl_inception_open(&network, cfg->eval.inception, err);
    if (rc == 0 && strcmp(cfg->eval.reference, "none") != 0)
        rc = ffcl_subject_open(&reference, cfg->eval.reference, err);
    if (rc == 0)
        rc = ffcl_subject_check(&reference, crc, ffcl_habit_of(cfg->eval.like), err);
    if (rc == 0)
        rc = ffcl_eval_check_outputs(cfg, NULL, reference.path, NULL, err);
    if (rc == 0 && reference.path)
        rc = ffcl_eval_check_run(cfg, reference.path, err);
    ffcl_inception_close(&network);
    ffcl_subject_close(&reference);
    return rc;
}

int ffcl_evaluate_folder(ffcl_evaluation *out, int *is_done, const ffcl_config *cfg,
                         const ffcl_device *device, const ffcl_observer *obs, ffcl_error *err)
{
    const int has_reference = strcmp(cfg->eval.reference, "none") != 0;
    const ffcl_eval_request request = {
        .samples = cfg->output.npz ? cfg->output.npz : cfg->output.folder,
        .reference = has_reference ? cfg->eval.reference : NULL};
    *is_done = 0;
    int all = is_complete(cfg, err);
    if (all < 0)
        return all;
    if (!all) {
        ffcl_report(obs, FFCL_PHASE_NOTE, "not evaluated: the images of other jobs are not all "
                    "there yet", 0, 0);
        return 0;
    }
    int rc = ffcl_evaluate_on(out, cfg, &request, device, obs, err);
    *is_done = rc == 0;
    return rc;
}

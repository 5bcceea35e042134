/* SPDX-License-Identifier: MIT */
#include "run/evaluation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/evaluator.h"
#include "run/ranks.h"
#include "run/sample_set.h"

static int has_reference(const ffcl_config *cfg)
{
    return strcmp(cfg->eval.reference, "none") != 0;
}

int ffcl_run_evaluation_open(ffcl_run_evaluation *e, const ffcl_config *cfg, size_t count,
                             ffcl_error *err)
{
    const int is_share = cfg->sampler.rank != FFCL_ALL_RANKS && cfg->sampler.world > 1;
    ffcl_subject reference = {.path = NULL};
    size_t rank, size;
    ffcl_ranks_where(&rank, &size);
    e->is_on = ffcl_config_evaluates(cfg) && !is_share;
    int rc = e->is_on ? ffcl_eval_check_network(e->network, cfg, err) : 0;
    if (rc || !e->is_on || rank)
        return rc;
    if (has_reference(cfg))
        rc = ffcl_subject_open(&reference, cfg->eval.reference, err);
    if (rc == 0)
        rc = ffcl_tally_open(&e->tally, ffcl_habit_of(cfg->eval.like), count,
                             reference.images != NULL, err);
    ffcl_subject_close(&reference);
    return rc;
}

void ffcl_run_evaluation_close(ffcl_run_evaluation *e)
{
    ffcl_tally_close(&e->tally);
}

static int evaluate(ffcl_run_evaluation *e, ffcl_evaluation *out, int *is_done,
                    const ffcl_eval_setting *setting, ffcl_error *err)
{
    const ffcl_config *cfg = setting->cfg;
    const char *place = cfg->output.npz ? cfg->output.npz : cfg->output.folder;
    const ffcl_eval_request request = {
        .samples = place ? place : "this run",
        .reference = has_reference(cfg) ? cfg->eval.reference : NULL};
    if (!e->is_on)
        return ffcl_evaluate_folder(out, is_done, cfg, setting->device, setting->obs, err);
    if (e->failed.code) {
        *err = e->failed;
        return err->code;
    }
    ffcl_tally_end(e->tally);
    int rc = ffcl_evaluate_tally(out, &request, &e->tally, setting, err);
    snprintf(out->computed, sizeof out->computed, "%s", e->computed);
    *is_done = rc == 0;
    return rc;
}

int ffcl_run_evaluation_end(ffcl_run_evaluation *e, ffcl_evaluation *out, int *is_done,
                            const ffcl_eval_setting *setting, ffcl_error *err)
{
    int rc = evaluate(e, out, is_done, setting, err);
    if (rc || !*is_done)
        return rc;
    char *json = ffcl_evaluation_json(out);
    rc = json ? ffcl_sample_set_evaluated(setting->cfg, json, err)
              : ffcl_fail(err, FFCL_ENOMEM, "out of memory for the evaluation");
    free(json);
    return rc;
}

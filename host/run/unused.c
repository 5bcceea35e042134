/* SPDX-License-Identifier: MIT */
#include "run/unused.h"

#include <stdio.h>
#include <string.h>

#include "config_table.h"
#include "model/sit.h"
#include "model/vae.h"

/* Why a key has no effect, or NULL; it is set to something else than its default. */
typedef const char *reason_of(const ffcl_config *cfg, const ffcl_engine *engine);

static const char *need_evaluation(const ffcl_config *cfg, const ffcl_engine *engine)
{
    (void)engine;
    return ffcl_config_evaluates(cfg) ? NULL : "[eval] reference is off";
}

static const char *need_npz(const ffcl_config *cfg, const ffcl_engine *engine)
{
    (void)engine;
    return cfg->output.npz ? NULL : "there is no npz";
}

static const char *need_decoder(const ffcl_config *cfg, const ffcl_engine *engine)
{
    (void)cfg;
    return ffcl_engine_vae(engine) ? NULL : "there is no VAE";
}

static const char *need_group_norms(const ffcl_config *cfg, const ffcl_engine *engine)
{
    const char *none = need_decoder(cfg, engine);
    return none || ffcl_engine_vae(engine)->groups ? none : "the decoder has no group norms";
}

static const char *need_shares(const ffcl_config *cfg, const ffcl_engine *engine)
{
    (void)engine;
    return cfg->sampler.rng == FFCL_RNG_TORCH_CUDA || cfg->sampler.rank != FFCL_ALL_RANKS
               ? NULL : "neither rank nor rng = torch-cuda is set";
}

static int is_fed(const ffcl_engine *engine, ffcl_input_kind kind)
{
    for (size_t i = 0; i < ffcl_engine_sit(engine)->embedders; i++) {
        const ffcl_condition *c = ffcl_engine_condition(engine, i);
        if (c->kind == kind || (c->has_second && c->second == kind))
            return 1;
    }
    return 0;
}

static const char *need_guided(const ffcl_config *cfg, const ffcl_engine *engine)
{
    return cfg->sampler.cfg != FFCL_CFG_NONE || is_fed(engine, FFCL_INPUT_GUIDANCE) ||
           is_fed(engine, FFCL_INPUT_OMEGA)
               ? NULL : "cfg is none, and no embedder is fed with it";
}

static const char *need_guidance(const ffcl_config *cfg, const ffcl_engine *engine)
{
    (void)engine;
    return cfg->sampler.cfg == FFCL_CFG_NONE || cfg->sampler.guidance > 1
               ? NULL : "guidance is not above 1";
}

static const char *need_interval(const ffcl_config *cfg, const ffcl_engine *engine)
{
    return is_fed(engine, FFCL_INPUT_T_MIN) || is_fed(engine, FFCL_INPUT_T_MAX) ? NULL
           : cfg->sampler.cfg == FFCL_CFG_NONE ? "nothing is guided"
                                               : need_guidance(cfg, engine);
}

static const char *need_moves(const ffcl_config *cfg, const ffcl_engine *engine)
{
    (void)engine;
    return cfg->sampler.steps > 1 || strcmp(cfg->sampler.times, "uniform")
               ? NULL : "one step has no times between its ends";
}

static const char *need_uniform(const ffcl_config *cfg, const ffcl_engine *engine)
{
    return ffcl_engine_schedule(engine)->steps == cfg->sampler.steps ? NULL
                                                                     : "times says how many";
}

static const char *need_other_side(const ffcl_config *cfg, const ffcl_engine *engine)
{
    return ffcl_engine_sit(engine)->R == cfg->model.latent_size
               ? NULL : "the checkpoint's pos_embed says another";
}

static const char *need_split(const ffcl_config *cfg, const ffcl_engine *engine)
{
    const size_t split = ffcl_engine_sit(engine)->split;
    return split == cfg->model.split ? NULL : "no embedder has two inputs";
}

static const char *need_tuned(const ffcl_config *cfg, const ffcl_engine *engine)
{
    char products[400];
    ffcl_engine_products(engine, products, sizeof products);
    return strstr(products, "clblast") || !strcmp(cfg->blas.tuning, "off")
               ? NULL : "CLBlast is not used";
}

static const char *need_cblas(const ffcl_config *cfg, const ffcl_engine *engine)
{
    char products[400];
    (void)cfg;
    ffcl_engine_products(engine, products, sizeof products);
    return strstr(products, "clblast") || strstr(products, "builtin")
               ? "no CBLAS library is used" : NULL;
}

/* Its row counts for a folder's settings alone; a grid says what it was made with, too. */
static const char *need_png(const ffcl_config *cfg, const ffcl_engine *engine)
{
    (void)engine;
    return cfg->output.grid || cfg->output.folder ? NULL : "no PNG is written";
}

/* Beside these, keys whose row says when they count: those of some solvers and generators. */
static const struct {
    const char *section, *key;
    reason_of *reason;
} rows[] = {
    {"model", "split", need_split},
    {"model", "latent_size", need_other_side},
    {"vae", "wrapper", need_decoder},
    {"vae", "groups", need_group_norms},
    {"sampler", "world", need_shares},
    {"sampler", "guidance", need_guided},
    {"sampler", "cfg", need_guidance},
    {"sampler", "guidance_low", need_interval},
    {"sampler", "guidance_high", need_interval},
    {"sampler", "time_shift", need_moves},
    {"sampler", "steps", need_uniform},
    {"blas", "tuning", need_tuned},
    {"blas", "library", need_cblas},
    {"output", "npz_labels", need_npz},
    {"output", "metadata", need_png},
    {"eval", "inception", need_evaluation},
    {"eval", "like", need_evaluation},
};

/* Has the user given it another value than its default, which a template spells out? */
static int is_set(const ffcl_config *cfg, size_t i)
{
    const ffcl_config_row *row = &ffcl_config_rows[i];
    const void *member = (const char *)cfg + row->offset;
    char text[120];
    if (cfg->origin[i] != FFCL_BY_FILE && cfg->origin[i] != FFCL_BY_COMMAND)
        return 0;
    switch (row->type) {
    case FFCL_TYPE_TEXT:
    case FFCL_TYPE_INPUT:
    case FFCL_TYPE_OUTPUT:
    case FFCL_TYPE_TIMES:
        return *(char *const *)member && strcmp(*(char *const *)member, row->initial) != 0;
    case FFCL_TYPE_COUNT_AUTO:
        return *(const size_t *)member != 0;
    default:
        ffcl_config_value_text(text, cfg, row);
        return strcmp(text, row->initial) != 0;
    }
}

/* Rows' own conditions, in words. */
static const char *of_row(const ffcl_config *cfg, const ffcl_config_row *row)
{
    return !row->counts || row->counts(cfg) ? NULL
           : !strcmp(row->section, "output") ? "there is no folder"
           : !strcmp(row->key, "cuda_threads") ? "rng is not torch-cuda"
           : !strcmp(row->key, "draw_batch")   ? "rng makes the same noise in any"
           : !strcmp(row->key, "noise_rows")   ? "the solver adds no noise"
                                               : "the solver has none";
}

void ffcl_unused_report(const ffcl_engine *engine, const ffcl_observer *observer)
{
    const ffcl_config *cfg = ffcl_engine_config(engine);
    char text[1200];
    size_t used = 0;
    for (size_t i = 0; i < ffcl_config_n_rows && used < sizeof text; i++) {
        const ffcl_config_row *row = &ffcl_config_rows[i];
        const char *why = NULL;
        int is_known = 0;
        for (size_t k = 0; k < sizeof rows / sizeof *rows; k++)
            if (!strcmp(rows[k].section, row->section) && !strcmp(rows[k].key, row->key)) {
                is_known = 1;
                why = is_set(cfg, i) ? rows[k].reason(cfg, engine) : NULL;
            }
        if (!is_known && is_set(cfg, i))
            why = of_row(cfg, row);
        if (why)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s[%s] %s (%s)",
                                     used ? ", " : "without effect here: ", row->section, row->key,
                                     why);
    }
    if (used)
        ffcl_report(observer, FFCL_PHASE_NOTE, text, 0, 0);
}

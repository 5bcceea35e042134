/* SPDX-License-Identifier: MIT */
#include "run/assumptions.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config_presets.h"
#include "config_table.h"
#include "config_value.h"
#include "run/unused.h"
#include "util.h"

/* A note that grows. */
typedef struct note {
    char text[2400];
    size_t used;
} note;

static void add(note *n, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(note *n, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (n->used < sizeof n->text)
        n->used += (size_t)vsnprintf(n->text + n->used, sizeof n->text - n->used, format, args);
    va_end(args);
}

static void say(const note *n, const ffcl_observer *obs)
{
    ffcl_report(obs, FFCL_PHASE_NOTE, n->text, 0, 0);
}

/* ---- the preset ----------------------------------------------------------------------------- */

static const char *const origins[] = {
    [FFCL_BY_DEFAULT] = "default", [FFCL_BY_PRESET] = "preset", [FFCL_BY_FILE] = "INI file",
    [FFCL_BY_COMMAND] = "command line",
};

static ffcl_config_origin origin_of(const ffcl_config *cfg, const char *section, const char *key)
{
    return cfg->origin[ffcl_config_find(section, key) - ffcl_config_rows];
}

/* Does the key say how a checkpoint is sampled, and not which or how many images? */
static int is_of_family(const ffcl_config_row *row)
{
    static const char *const sections[] = {"model", "vae", "sampler", NULL};
    static const char *const others[] = {
        "checkpoint", "preset", "strict", "seed", "classes", "class_names", "count", "batch",
        "draw_batch", "world", "rank", "cuda_threads", NULL};
    return (ffcl_is_one_of(row->section, sections) && !ffcl_is_one_of(row->key, others)) ||
           (!strcmp(row->section, "output") && !strcmp(row->key, "bytes"));
}

/* "key = value, ..." of the keys of that origin, behind start; of the VAE's "vae.key". */
static void add_keys(note *n, const ffcl_config *cfg, ffcl_config_origin origin, const char *start)
{
    char value[160];
    for (size_t i = 0; i < ffcl_config_n_rows; i++) {
        const ffcl_config_row *row = &ffcl_config_rows[i];
        char *const *text = ffcl_config_string((ffcl_config *)cfg, row);
        if (cfg->origin[i] != origin || !is_of_family(row))
            continue;
        ffcl_config_value_text(value, cfg, row);
        add(n, "%s%s%s = %.200s", start, strcmp(row->section, "vae") ? "" : "vae.", row->key,
            *value || !text || !*text ? value : *text);
        start = ", ";
    }
}

/* The preset, what keys have from it, and what was given otherwise. */
static void report_preset(const ffcl_config *cfg, const ffcl_observer *obs)
{
    const ffcl_preset *p = ffcl_preset_of(cfg);
    note n = {.used = 0};
    if (!p)
        return;
    const ffcl_config_origin origin = origin_of(cfg, "model", "preset");
    add(&n, "preset %s (%s)", p->name,
        origin == FFCL_BY_DEFAULT ? "by the tensors" : origins[origin]);
    add_keys(&n, cfg, FFCL_BY_PRESET, ": ");
    add_keys(&n, cfg, FFCL_BY_FILE, "; INI file: ");
    add_keys(&n, cfg, FFCL_BY_COMMAND, "; command line: ");
    say(&n, obs);
}

/* What each scalar embedder is fed with. */
static void report_embedders(const ffcl_engine *engine, const ffcl_observer *obs)
{
    note n = {.used = 0};
    const size_t embedders = ffcl_engine_sit(engine)->embedders;
    for (size_t i = 0; i < embedders; i++) {
        const ffcl_condition *c = ffcl_engine_condition(engine, i);
        char text[80];
        add(&n, "%s%.100s = %s (%s)", i ? ", " : "embedders: ", c->prefix,
            ffcl_config_input_text(text, sizeof text, c), origins[c->origin]);
    }
    if (embedders)
        say(&n, obs);
}

/* ---- weights -------------------------------------------------------------------------------- */

/* What was taken of a file that holds more than it, and what was passed over. */
static void report_taken(const ffcl_engine *engine, const ffcl_observer *obs, int vae)
{
    const ffcl_tensor_file *file = ffcl_engine_file(engine, vae);
    const char *taken = file ? ffcl_tensor_file_taken(file) : NULL;
    const char *prefix = vae ? "" : ffcl_engine_prefix(engine);
    note n = {.used = 0};
    if (!file)
        return;
    add(&n, "%s: %.500s%s%.100s%s", vae ? "VAE" : "weights", taken ? taken : "the file's",
        *prefix ? ", names of " : "", prefix, *prefix ? "*" : "");
    if (taken || *prefix)
        say(&n, obs);
    if (!ffcl_tensor_file_foreign(file))
        return;
    n.used = 0;
    add(&n, "%.600s would have Python call %.400s; ffcl calls nothing",
        ffcl_tensor_file_path(file), ffcl_tensor_file_foreign(file));
    say(&n, obs);
}

/* The label table of another size than ImageNet's, where it matters what its last row is. */
static void report_labels(const ffcl_engine *engine, const ffcl_config *cfg,
                          const ffcl_observer *obs)
{
    const ffcl_sit_dims *sit = ffcl_engine_sit(engine);
    note n = {.used = 0};
    if (cfg->model.null_class != FFCL_NULL_AUTO || sit->rows == 1001 ||
        (cfg->sampler.kind == FFCL_CLASSES_LIST && cfg->sampler.cfg == FFCL_CFG_NONE))
        return;
    add(&n, "labels: 0 to %zu; the label table has %zu row%s ([model] null_class)",
        sit->classes - 1, sit->rows, sit->rows == 1 ? ", and it is a class"
        : "s, and the last is taken for the null class");
    say(&n, obs);
}

/* ---- what the decoder gets ------------------------------------------------------------------ */

/* Where [vae] scale or shift is from: `of_config`, which config.json has under that name. */
static const char *source_of(const ffcl_config *cfg, const char *key, double given,
                             const char *of_config)
{
    return !isnan(given) ? origins[origin_of(cfg, "vae", key)]
           : of_config   ? of_config
                         : origins[FFCL_BY_DEFAULT];
}

/* [vae] scale or shift that is not config.json's. */
static void report_difference(const ffcl_config *cfg, const char *key, double configured,
                              double used, const ffcl_observer *obs)
{
    note n = {.used = 0};
    if (fabs(configured - used) <= 1e-6 * fabs(configured))
        return;
    add(&n, "the config.json of %.600s gives %s = %.9g; used is [vae] %s = %.9g",
        cfg->vae.weights, strcmp(key, "scale") ? "shift_factor" : "scaling_factor", configured, key,
        used);
    say(&n, obs);
}

/* Scale and shift, mean and deviation of the latents, and what config.json has otherwise. */
static void report_latents(const ffcl_engine *engine, const ffcl_config *cfg,
                           const ffcl_observer *obs)
{
    const ffcl_vae_dims *d = ffcl_engine_vae(engine);
    const ffcl_latent_form *form = ffcl_engine_latent_form(engine);
    const int has_stats = strcmp(cfg->vae.stats, "none") != 0;
    note n = {.used = 0};
    add(&n, "latents: scale %.9g (%s), shift %.9g (%s)", form->scale,
        source_of(cfg, "scale", cfg->vae.scale,
                  has_stats || !(d->scaling > 0) ? NULL
                  : d->is_tiny && d->scaling == 1 ? "a tiny decoder's"
                                                 : "config.json, scaling_factor"),
        form->shift,
        source_of(cfg, "shift", cfg->vae.shift,
                  !has_stats && !d->mean && d->shift != 0 ? "config.json, shift_factor" : NULL));
    if (has_stats)
        add(&n, ", mean and deviation of each channel: %.600s (%s)", cfg->vae.stats,
            origins[origin_of(cfg, "vae", "stats")]);
    else if (d->mean)
        add(&n, ", mean and deviation of each channel (config.json, latents_mean, latents_std)");
    say(&n, obs);
    if (!has_stats && d->has_norm) {
        n = (note){.used = 0};
        add(&n, "%.600s has a batch norm of latents (bn.running_mean), which is passed over; [vae] "
            "stats = %.600s undoes it", cfg->vae.weights, cfg->vae.weights);
        say(&n, obs);
    }
    if (!has_stats && d->scaling > 0 && d->has_config)
        report_difference(cfg, "scale", d->scaling, form->scale, obs);
    if (!has_stats && !d->mean && d->shift != 0)
        report_difference(cfg, "shift", d->shift, form->shift, obs);
}

static void report_groups(const ffcl_engine *engine, const ffcl_config *cfg,
                          const ffcl_observer *obs)
{
    const ffcl_vae_dims *d = ffcl_engine_vae(engine);
    note n = {.used = 0};
    if (d->has_config || cfg->vae.groups || d->groups == 0)
        return;
    add(&n, "%.600s has no config.json beside it: group norms of %zu groups are assumed",
        cfg->vae.weights, d->groups);
    say(&n, obs);
}

/* Of a config.json: ffcl decodes as if they were not there. */
static void report_unknown(const ffcl_engine *engine, const ffcl_config *cfg,
                           const ffcl_observer *obs)
{
    const ffcl_vae_dims *d = ffcl_engine_vae(engine);
    note n = {.used = 0};
    if (!*d->unknown)
        return;
    add(&n, "config.json of %.400s gives %s, which ffcl does not know, and passes over",
        cfg->vae.weights, d->unknown);
    say(&n, obs);
}

/* How many evaluations of the transformer an image takes. */
static void report_steps(const ffcl_engine *engine, const ffcl_observer *obs)
{
    const ffcl_schedule *schedule = ffcl_engine_schedule(engine);
    const size_t evaluations = ffcl_schedule_evaluations(schedule);
    note n = {.used = 0};
    if (evaluations == 1)
        return;
    add(&n, "sampler: %zu step%s, %zu evaluations of the model an image%s", schedule->steps,
        schedule->steps > 1 ? "s" : "", evaluations,
        evaluations > schedule->n_moments ? ", guided ones counted twice" : "");
    say(&n, obs);
}

/* Seeds that differ in their upper half alone give the same images. */
static void report_seed(const ffcl_config *cfg, const ffcl_observer *obs)
{
    const uint64_t seed = cfg->sampler.seed;
    note n = {.used = 0};
    if (cfg->sampler.rng == FFCL_RNG_TORCH_CUDA || seed >> 32 == 0)
        return;
    add(&n, "seed %llu (%lld): PyTorch's generator on a CPU has seeds of 32 bits, so that the "
        "noise is that of seed %lu", (unsigned long long)seed, (long long)seed,
        (unsigned long)(seed & 0xffffffff));
    say(&n, obs);
}

/* Guidance that is asked for and guides no step. */
static void report_idle_guidance(const ffcl_engine *engine, const ffcl_config *cfg,
                                 const ffcl_observer *obs)
{
    const ffcl_schedule *schedule = ffcl_engine_schedule(engine);
    note n = {.used = 0};
    if (cfg->sampler.cfg == FFCL_CFG_NONE || cfg->sampler.guidance == 1.0 ||
        ffcl_schedule_evaluations(schedule) > schedule->n_moments)
        return;
    add(&n, "guidance = %.9g guides no step: ", cfg->sampler.guidance);
    if (cfg->sampler.guidance < 1.0)
        add(&n, "cfg guides where it is above 1, as the published samplers do");
    else
        add(&n, "none begins at a time from guidance_low = %.9g to guidance_high = %.9g",
            cfg->sampler.guidance_low, cfg->sampler.guidance_high);
    say(&n, obs);
}

void ffcl_assumptions_report(const ffcl_engine *engine, const ffcl_config *cfg,
                             const ffcl_observer *obs)
{
    report_preset(cfg, obs);
    ffcl_unused_report(engine, obs);
    report_seed(cfg, obs);
    report_embedders(engine, obs);
    report_steps(engine, obs);
    report_idle_guidance(engine, cfg, obs);
    report_taken(engine, obs, 0);
    report_taken(engine, obs, 1);
    report_labels(engine, cfg, obs);
    if (!ffcl_engine_vae(engine))
        return;
    report_groups(engine, cfg, obs);
    report_unknown(engine, cfg, obs);
    report_latents(engine, cfg, obs);
}

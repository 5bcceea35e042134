/* SPDX-License-Identifier: MIT */
#include "model/family.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config_presets.h"
#include "config_value.h"
#include "files/input.h"
#include "files/statedict.h"
#include "model/sit_weights.h"
#include "util.h"

static const char embedder_end[] = ".mlp.0.weight";

int ffcl_family_matches(const char *patterns, const char *name)
{
    while (patterns && *patterns) {
        char pattern[160];
        patterns += strspn(patterns, ", \t");
        const size_t n = strcspn(patterns, ", \t");
        snprintf(pattern, sizeof pattern, "%.*s", (int)ffcl_min(n, sizeof pattern - 1), patterns);
        if (n && n < sizeof pattern && strcmp(pattern, "none") && !fnmatch(pattern, name, 0))
            return 1;
        patterns += n;
    }
    return 0;
}

/* ---- prefixes ----------------------------------------------------------------------------- */

/* Bytes of name before the tensor that every transformer has, or SIZE_MAX. */
static size_t prefix_of(const char *name)
{
    static const char *const ends[] = {"x_embedder.proj.weight", "x_embedder.proj1.weight"};
    const size_t n = strlen(name);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        const size_t m = strlen(ends[i]);
        if (n >= m && strcmp(name + n - m, ends[i]) == 0 && (n == m || name[n - m - 1] == '.'))
            return n - m;
    }
    return SIZE_MAX;
}

/* A list of prefixes that lead to a transformer into text; how many are averaged weights'. */
typedef struct prefixes {
    char text[400], one[128], averaged[128];
    char dotless[128];          /* of LitEma's names */
    size_t n, n_averaged;
} prefixes;

/* LitEma, of latent-diffusion, keeps averaged weights under names without dots:
 * model_ema.x_embedderprojweight. */
static size_t dotless_prefix(const char *name)
{
    static const char *const ends[] = {"x_embedderprojweight", "x_embedderproj1weight"};
    const char *dot = strrchr(name, '.');
    const size_t n = strlen(name);
    for (size_t i = 0; dot && i < sizeof ends / sizeof *ends; i++) {
        const size_t m = strlen(ends[i]);
        if (n > m && strcmp(name + n - m, ends[i]) == 0)
            return (size_t)(dot - name) + 1;
    }
    return 0;
}

static void find_prefixes(prefixes *p, const ffcl_tensor_file *file)
{
    size_t used = 0;
    *p = (prefixes){.n = 0};
    for (size_t i = 0; i < ffcl_tensor_file_count(file); i++) {
        const char *name = ffcl_tensor_file_at(file, i)->name;
        const size_t n = prefix_of(name), dotless = dotless_prefix(name);
        if (dotless && dotless < sizeof p->dotless)
            snprintf(p->dotless, sizeof p->dotless, "%.*s", (int)dotless, name);
        if (n >= sizeof p->one)
            continue;
        p->n++;
        snprintf(p->one, sizeof p->one, "%.*s", (int)n, name);
        if (ffcl_statedict_sounds_averaged(name, n)) {
            p->n_averaged++;
            snprintf(p->averaged, sizeof p->averaged, "%s", p->one);
        }
        if (used < sizeof p->text)
            used += (size_t)snprintf(p->text + used, sizeof p->text - used, "%s%s",
                                     used ? ", " : "", n ? p->one : "none");
    }
}

/* Does the prefix lead to a transformer? */
static int leads_to_one(const ffcl_tensor_file *file, const char *prefix)
{
    char name[200];
    snprintf(name, sizeof name, "%sx_embedder.proj.weight", prefix);
    if (ffcl_tensor_file_find(file, name))
        return 1;
    snprintf(name, sizeof name, "%sx_embedder.proj1.weight", prefix);
    return ffcl_tensor_file_find(file, name) != NULL;
}

static int choose_prefix(char *out, size_t size, const ffcl_config *cfg,
                         const ffcl_tensor_file *file, ffcl_error *err)
{
    prefixes p;
    *out = '\0';
    find_prefixes(&p, file);
    if (strcmp(cfg->model.prefix, "auto")) {
        const char *want = strcmp(cfg->model.prefix, "none") ? cfg->model.prefix : "";
        snprintf(out, size, "%s", want);
        return leads_to_one(file, want)
                   ? 0 : ffcl_fail(err, FFCL_ECONFIG, "[model] prefix = %.100s leads to no "
                                     "transformer in %s%s%s", cfg->model.prefix,
                                     ffcl_tensor_file_path(file), p.n ? "; those that do: " : "",
                                     p.text);
    }
    const char *usual = ffcl_preset_of(cfg) ? ffcl_preset_of(cfg)->prefix : NULL;
    if (p.n == 0)
        return 0;
    if (usual && p.n > 1 && leads_to_one(file, usual)) {
        snprintf(out, size, "%s", usual);
        return 0;
    }
    if (*p.dotless && !p.n_averaged)
        return ffcl_fail(err, FFCL_ECONFIG, "%s has averaged weights under %s, by names without "
                         "dots, as LitEma keeps them, which are not read: save them under the "
                         "model's own names, or set [model] prefix to %s for the others",
                         ffcl_tensor_file_path(file), p.dotless, *p.one ? p.one : "none");
    snprintf(out, size, "%s", p.n_averaged == 1 ? p.averaged : p.one);
    if (p.n == 1 || p.n_averaged == 1)
        return 0;
    return ffcl_fail(err, FFCL_ECONFIG, "%s holds several transformers: set [model] prefix to one "
                     "of %s", ffcl_tensor_file_path(file), p.text);
}

int ffcl_family_names(ffcl_sit_names *names, const ffcl_config *cfg, const ffcl_tensor_file *file,
                      ffcl_error *err)
{
    *names = (ffcl_sit_names){.ignore = cfg->model.ignore};
    int rc = choose_prefix(names->prefix, sizeof names->prefix, cfg, file, err);
    for (size_t i = 0; rc == 0 && i < ffcl_tensor_file_count(file); i++) {
        const char *name = ffcl_tensor_file_at(file, i)->name;
        size_t block = 0;
        if (ffcl_begins(name, names->prefix) &&
            sscanf(name + strlen(names->prefix), "blocks.%zu.", &block) == 1 && block < 100000)
            names->encoder_depth = ffcl_max(names->encoder_depth, block + 1);
    }
    return rc;
}

/* ---- presets ------------------------------------------------------------------------------ */

/* An embedder that some family feeds with one thing and another with something else. */
static int is_ambiguous(const char *prefix)
{
    static const char *const ones[] = {"r_", "s_", "h_", "delta_"};
    for (size_t i = 0; i < sizeof ones / sizeof *ones; i++)
        if (ffcl_begins(prefix, ones[i]))
            return 1;
    return 0;
}

/* The embedder of a tensor, or 0. */
static int embedder_of(char *prefix, size_t size, const char *name)
{
    const size_t n = strlen(name), m = strlen(embedder_end);
    if (n <= m || n - m >= size || strcmp(name + n - m, embedder_end) != 0)
        return 0;
    snprintf(prefix, size, "%.*s", (int)(n - m), name);
    return 1;
}

/* Is the tensor one of those that are of no interest here? */
static int is_extra(const char *name)
{
    return ffcl_begins(name, "projectors.");
}

typedef struct subject {
    const ffcl_config *cfg;
    const ffcl_weights *w;
} subject;

/* Are the inputs the same? */
static int same_input(const ffcl_condition *a, const char *text)
{
    ffcl_condition b = {0};
    return ffcl_config_parse_input(text, &b) == 0 && a->kind == b.kind &&
           a->has_second == b.has_second && (!b.has_second || a->second == b.second) &&
           (b.kind != FFCL_INPUT_NUMBER || a->number == b.number);
}

/* Are there tensors with each of the beginnings "a&b"? */
static int has_all(const ffcl_weights *w, const char *beginnings)
{
    while (*beginnings) {
        const size_t n = strcspn(beginnings, "&");
        if (!ffcl_weights_has(w, "%.*s", (int)n, beginnings))
            return 0;
        beginnings += n + (beginnings[n] == '&');
    }
    return 1;
}

/* Why the file is not of the family, "" where it may be.  is_open: the preset is not given, so that
 * lines of [condition] say which it can be. */
static void speak_against(const ffcl_preset *p, const subject *s, int is_open, char *why,
                          size_t size)
{
    char prefix[96], name[128];
    *why = '\0';
    for (const char *const *never = p->never; *never && !*why; never++)
        if (has_all(s->w, *never))
            snprintf(why, size, "it has tensors %s*", *never);
    int found = !p->must[0];
    for (const char *const *must = p->must; *must; must++)
        found |= has_all(s->w, *must);
    if (!found && !*why)
        snprintf(why, size, "it has no tensors %s*", p->must[0]);
    for (size_t i = 0; i < s->w->n_names && !*why; i++) {
        if (is_extra(s->w->names[i].name) ||
            !embedder_of(prefix, sizeof prefix, s->w->names[i].name))
            continue;
        const ffcl_condition *given = ffcl_config_given_condition(s->cfg, prefix);
        const char *text = ffcl_preset_embedder(p, prefix, NULL);
        if (!text && (!given || is_open))
            snprintf(why, size, "it has %s", prefix);
        else if (is_open && given && given->kind != FFCL_INPUT_NUMBER && !same_input(given, text))
            snprintf(why, size, "[condition] gives %s another input", prefix);
    }
    for (const char *const *line = p->embedders; *line && !*why; line++) {
        snprintf(prefix, sizeof prefix, "%.*s", (int)strcspn(*line, "="), *line);
        snprintf(name, sizeof name, "%s%s", prefix, embedder_end);
        if (**line != '?' && !ffcl_weights_has(s->w, "%s", name))
            snprintf(why, size, "it has no %s", prefix);
    }
}

/* Scalar embedders of the file; the last of them into prefix. */
static size_t count_embedders(const subject *s, char *prefix, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < s->w->n_names; i++)
        n += !is_extra(s->w->names[i].name) && embedder_of(prefix, size, s->w->names[i].name);
    return n;
}

static int is_called_dit(const char *path)
{
    const char *slash = strrchr(path, '/');
    return strncasecmp(slash ? slash + 1 : path, "DiT", 3) == 0;
}

/* Presets that fit into text, "freeflow, sit"; *one is the last, -1: none. */
static size_t list_fitting(const subject *s, int is_open, char *text, size_t size, int *one)
{
    char why[200];
    size_t n = 0, used = 0;
    *text = '\0';
    *one = -1;
    for (int i = 0; i < FFCL_PRESET_COUNT; i++) {
        speak_against(&ffcl_presets[i], s, is_open, why, sizeof why);
        if (*why)
            continue;
        n++;
        *one = i;
        if (used < size)
            used += (size_t)snprintf(text + used, size - used, "%s%s%s", used ? ", " : "",
                                     ffcl_presets[i].name,
                                     ffcl_presets[i].refused ? " (with solver = ddim)" : "");
    }
    return n;
}

/* The lines of [condition] that could be added for prefix, by what presets have. */
static void list_lines(const char *prefix, char *text, size_t size)
{
    size_t used = 0;
    *text = '\0';
    for (int i = 0; i < FFCL_PRESET_COUNT; i++) {
        const char *input = ffcl_preset_embedder(&ffcl_presets[i], prefix, NULL);
        if (input && used < size && !strstr(text, input))
            used += (size_t)snprintf(text + used, size - used, "%s\"%s = %s\" (as %s)",
                                     used ? " or " : "", prefix, input, ffcl_presets[i].name);
    }
    if (!used)
        snprintf(text, size, "\"%s = delta\" (or t, r, guidance, a number)", prefix);
}

/* [model] preset = auto. */
static int decide(ffcl_config *cfg, const subject *s, ffcl_error *err)
{
    char fitting[400], prefix[96], all[400] = "", lines[400], found[512] = "";
    const char *path = ffcl_tensor_file_path(s->w->file);
    int one, ambiguous = 0;
    size_t used = 0;
    const size_t n = list_fitting(s, 1, fitting, sizeof fitting, &one);
    for (size_t i = 0; i < s->w->n_names; i++) {
        if (is_extra(s->w->names[i].name) ||
            !embedder_of(prefix, sizeof prefix, s->w->names[i].name))
            continue;
        if (used < sizeof found)
            used += (size_t)snprintf(found + used, sizeof found - used, "%s%s", used ? ", " : "",
                                     prefix);
        if (!ffcl_config_given_condition(s->cfg, prefix) && (is_ambiguous(prefix) || n == 0)) {
            if (!ambiguous)
                snprintf(all, sizeof all, "%s", prefix);
            ambiguous = 1;
        }
    }
    if (ambiguous) {
        list_lines(all, lines, sizeof lines);
        return ffcl_fail(err, FFCL_ECONFIG, "%s has scalar embedders %s, and what feeds %s is not "
                         "known, as families differ: set preset under [model]%s%s, or add %s under "
                         "[condition]", path, found, all, n ? " to one that fits: " : "", fitting,
                         lines);
    }
    if (n == 1 && !ffcl_presets[one].refused)
        return ffcl_config_take_preset(cfg, one, err);
    if (n == 0)
        return ffcl_fail(err, FFCL_ECONFIG, "%s is of no family that ffcl knows (scalar embedders: "
                         "%s): set preset under [model] to the one whose sampler it needs, and "
                         "preset_check = no", path, *found ? found : "none");
    return ffcl_fail(err, FFCL_ECONFIG, "%s has tensors that several families have, whose images "
                     "would differ: set preset under [model] to one of %s; \"t_embedder = delta\" "
                     "under [condition] marks a FreeFlow student", path, fitting);
}

/* The first scalar embedder that neither the preset nor [condition] feeds, into prefix. */
static int has_unfed(const ffcl_preset *p, const subject *s, char *prefix, size_t size)
{
    for (size_t i = 0; i < s->w->n_names; i++)
        if (!is_extra(s->w->names[i].name) && embedder_of(prefix, size, s->w->names[i].name) &&
            !ffcl_preset_embedder(p, prefix, NULL) && !ffcl_config_given_condition(s->cfg, prefix))
            return 1;
    return 0;
}

static int check(const ffcl_config *cfg, const subject *s, ffcl_error *err)
{
    const ffcl_preset *p = ffcl_preset_of(cfg);
    const char *path = ffcl_tensor_file_path(s->w->file);
    char why[200], fitting[400], prefix[96] = "";
    int one;
    if (p->refused && cfg->sampler.solver != FFCL_SOLVER_DDIM)
        return ffcl_fail(err, FFCL_ECONFIG, "[model] preset = %s: %s", p->name, p->refused);
    if (!cfg->model.check)
        return 0;
    speak_against(p, s, 0, why, sizeof why);
    if (!*why && is_called_dit(path) && !p->refused)
        snprintf(why, sizeof why, "it is called DiT, which predicts the noise: preset = dit with "
                 "solver = ddim under [sampler]");
    if (*why) {
        list_fitting(s, 0, fitting, sizeof fitting, &one);
        if (has_unfed(p, s, prefix, sizeof prefix)) {
            char lines[400];
            list_lines(prefix, lines, sizeof lines);
            return ffcl_fail(err, FFCL_ECONFIG, "%s is no checkpoint for [model] preset = %s: %s; "
                             "presets that fit: %s; if the preset is right, add %s under "
                             "[condition]", path, p->name, why, *fitting ? fitting : "none", lines);
        }
        return ffcl_fail(err, FFCL_ECONFIG, "%s is no checkpoint for [model] preset = %s: %s; "
                         "presets that fit: %s; preset_check = no trusts the preset", path, p->name,
                         why, *fitting ? fitting : "none");
    }
    if (p->not_alone && count_embedders(s, prefix, sizeof prefix) == 1 &&
        strcmp(prefix, "t_embedder") == 0 && !ffcl_config_given_condition(cfg, prefix))
        return ffcl_fail(err, FFCL_ECONFIG, "%s has t_embedder as its only embedder, as SiT has, "
                         "whose images would be wrong with [model] preset = %s: add \"t_embedder = "
                         "%s\" under [condition] if it is one of %s, or set preset = sit", path,
                         p->name, ffcl_preset_embedder(p, "t_embedder", NULL), p->title);
    return 0;
}

static int is_default(const ffcl_config *cfg, const char *section, const char *key)
{
    return cfg->origin[ffcl_config_find(section, key) - ffcl_config_rows] == FFCL_BY_DEFAULT;
}

int ffcl_family_check_vae(const ffcl_config *cfg, ffcl_error *err)
{
    static const char *const published[] = {"sd-vae-ft-ema", "sd-vae-ft-mse"};
    const char *path = cfg->vae.weights, *which = NULL;
    if (!ffcl_input_is_absent(path))
        return 0;
    if (ffcl_input_check_local(path, err))
        return FFCL_EFILE;
    for (size_t i = 0; i < sizeof published / sizeof *published; i++)
        which = strstr(path, published[i]) ? published[i] : which;
    if (is_default(cfg, "vae", "weights"))
        return ffcl_fail(err, FFCL_EFILE, "no VAE is named, and %s, which is taken then, is not "
                         "there: set weights under [vae]; it is huggingface.co/stabilityai/"
                         "sd-vae-ft-ema", path);
    return which ? ffcl_fail(err, FFCL_EFILE, "%s cannot be opened: No such file or directory; "
                             "huggingface.co/stabilityai/%s has it", path, which)
                 : ffcl_fail(err, FFCL_EFILE, "%s cannot be opened: No such file or directory",
                             path);
}

/* Where there is no checkpoint: where its authors say how to get it. */
static int is_missing(const ffcl_config *cfg, ffcl_error *err)
{
    const ffcl_preset *p = ffcl_preset_of(cfg);
    const char *path = cfg->model.checkpoint;
    if (ffcl_input_check_local(path, err))
        return FFCL_EFILE;
    if (is_default(cfg, "model", "checkpoint"))
        return ffcl_fail(err, FFCL_EFILE, "no checkpoint is named, and %s, which is taken then, is "
                         "not there: set checkpoint under [model]; ffcl presets lists the "
                         "repositories that say where weights are", path);
    return p ? ffcl_fail(err, FFCL_EFILE, "%s cannot be opened: No such file or directory; where "
                         "weights of %s are, and under which licence, github.com/%.*s says", path,
                         p->title, (int)strcspn(p->repository, "@"), p->repository)
             : ffcl_fail(err, FFCL_EFILE, "%s cannot be opened: No such file or directory; ffcl "
                         "presets lists the repositories that say where weights are", path);
}

int ffcl_family_resolve(ffcl_config *cfg, int is_recording, ffcl_error *err)
{
    ffcl_weights w;
    ffcl_tensor_file *file = NULL;
    ffcl_sit_names names;
    char prefix[96] = "";
    int rc = ffcl_input_is_absent(cfg->model.checkpoint)
                 ? is_missing(cfg, err)
                 : ffcl_tensor_file_open_as(&file, cfg->model.checkpoint, cfg->model.wrapper, 0,
                                            err);
    if (rc == 0)
        rc = ffcl_family_names(&names, cfg, file, err);
    ffcl_tensor_file_close(&file);
    if (rc)
        return rc;
    names.ignore = NULL;        /* what a preset ignores tells of it */
    rc = ffcl_weights_open(&w, cfg->model.checkpoint, cfg->model.wrapper, 0, ffcl_sit_rename,
                           &names, err);
    if (rc)
        return rc;
    const subject s = {cfg, &w};
    const int is_model = ffcl_weights_has(&w, "x_embedder.");
    const size_t n = count_embedders(&s, prefix, sizeof prefix);
    const int is_plain = is_recording && n == 1 && strcmp(prefix, "t_embedder") == 0;
    if (is_model && cfg->model.preset == FFCL_PRESET_AUTO && !is_plain)
        rc = decide(cfg, &s, err);
    else if (is_model && cfg->model.preset != FFCL_PRESET_AUTO)
        rc = check(cfg, &s, err);
    ffcl_weights_close(&w);
    /* The VAE may lie in the same file. */
    if (rc == 0 && !strcmp(cfg->vae.weights, "checkpoint")) {
        free(cfg->vae.weights);
        cfg->vae.weights = ffcl_format("%s", cfg->model.checkpoint);
        if (!cfg->vae.weights)
            rc = ffcl_fail(err, FFCL_ENOMEM, "out of memory for a path");
    }
    return rc;
}

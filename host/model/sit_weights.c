/* SPDX-License-Identifier: MIT */
#include "model/sit_weights.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_presets.h"
#include "gemm.h"
#include "util.h"

/* What no model has, so that sizes computed from these fit a size_t; a class is a row of
 * numbers. */
enum { MOST_WIDTH = 65536, MOST_PATCH = 1024, MOST_CHANNELS = 65536, MOST_TOKENS = 1 << 24,
       MOST_EMBEDDERS = 64 };

int ffcl_sit_rename(char **out, const char *name, void *user)
{
    const ffcl_sit_names *names = user;
    const size_t n = strlen(names->prefix);
    size_t block;
    int used = 0;
    *out = NULL;
    if (strncmp(name, names->prefix, n) != 0 || !name[n])
        return 0;
    name += n;
    if (ffcl_family_matches(names->ignore, name))
        return 0;
    /* REPA's first releases called the blocks after those of the encoder, where the representation
     * is read off, decoder_blocks. */
    if (sscanf(name, "decoder_blocks.%zu%n", &block, &used) == 1 && name[used] == '.')
        *out = ffcl_format("blocks.%zu%s", block + names->encoder_depth, name + used);
    else
        *out = ffcl_format("%s", name);
    return *out ? 0 : FFCL_ENOMEM;
}

static size_t heads_for_width(size_t D)
{
    switch (D) {
    case 384:
        return 6;
    case 768:
        return 12;
    case 1024:
    case 1152:
        return 16;
    default:
        return 0;
    }
}

static int derive_heads(ffcl_sit_dims *d, const ffcl_config *cfg, size_t hint, const char *path,
                        ffcl_error *err)
{
    d->H = cfg->model.heads ? cfg->model.heads : heads_for_width(d->D);
    if (d->H == 0)
        d->H = hint;
    if (d->H == 0)
        return ffcl_fail(err, FFCL_ECONFIG,
                         "%s has width %zu, whose number of heads no table knows: set heads under "
                         "[model]", path, d->D);
    if (d->D % d->H)
        return ffcl_fail(err, FFCL_ECONFIG,
                         "[model] heads = %zu does not divide the width %zu of %s", d->H, d->D,
                         path);
    d->Dh = d->D / d->H;
    return 0;
}

/* The latent side: by the number of pos_embed's tokens, or by the configuration where the file has
 * no pos_embed. */
static int derive_grid(ffcl_sit *sit, const ffcl_config *cfg, const char *path, ffcl_error *err)
{
    ffcl_sit_dims *d = &sit->d;
    const ffcl_tensor_info *pos = ffcl_weights_find(&sit->weights, "pos_embed");
    sit->pos_in_file = pos != NULL;
    if (pos && (pos->rank != 3 || pos->count == 0 || pos->shape[1] > MOST_TOKENS))
        return ffcl_fail(err, FFCL_EWEIGHTS, "%s has a pos_embed of impossible size", path);
    if (pos)
        d->G = (size_t)(sqrt((double)pos->shape[1]) + 0.5);
    else if (!pos)
        d->G = cfg->model.latent_size / d->p;
    if (!pos && (cfg->model.latent_size == 0 || d->G * d->p != cfg->model.latent_size))
        return ffcl_fail(err, FFCL_ECONFIG,
                         "%s has no pos_embed, which gives the latent size: set latent_size under "
                         "[model], a multiple of the patch side %zu (32 for 256x256 images)",
                         path, d->p);
    if (d->D % 4)
        return ffcl_fail(err, FFCL_EWEIGHTS, "%s has width %zu, which is no multiple of 4", path,
                         d->D);
    d->T = d->G * d->G;
    d->R = d->G * d->p;
    return 0;
}

/* Sets what feeds each scalar embedder, or fails with all prefixes and the INI line to add. */
static int map_embedders(ffcl_sit *sit, const ffcl_config *cfg, ffcl_error *err)
{
    static const char suffix[] = ".mlp.0.weight";
    const ffcl_weights *w = &sit->weights;
    char found[512] = "", unknown[128] = "";
    size_t used = 0;
    sit->embedders = calloc(w->n_names + 1, sizeof *sit->embedders);
    if (!sit->embedders)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the embedders");
    for (size_t i = 0; i < w->n_names; i++) {
        const char *name = w->names[i].name;
        size_t n = strlen(name);
        if (n < sizeof suffix || strcmp(name + n - (sizeof suffix - 1), suffix) != 0)
            continue;
        if (sit->d.embedders == MOST_EMBEDDERS)
            return ffcl_fail(err, FFCL_EWEIGHTS, "%s has more than %d scalar embedders",
                             ffcl_tensor_file_path(w->file), MOST_EMBEDDERS);
        char prefix[96];
        snprintf(prefix, sizeof prefix, "%.*s", (int)(n - (sizeof suffix - 1)), name);
        if (used < sizeof found)
            used += (size_t)snprintf(found + used, sizeof found - used, "%s%s", used ? ", " : "",
                                     prefix);
        ffcl_condition *c = &sit->embedders[sit->d.embedders].condition;
        const int is_time = cfg->model.preset == FFCL_PRESET_AUTO && !strcmp(prefix, "t_embedder");
        if (ffcl_config_condition(cfg, prefix, c) != 0 && is_time) {
            *c = (ffcl_condition){.kind = FFCL_INPUT_T};    /* a recording: see family.h */
        } else if (ffcl_config_condition(cfg, prefix, c) != 0) {
            if (!*unknown)
                snprintf(unknown, sizeof unknown, "%s", prefix);
            continue;
        }
        c->prefix = ffcl_format("%s", prefix);
        sit->d.embedders++;
        if (!c->prefix)
            return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the embedders");
    }
    if (*unknown)
        return ffcl_fail(err, FFCL_ECONFIG,
                         "%s has scalar embedders %s, and what feeds %s is not known: add "
                         "\"%s = delta\" (or t, r, guidance, a number) under [condition]",
                         ffcl_tensor_file_path(w->file), found, unknown, unknown);
    return 0;
}

/* Of embedders with two inputs, the block from which on the second counts. */
static int derive_split(ffcl_sit *sit, const ffcl_config *cfg, size_t hint, ffcl_error *err)
{
    ffcl_sit_dims *d = &sit->d;
    int has_second = 0;
    for (size_t i = 0; i < d->embedders; i++)
        has_second |= sit->embedders[i].condition.has_second;
    d->split = SIZE_MAX;
    if (!has_second)
        return 0;
    d->split = cfg->model.split ? cfg->model.split : hint ? hint : d->L == 28 ? 20 : 0;
    if (d->split && d->split <= d->L)
        return 0;
    return ffcl_fail(err, FFCL_ECONFIG, "%s has %zu blocks, and from which on the second input "
                     "counts is not in the file: set split under [model], from 1 to %zu",
                     ffcl_tensor_file_path(sit->weights.file), d->L, d->L);
}

/* Does a preset know the embedder?  Files of the same family differ in which they have. */
static int is_usual(const char *prefix)
{
    for (size_t i = 0; i < FFCL_PRESET_COUNT; i++)
        if (ffcl_preset_embedder(&ffcl_presets[i], prefix, NULL))
            return 1;
    return 0;
}

/* Fails on [condition] lines for embedders that the checkpoint lacks. */
static int check_conditions(const ffcl_sit *sit, const ffcl_config *cfg, ffcl_error *err)
{
    for (size_t i = 0; i < cfg->n_conditions; i++) {
        const char *prefix = cfg->conditions[i].prefix;
        int known = 0;
        for (size_t j = 0; j < sit->d.embedders; j++)
            known |= strcmp(sit->embedders[j].condition.prefix, prefix) == 0;
        if (!known && !is_usual(prefix))
            return ffcl_fail(err, FFCL_ECONFIG,
                             "[condition] %s: %s has no scalar embedder of this name", prefix,
                             ffcl_tensor_file_path(sit->weights.file));
    }
    return 0;
}

const ffcl_tensor_file *ffcl_sit_file(const ffcl_sit *sit)
{
    return sit->weights.file;
}

/* A tensor whose shape gives the model's, or NULL where it is missing or of another rank. */
static const ffcl_tensor_info *find_telling(const ffcl_weights *w, const char *name, int rank)
{
    const ffcl_tensor_info *info = ffcl_weights_find(w, "%s", name);
    return info && info->rank == rank ? info : NULL;
}

int ffcl_sit_derive(ffcl_sit *sit, const ffcl_config *cfg, const ffcl_sit_hints *hints,
                    ffcl_error *err)
{
    ffcl_sit_dims *d = &sit->d;
    const ffcl_weights *w = &sit->weights;
    const char *path = ffcl_tensor_file_path(w->file);
    const ffcl_tensor_info *patch = find_telling(w, "x_embedder.proj.weight", 4);
    const ffcl_tensor_info *table = find_telling(w, "y_embedder.embedding_table.weight", 2);
    const ffcl_tensor_info *last = find_telling(w, "final_layer.linear.weight", 2);
    const ffcl_tensor_info *fc1 = find_telling(w, "blocks.0.mlp.fc1.weight", 2);
    size_t patch_size = 0;
    if (!patch || !table || !last || !fc1)
        return ffcl_fail(err, FFCL_EWEIGHTS,
                         "%s is no SiT checkpoint: it has %zu tensors, but not all of "
                         "x_embedder.proj.weight, y_embedder.embedding_table.weight, "
                         "blocks.0.mlp.fc1.weight and final_layer.linear.weight in the usual ranks",
                         path, w->n_names);
    d->D = patch->shape[0];
    d->C = patch->shape[1];
    d->p = patch->shape[2];
    d->mlp = fc1->shape[0];
    d->rows = table->shape[0];
    d->classes = cfg->model.null_class == FFCL_NULL_NONE ||
                 (cfg->model.null_class == FFCL_NULL_AUTO && d->rows == 1) ? d->rows
                                                                            : d->rows - 1;
    if (!patch->count || !table->count || !last->count || !fc1->count ||
        d->D > MOST_WIDTH || d->mlp > MOST_WIDTH * 16 || d->p > MOST_PATCH ||
        d->C > MOST_CHANNELS || ffcl_mul(&patch_size, d->p, d->p) || last->shape[0] % patch_size)
        return ffcl_fail(err, FFCL_EWEIGHTS, "%s has a tensor of impossible size", path);
    if (d->classes == 0)
        return ffcl_fail(err, FFCL_ECONFIG, "[model] null_class = last leaves no class: the label "
                         "table of %s has one row", path);
    d->Cout = last->shape[0] / patch_size;
    if (d->Cout < d->C)
        return ffcl_fail(err, FFCL_EWEIGHTS, "%s has %zu output channels for %zu latent channels",
                         path, d->Cout, d->C);
    while (ffcl_weights_has(w, "blocks.%zu.", d->L))
        d->L++;
    int rc = derive_heads(d, cfg, hints->heads, path, err);
    if (rc == 0)
        rc = derive_grid(sit, cfg, path, err);
    if (rc == 0)
        rc = map_embedders(sit, cfg, err);
    if (rc == 0)
        rc = derive_split(sit, cfg, hints->split, err);
    if (rc == 0)
        rc = check_conditions(sit, cfg, err);
    if (rc == 0) {
        sit->blocks = calloc(d->L + 1, sizeof *sit->blocks);
        if (!sit->blocks)
            rc = ffcl_fail(err, FFCL_ENOMEM, "out of memory for %zu blocks", d->L);
    }
    return rc;
}

/* The shape of a layer (K, N), in the blocks' dtype or float32. */
static void shape(const ffcl_sit *sit, ffcl_linear *l, size_t N, size_t K, ffcl_dtype dtype)
{
    l->w = ffcl_tensor_of(dtype, 1, K, N);
    l->w.layout = dtype == FFCL_F16 ? FFCL_TILES : sit->layout;
    l->w.ld = l->w.layout == FFCL_COLUMNS ? K : N;
    l->b = ffcl_tensor_of(FFCL_F32, 1, 1, N);
}

/* The file's (N, K) matrix and (N) bias as columns at .. of the layer. */
static void add_columns(ffcl_sit *sit, ffcl_linear *l, size_t N, size_t at, const char *name)
{
    ffcl_weights_add(&sit->weights,
                     &(ffcl_weight_row){.rank = 2, .shape = {N, l->w.rows},
                                        .kind = FFCL_ROW_MATRIX, .to = &l->w, .at = at},
                     "%s.weight", name);
    ffcl_weights_add(&sit->weights,
                     &(ffcl_weight_row){.rank = 1, .shape = {N}, .to = &l->b, .at = at},
                     "%s.bias", name);
}

static void add_linear(ffcl_sit *sit, ffcl_linear *l, size_t N, size_t K, ffcl_dtype dtype,
                       const char *format, ...) __attribute__((format(printf, 6, 7)));
static void add_linear(ffcl_sit *sit, ffcl_linear *l, size_t N, size_t K, ffcl_dtype dtype,
                       const char *format, ...)
{
    char name[80];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    shape(sit, l, N, K, dtype);
    add_columns(sit, l, N, 0, name);
}

/* Gives every block 6*D columns and the final layer 2*D, opening a new group when one is full. */
static int group_modulations(ffcl_sit *sit, size_t max_bytes, ffcl_error *err)
{
    const ffcl_sit_dims *d = &sit->d;
    size_t limit = sit->layout == FFCL_COLUMNS ? 6 * d->D : max_bytes / (d->D * sizeof(float));
    free(sit->groups);
    sit->n_groups = 0;
    sit->groups = calloc(d->L + 3, sizeof *sit->groups);
    if (!sit->groups)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the modulations");
    for (size_t i = 0; i <= d->L; i++) {
        size_t width = i < d->L ? 6 * d->D : 2 * d->D;
        if (sit->n_groups == 0 || i == d->split ||
            sit->groups[sit->n_groups - 1].columns + width > limit)
            sit->n_groups++;
        ffcl_sit_modulations *g = &sit->groups[sit->n_groups - 1];
        g->is_second = i >= d->split;
        *(i < d->L ? &sit->blocks[i].group : &sit->final_group) = sit->n_groups - 1;
        *(i < d->L ? &sit->blocks[i].column : &sit->final_column) = g->columns;
        g->columns += width;
    }
    return 0;
}

static void add_modulation(ffcl_sit *sit, size_t group, size_t column, size_t width,
                           const char *name)
{
    ffcl_sit_modulations *g = &sit->groups[group];
    shape(sit, &g->layer, g->columns, sit->d.D, sit->dtype);
    add_columns(sit, &g->layer, width, column, name);
}

/* The tensors used before the blocks: patches, positions, labels and scalars. */
static void add_embedders(ffcl_sit *sit)
{
    const ffcl_sit_dims *d = &sit->d;
    const size_t K = d->C * d->p * d->p;
    sit->patch = (ffcl_linear){ffcl_tensor_of(FFCL_F32, 1, K, d->D),
                               ffcl_tensor_of(FFCL_F32, 1, 1, d->D)};
    sit->pos = ffcl_tensor_of(FFCL_F32, 1, d->T, d->D);
    sit->table = ffcl_tensor_of(FFCL_F32, 1, d->rows, d->D);
    ffcl_weights_add(&sit->weights,
                     &(ffcl_weight_row){.rank = 4, .shape = {d->D, d->C, d->p, d->p},
                                        .kind = FFCL_ROW_MATRIX, .to = &sit->patch.w},
                     "x_embedder.proj.weight");
    ffcl_weights_add(&sit->weights,
                     &(ffcl_weight_row){.rank = 1, .shape = {d->D}, .to = &sit->patch.b},
                     "x_embedder.proj.bias");
    if (sit->pos_in_file)
        ffcl_weights_add(&sit->weights,
                         &(ffcl_weight_row){.rank = 3, .shape = {1, d->T, d->D}, .to = &sit->pos},
                         "pos_embed");
    ffcl_weights_add(&sit->weights,
                     &(ffcl_weight_row){.rank = 2, .shape = {d->rows, d->D},
                                        .to = &sit->table},
                     "y_embedder.embedding_table.weight");
    for (size_t i = 0; i < d->embedders; i++) {
        ffcl_sit_embedder *e = &sit->embedders[i];
        add_linear(sit, &e->in, d->D, 256, FFCL_F32, "%s.mlp.0", e->condition.prefix);
        add_linear(sit, &e->out, d->D, d->D, FFCL_F32, "%s.mlp.2", e->condition.prefix);
    }
}

int ffcl_sit_table(ffcl_sit *sit, size_t max_bytes, ffcl_error *err)
{
    const ffcl_sit_dims *d = &sit->d;
    const ffcl_dtype dtype = sit->dtype;
    char name[64];
    int rc = group_modulations(sit, max_bytes, err);
    if (rc)
        return rc;
    sit->weights.n_rows = 0;
    add_embedders(sit);
    for (size_t i = 0; i < d->L; i++) {
        ffcl_sit_block *b = &sit->blocks[i];
        add_linear(sit, &b->qkv, 3 * d->D, d->D, dtype, "blocks.%zu.attn.qkv", i);
        add_linear(sit, &b->proj, d->D, d->D, dtype, "blocks.%zu.attn.proj", i);
        add_linear(sit, &b->fc1, d->mlp, d->D, dtype, "blocks.%zu.mlp.fc1", i);
        add_linear(sit, &b->fc2, d->D, d->mlp, dtype, "blocks.%zu.mlp.fc2", i);
        snprintf(name, sizeof name, "blocks.%zu.adaLN_modulation.1", i);
        add_modulation(sit, b->group, b->column, 6 * d->D, name);
    }
    add_modulation(sit, sit->final_group, sit->final_column, 2 * d->D,
                   "final_layer.adaLN_modulation.1");
    /* Its GEMM unpatchifies, for which only the skinny kernel is made, and that reads (K, N). */
    const ffcl_layout layout = sit->layout;
    sit->layout = FFCL_ROWS;
    add_linear(sit, &sit->final, d->p * d->p * d->Cout, d->D, FFCL_F32, "final_layer.linear");
    sit->layout = layout;
    return 0;
}

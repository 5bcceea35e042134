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

/* Replaces what name has of `old`, which is not shorter than `new`. */
static void replace(char *name, const char *old, const char *new)
{
    char *at = strstr(name, old);
    if (!at)
        return;
    memmove(at + strlen(new), at + strlen(old), strlen(at + strlen(old)) + 1);
    memcpy(at, new, strlen(new));
}

/* iMF and pMF call linear layers after Flax's, and some of them otherwise than the others do. */
static void make_canonical(char *name)
{
    replace(name, "._flax_linear", "");
    replace(name, "._flax_embedding", "");
    if (strncmp(name, "u_final_layer.", 14) == 0)
        replace(name, "u_final_layer.", "final_layer.");
    replace(name, "final_layer.norm_final.", "final_layer.norm.");
    replace(name, ".attn.out_proj.", ".attn.proj.");
}

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
    /* pMF's table of complex numbers, which is computed (ffcl_rope_table), and how many weights
     * torch.optim.swa_utils.AveragedModel has averaged. */
    if (strcmp(name, "rope_freqs") == 0 || strcmp(name, "n_averaged") == 0)
        return 0;
    /* REPA's first releases called the blocks after those of the encoder, where the representation
     * is read off, decoder_blocks. */
    if (sscanf(name, "decoder_blocks.%zu%n", &block, &used) == 1 && name[used] == '.')
        *out = ffcl_format("blocks.%zu%s", block + names->encoder_depth, name + used);
    else
        *out = ffcl_format("%s", name);
    if (!*out)
        return FFCL_ENOMEM;
    make_canonical(*out);
    return 0;
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
    case 1280:
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
                         "%s: cannot infer the head count for hidden size %zu: set model.heads",
                         path, d->D);
    if (d->D % d->H)
        return ffcl_fail(err, FFCL_ECONFIG,
                         "[model] heads = %zu does not divide the width %zu of %s", d->H, d->D,
                         path);
    d->Dh = d->D / d->H;
    return 0;
}

/* The latent side: by the number of pos_embed's tokens, or by the configuration where the file has
 * no pos_embed. */
static int derive_grid(ffcl_sit *sit, const ffcl_config *cfg, size_t hint, const char *path,
                       ffcl_error *err)
{
    ffcl_sit_dims *d = &sit->d;
    const ffcl_tensor_info *pos = ffcl_weights_find(&sit->weights, "pos_embed");
    const size_t prefix = ffcl_sit_form_prefix(&sit->form);
    const size_t side = cfg->model.latent_size ? cfg->model.latent_size : hint;
    sit->pos_in_file = pos != NULL;
    if (pos && (pos->rank != 3 || pos->count == 0 || pos->shape[1] > MOST_TOKENS ||
                pos->shape[1] <= prefix))
        return ffcl_fail(err, FFCL_EWEIGHTS, "%s has a pos_embed of impossible size", path);
    if (pos)
        d->G = (size_t)(sqrt((double)(pos->shape[1] - prefix)) + 0.5);
    else if (!pos)
        d->G = side / d->p;
    if (!pos && (side == 0 || d->G * d->p != side))
        return ffcl_fail(err, FFCL_ECONFIG,
                         "%s has no pos_embed, which gives the latent size: set latent_size under "
                         "[model], a multiple of the patch side %zu (32 for 256x256 images)",
                         path, d->p);
    if (d->D % 4)
        return ffcl_fail(err, FFCL_EWEIGHTS, "%s has width %zu, which is no multiple of 4", path,
                         d->D);
    d->T = d->G * d->G;
    d->N = prefix + d->T;
    d->R = d->G * d->p;
    if (sit->form.rope != FFCL_ROPE_NONE &&
        d->Dh % (sit->form.rope == FFCL_ROPE_PATCHES ? 4 : 2) != 0)
        return ffcl_fail(err, FFCL_EWEIGHTS, "%s turns heads of %zu columns, which are no multiple "
                         "of %d", path, d->Dh, sit->form.rope == FFCL_ROPE_PATCHES ? 4 : 2);
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

/* The names of the embedders, with commas. */
static void list_embedders(const ffcl_sit *sit, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < sit->d.embedders && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "",
                                 sit->embedders[i].condition.prefix);
}

/* Fails on [condition] lines for embedders that the checkpoint lacks. */
static int check_conditions(const ffcl_sit *sit, const ffcl_config *cfg, ffcl_error *err)
{
    for (size_t i = 0; i < cfg->n_conditions; i++) {
        const char *prefix = cfg->conditions[i].prefix;
        char list[200];
        int known = 0;
        for (size_t j = 0; j < sit->d.embedders; j++)
            known |= strcmp(sit->embedders[j].condition.prefix, prefix) == 0;
        if (known || is_usual(prefix))
            continue;
        list_embedders(sit, list, sizeof list);
        return ffcl_fail(err, FFCL_ECONFIG, "[condition] %s: %s has no scalar embedder of this "
                         "name; it has %s", prefix, ffcl_tensor_file_path(sit->weights.file),
                         *list ? list : "none");
    }
    return 0;
}

const ffcl_tensor_file *ffcl_sit_file(const ffcl_sit *sit)
{
    return sit->weights.file;
}

/* Embedders of prefix tokens are put into the order of the tokens. */
static int order_embedders(ffcl_sit *sit, ffcl_error *err)
{
    const size_t kinds = sit->form.kinds;
    for (size_t k = 0; k < kinds; k++) {
        size_t i = k;
        while (i < sit->d.embedders &&
               strcmp(sit->embedders[i].condition.prefix, ffcl_sit_token_embedders[k]) != 0)
            i++;
        if (i == sit->d.embedders || kinds != sit->d.embedders)
            return ffcl_fail(err, FFCL_EWEIGHTS, "%s has prefix tokens, and %s",
                             ffcl_tensor_file_path(sit->weights.file), i == sit->d.embedders
                                 ? "not the embedder of each" : "embedders of no token");
        const ffcl_sit_embedder e = sit->embedders[i];
        sit->embedders[i] = sit->embedders[k];
        sit->embedders[k] = e;
    }
    return 0;
}

/* A tensor whose shape gives the model's, or NULL where it is missing or of another rank. */
static const ffcl_tensor_info *find_telling(const ffcl_weights *w, const char *name, int rank)
{
    const ffcl_tensor_info *info = ffcl_weights_find(w, "%s", name);
    return info && info->rank == rank ? info : NULL;
}

/* The first layer of the MLP. */
static const ffcl_tensor_info *find_first_layer(const ffcl_weights *w, const char *block)
{
    static const char *const names[] = {"fc1", "w12", "w1"};
    const ffcl_tensor_info *info = NULL;
    for (size_t i = 0; !info && i < sizeof names / sizeof *names; i++)
        info = ffcl_weights_find(w, "%s.mlp.%s.weight", block, names[i]);
    return info && info->rank == 2 ? info : NULL;
}

int ffcl_sit_derive(ffcl_sit *sit, const ffcl_config *cfg, const ffcl_sit_hints *hints,
                    ffcl_error *err)
{
    ffcl_sit_dims *d = &sit->d;
    ffcl_weights *w = &sit->weights;
    const char *path = ffcl_tensor_file_path(w->file);
    char block[64];
    int rc = ffcl_sit_form_derive(&sit->form, w, err);
    if (rc)
        return rc;
    ffcl_sit_block_name(&sit->form, 0, block, sizeof block);
    const ffcl_tensor_info *patch = find_telling(w, sit->form.bottleneck
                                                        ? "x_embedder.proj1.weight"
                                                        : "x_embedder.proj.weight", 4);
    const ffcl_tensor_info *table = find_telling(w, "y_embedder.embedding_table.weight", 2);
    const ffcl_tensor_info *last = find_telling(w, "final_layer.linear.weight", 2);
    const ffcl_tensor_info *fc1 = find_first_layer(w, block);
    size_t patch_size = 0;
    if (!patch || !table || !last || !fc1)
        return ffcl_fail(err, FFCL_EWEIGHTS,
                         "%s is no SiT checkpoint: it has %zu tensors, but not all of "
                         "x_embedder.proj.weight, y_embedder.embedding_table.weight, "
                         "%s.mlp.fc1.weight (or w12, w1) and final_layer.linear.weight in the "
                         "usual ranks%s", path, w->n_names, block,
                         ffcl_weights_remedy(w, "model.checkpoint"));
    d->D = last->shape[1];
    d->C = patch->shape[1];
    d->p = patch->shape[2];
    d->mlp = fc1->shape[0] / (sit->form.swiglu && !sit->form.separate ? 2 : 1);
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
    while (ffcl_sit_block_name(&sit->form, d->L, block, sizeof block),
           ffcl_weights_has(w, "%s.", block))
        d->L++;
    rc = derive_heads(d, cfg, hints->heads, path, err);
    if (rc == 0)
        rc = derive_grid(sit, cfg, hints->side, path, err);
    if (rc == 0)
        rc = map_embedders(sit, cfg, err);
    if (rc == 0)
        rc = derive_split(sit, cfg, hints->split, err);
    if (rc == 0)
        rc = check_conditions(sit, cfg, err);
    if (rc == 0)
        rc = order_embedders(sit, err);
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

/* The file's (N, K) matrix and, where the layer has one, (N) bias as columns at .. of the layer. */
static void add_columns(ffcl_sit *sit, ffcl_linear *l, size_t N, size_t K, size_t at,
                        const char *name)
{
    ffcl_weights_add(&sit->weights,
                     &(ffcl_weight_row){.rank = 2, .shape = {N, K}, .kind = FFCL_ROW_MATRIX,
                                        .to = &l->w, .at = at},
                     "%s.weight", name);
    if (l->b.cols)
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
    add_columns(sit, l, N, K, 0, name);
}

/* Gives every block its columns and the final layer 2*D, opening a new group when one is full;
 * none where nothing is modulated. */
static int group_modulations(ffcl_sit *sit, size_t max_bytes, ffcl_error *err)
{
    const ffcl_sit_dims *d = &sit->d;
    const size_t each = sit->form.chunks * d->D;
    size_t limit = sit->layout == FFCL_COLUMNS ? each : max_bytes / (d->D * sizeof(float));
    free(sit->groups);
    sit->n_groups = 0;
    sit->groups = calloc(d->L + 3, sizeof *sit->groups);
    if (!sit->groups)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the modulations");
    for (size_t i = 0; each && i <= d->L; i++) {
        size_t width = i < d->L ? each : 2 * d->D;
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
    add_columns(sit, &g->layer, width, sit->d.D, column, name);
}

/* The file's n numbers of any rank as elements at .. of to. */
static void add_vector(ffcl_sit *sit, ffcl_tensor *to, size_t n, size_t at, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
static void add_vector(ffcl_sit *sit, ffcl_tensor *to, size_t n, size_t at, const char *format, ...)
{
    char name[96];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    ffcl_weights_add(&sit->weights,
                     &(ffcl_weight_row){.rank = 1, .shape = {n}, .to = to, .at = at}, "%s", name);
}

/* Patches, (C*p*p, D), or by way of the bottleneck. */
static void add_patches(ffcl_sit *sit)
{
    const ffcl_sit_dims *d = &sit->d;
    const size_t K = d->C * d->p * d->p, narrow = sit->form.bottleneck;
    const size_t width = narrow ? narrow : d->D;
    const char *name = narrow ? "x_embedder.proj1" : "x_embedder.proj";
    sit->patch = (ffcl_linear){ffcl_tensor_of(FFCL_F32, 1, K, width),
                               ffcl_tensor_of(FFCL_F32, 1, 1, width)};
    ffcl_weights_add(&sit->weights,
                     &(ffcl_weight_row){.rank = 4, .shape = {width, d->C, d->p, d->p},
                                        .kind = FFCL_ROW_MATRIX, .to = &sit->patch.w},
                     "%s.weight", name);
    add_vector(sit, &sit->patch.b, width, 0, "%s.bias", name);
    if (narrow)
        add_linear(sit, &sit->widen, d->D, narrow, FFCL_F32, "x_embedder.proj2");
}

/* The parameters of prefix tokens, those of all kinds one after the other. */
static void add_tokens(ffcl_sit *sit)
{
    const size_t D = sit->d.D, *ends = sit->form.ends;
    sit->tokens = ffcl_tensor_of(FFCL_F32, 1, ffcl_sit_form_prefix(&sit->form), D);
    for (size_t k = 0; sit->form.kinds && k <= sit->form.kinds; k++) {
        const char *name = ffcl_sit_token_names[k];
        const size_t first = k ? ends[k - 1] : 0, n = ends[k] - first;
        const int rank = ffcl_weights_find(&sit->weights, "%s", name)->rank;
        ffcl_weights_add(&sit->weights,
                         &(ffcl_weight_row){.rank = rank,
                                            .shape = {rank == 3 ? 1 : n, rank == 3 ? n : D, D},
                                            .to = &sit->tokens, .at = first * D},
                         "%s", name);
    }
}

/* The tensors used before the blocks: patches, positions, labels and scalars. */
static void add_embedders(ffcl_sit *sit)
{
    const ffcl_sit_dims *d = &sit->d;
    const int is_placed = sit->pos_in_file || !sit->form.kinds;
    sit->pos = ffcl_tensor_of(FFCL_F32, 1, d->N, is_placed ? d->D : 0);
    sit->rope = ffcl_tensor_of(FFCL_F32, 1, d->N, sit->form.rope == FFCL_ROPE_NONE ? 0 : d->Dh);
    sit->table = ffcl_tensor_of(FFCL_F32, 1, d->rows, d->D);
    add_patches(sit);
    if (sit->pos_in_file)
        ffcl_weights_add(&sit->weights,
                         &(ffcl_weight_row){.rank = 3, .shape = {1, d->N, d->D}, .to = &sit->pos},
                         "pos_embed");
    ffcl_weights_add(&sit->weights,
                     &(ffcl_weight_row){.rank = 2, .shape = {d->rows, d->D},
                                        .to = &sit->table},
                     "y_embedder.embedding_table.weight");
    add_tokens(sit);
    for (size_t i = 0; i < d->embedders; i++) {
        ffcl_sit_embedder *e = &sit->embedders[i];
        add_linear(sit, &e->in, d->D, 256, FFCL_F32, "%s.mlp.0", e->condition.prefix);
        add_linear(sit, &e->out, d->D, d->D, FFCL_F32, "%s.mlp.2", e->condition.prefix);
    }
}

/* ---- the blocks --------------------------------------------------------------------------- */

/* A layer of a block; without a bias where the form has none. */
static void block_shape(const ffcl_sit *sit, ffcl_linear *l, size_t N, size_t K)
{
    shape(sit, l, N, K, sit->dtype);
    l->b.cols = sit->form.separate ? 0 : N;
}

static void add_attention(ffcl_sit *sit, ffcl_sit_block *b, const char *block)
{
    static const char *const parts[] = {"q", "k", "v"};
    const size_t D = sit->d.D, Dh = sit->d.Dh;
    const char *scale = ffcl_weights_has(&sit->weights, "%s.attn.q_norm.scale", block) ? "scale"
                                                                                       : "weight";
    char name[96];
    block_shape(sit, &b->qkv, 3 * D, D);
    snprintf(name, sizeof name, "%s.attn.qkv", block);
    if (!sit->form.separate)
        add_columns(sit, &b->qkv, 3 * D, D, 0, name);
    for (size_t i = 0; sit->form.separate && i < 3; i++) {
        snprintf(name, sizeof name, "%s.attn.%s_proj", block, parts[i]);
        add_columns(sit, &b->qkv, D, D, i * D, name);
    }
    block_shape(sit, &b->proj, D, D);
    snprintf(name, sizeof name, "%s.attn.proj", block);
    add_columns(sit, &b->proj, D, D, 0, name);
    b->qk_norm.w = b->qk_norm.b = ffcl_tensor_of(FFCL_F32, 1, 2, 0);
    if (sit->form.qk_norm != FFCL_NORM_NONE)
        b->qk_norm.w = ffcl_tensor_of(FFCL_F32, 1, 2, Dh);
    if (sit->form.qk_norm == FFCL_NORM_LAYER)
        b->qk_norm.b = ffcl_tensor_of(FFCL_F32, 1, 2, Dh);
    for (size_t i = 0; i < 2 && b->qk_norm.w.cols; i++)
        add_vector(sit, &b->qk_norm.w, Dh, i * Dh, "%s.attn.%s_norm.%s", block, parts[i], scale);
    for (size_t i = 0; i < 2 && b->qk_norm.b.cols; i++)
        add_vector(sit, &b->qk_norm.b, Dh, i * Dh, "%s.attn.%s_norm.bias", block, parts[i]);
}

/* In half, widths are padded to what the matrix units take, eight: with columns that are not read,
 * and rows that are 0. */
static size_t padded(const ffcl_sit *sit, size_t n)
{
    return sit->dtype == FFCL_F16 && sit->form.swiglu ? ffcl_round_up(n, 8) : n;
}

static void add_mlp(ffcl_sit *sit, ffcl_sit_block *b, const char *block)
{
    const int swiglu = sit->form.swiglu, separate = sit->form.separate;
    const size_t D = sit->d.D, F = sit->d.mlp, wide = swiglu ? 2 * F : F;
    char name[96];
    block_shape(sit, &b->fc1, padded(sit, wide), D);
    snprintf(name, sizeof name, "%s.mlp.%s", block, !swiglu ? "fc1" : separate ? "w1" : "w12");
    add_columns(sit, &b->fc1, separate && swiglu ? F : wide, D, 0, name);
    snprintf(name, sizeof name, "%s.mlp.w3", block);
    if (separate && swiglu)
        add_columns(sit, &b->fc1, F, D, F, name);
    block_shape(sit, &b->fc2, D, padded(sit, F));
    snprintf(name, sizeof name, "%s.mlp.%s", block, !swiglu ? "fc2" : separate ? "w2" : "w3");
    add_columns(sit, &b->fc2, D, F, 0, name);
}

/* Weights of the norms, and gains of the two halves of a block that is not modulated. */
static void add_vectors(ffcl_sit *sit, ffcl_sit_block *b, const char *block)
{
    static const char *const gains[] = {"attn_scale", "mlp_scale"};
    const size_t D = sit->d.D;
    for (size_t i = 0; i < 2; i++) {
        b->norm[i] = ffcl_tensor_of(FFCL_F32, 1, 1, sit->form.norm == FFCL_NORM_RMS ? D : 0);
        b->gain[i] = ffcl_tensor_of(FFCL_F32, 1, 1, sit->form.chunks ? 0 : D);
        if (b->norm[i].cols)
            add_vector(sit, &b->norm[i], D, 0, "%s.norm%zu.weight", block, i + 1);
        if (b->gain[i].cols)
            add_vector(sit, &b->gain[i], D, 0, "%s.%s", block, gains[i]);
    }
}

int ffcl_sit_table(ffcl_sit *sit, size_t max_bytes, ffcl_error *err)
{
    const ffcl_sit_dims *d = &sit->d;
    char block[64], name[96];
    int rc = group_modulations(sit, max_bytes, err);
    if (rc)
        return rc;
    sit->weights.n_rows = 0;
    add_embedders(sit);
    for (size_t i = 0; i < d->L; i++) {
        ffcl_sit_block *b = &sit->blocks[i];
        ffcl_sit_block_name(&sit->form, i, block, sizeof block);
        add_attention(sit, b, block);
        add_mlp(sit, b, block);
        add_vectors(sit, b, block);
        snprintf(name, sizeof name, "%s.adaLN_modulation.1", block);
        if (sit->form.chunks)
            add_modulation(sit, b->group, b->column, sit->form.chunks * d->D, name);
    }
    if (sit->form.chunks)
        add_modulation(sit, sit->final_group, sit->final_column, 2 * d->D,
                       "final_layer.adaLN_modulation.1");
    sit->norm_final = ffcl_tensor_of(FFCL_F32, 1, 1, sit->form.norm == FFCL_NORM_RMS ? d->D : 0);
    if (sit->norm_final.cols)
        add_vector(sit, &sit->norm_final, d->D, 0, "final_layer.norm.weight");
    /* Its GEMM unpatchifies, for which only the skinny kernel is made, and that reads (K, N). */
    const ffcl_layout layout = sit->layout;
    sit->layout = FFCL_ROWS;
    add_linear(sit, &sit->final, d->p * d->p * d->Cout, d->D, FFCL_F32, "final_layer.linear");
    sit->layout = layout;
    return 0;
}

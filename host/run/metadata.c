/* SPDX-License-Identifier: MIT */
#include "run/metadata.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "class_names.h"
#include "config_table.h"
#include "run/labels.h"
#include "util.h"

/* Columns of a line of classes: the INI parser has a limit. */
enum { LINE = 150 };

struct ffcl_metadata {
    const ffcl_config *cfg;     /* as the engine has it, resolved */
    const ffcl_engine *engine;
    const ffcl_noise_spec *noise;
    const char *checkpoint, *vae;       /* their hashes; vae "" where there is none */
    int64_t *labels;            /* (count) */
    ffcl_class_names *names;    /* NULL: those that there are, are of another model */
};

int ffcl_metadata_open(ffcl_metadata **out, const ffcl_config *cfg, const ffcl_engine *engine,
                       const ffcl_noise_spec *noise, ffcl_hashes *hashes, ffcl_error *err)
{
    ffcl_error ignored;
    *out = NULL;
    if (!ffcl_config_has_metadata(cfg) || !hashes)
        return 0;
    ffcl_metadata *m = calloc(1, sizeof *m);
    if (!m)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the texts of PNGs");
    m->cfg = ffcl_engine_config(engine);
    m->engine = engine;
    m->noise = noise;
    int rc = ffcl_hashes_get(hashes, &m->checkpoint, &m->vae, err);
    if (rc == 0)
        rc = ffcl_labels_make(&m->labels, noise, err);
    if (rc == 0 && ffcl_class_names_open(&m->names, cfg->sampler.class_names, &ignored) == 0 &&
        ffcl_class_names_count(m->names) != ffcl_engine_sit(engine)->classes)
        ffcl_class_names_close(&m->names);
    if (rc)
        ffcl_metadata_close(&m);
    *out = m;
    return rc;
}

void ffcl_metadata_close(ffcl_metadata **m)
{
    if (!*m)
        return;
    ffcl_class_names_close(&(*m)->names);
    free((*m)->labels);
    free(*m);
    *m = NULL;
}

/* ---- the INI file ------------------------------------------------------------------------- */

/* "0-9, 207,", in lines that continue. */
static void write_list(FILE *out, const int64_t *list, size_t n)
{
    int at = fprintf(out, "classes = ");
    for (size_t i = 0, end; i < n; i = end) {
        char entry[64];
        for (end = i + 1; end < n && list[end] == list[end - 1] + 1; end++)
            continue;
        if (end - i > 2)
            snprintf(entry, sizeof entry, "%" PRId64 "-%" PRId64, list[i], list[end - 1]);
        else
            snprintf(entry, sizeof entry, "%" PRId64, list[i]);
        if (end - i == 2)
            end = i + 1;
        at += fprintf(out, "%s%s", entry, end < n ? "," : "");
        if (end < n)
            at = at > LINE ? fprintf(out, "\n    ") : at + fprintf(out, " ");
    }
    fputc('\n', out);
}

static void write_classes(const ffcl_metadata *m, size_t index, FILE *out)
{
    if (m->cfg->sampler.kind == FFCL_CLASSES_RANDOM)
        fputs("classes = random\n", out);
    else if (m->cfg->sampler.kind == FFCL_CLASSES_BALANCED)
        fputs("classes = balanced\n", out);
    else if (index != FFCL_METADATA_GRID)
        write_list(out, &m->labels[index], 1);
    else
        write_list(out, m->cfg->sampler.classes, m->cfg->sampler.n_classes);
}

static int is_backend_said(const ffcl_metadata *m)
{
    const ffcl_config_row *row = ffcl_config_find("blas", "backend");
    return m->cfg->origin[row - ffcl_config_rows] > FFCL_BY_PRESET;
}

/* What is always said, and what is when somebody gave it: whatever changes the images. */
static int is_said(const ffcl_metadata *m, const ffcl_config_row *row, size_t index)
{
    static const char *const always[] = {"checkpoint", "weights", "preset", "seed", "rng",
                                         "guidance", NULL};
    static const char *const sections[] = {"model", "vae", "sampler", "output", NULL};
    static const char *const own[] = {"classes", "count", "index", "grid", "metadata", "png_level",
                                      "heads", "scale", "shift", "groups", NULL};
    if (!strcmp(row->section, "blas"))
        return !strcmp(row->key, "backend") && is_backend_said(m);
    if (!ffcl_is_one_of(row->section, sections) || ffcl_is_one_of(row->key, own))
        return 0;
    if (ffcl_is_one_of(row->key, always))
        return 1;
    /* An image of a folder has neither columns nor, for its bytes, a batch. */
    if (!strcmp(row->key, "columns") || !strcmp(row->key, "batch"))
        return index == FFCL_METADATA_GRID &&
               m->cfg->origin[row - ffcl_config_rows] > FFCL_BY_PRESET;
    return row->images == FFCL_IMAGES_DIFFER && (!row->counts || row->counts(m->cfg)) &&
           (row->resolve || m->cfg->origin[row - ffcl_config_rows] > FFCL_BY_PRESET);
}

static void write_row(const ffcl_metadata *m, const ffcl_config_row *row, FILE *out)
{
    char text[120];
    const void *member = (const char *)m->cfg + row->offset;
    if (row->type == FFCL_TYPE_TEXT || row->type == FFCL_TYPE_TIMES)
        fprintf(out, "%s = %s\n", row->key, *(char *const *)member);
    else if (row->type == FFCL_TYPE_INPUT)
        /* Its folders differ, and may say who has it. */
        fprintf(out, "%s = %s\n", row->key, ffcl_base_name(*(char *const *)member));
    else {
        ffcl_config_value_text(text, m->cfg, row);
        fprintf(out, "%s = %s\n", row->key, text);
    }
}

/* What goes by facts, and what an image has for itself. */
static void write_own(const ffcl_metadata *m, const char *section, size_t index, FILE *out)
{
    const ffcl_config *cfg = m->cfg;
    const ffcl_vae_dims *d = ffcl_engine_vae(m->engine);
    char text[120];
    if (!strcmp(section, "model"))
        fprintf(out, "heads = %zu\n", ffcl_engine_sit(m->engine)->H);
    if (!strcmp(section, "vae") && d) {
        ffcl_config_real_text(text, ffcl_engine_latent_form(m->engine)->scale);
        fprintf(out, "scale = %s\n", text);
        ffcl_config_real_text(text, ffcl_engine_latent_form(m->engine)->shift);
        fprintf(out, "shift = %s\n", text);
        if (d->groups)
            fprintf(out, "groups = %zu\n", d->groups);
    }
    if (!strcmp(section, "sampler")) {
        /* An image of a folder is the same however many there are, and so is its text. */
        fprintf(out, "count = %zu\n", index != FFCL_METADATA_GRID && ffcl_noise_grows(m->noise)
                                          ? index + 1 : m->noise->count);
        write_classes(m, index, out);
    }
    const size_t only = index == FFCL_METADATA_GRID ? cfg->sampler.index : index;
    if (!strcmp(section, "sampler") && only != FFCL_ALL_RANKS)
        fprintf(out, "index = %zu\n", only);
    if (strcmp(section, "output"))
        return;
    fputs("grid = again.png\n", out);       /* its name is none of what it is made with */
    /* Images of a folder do not depend on their batch, and with "all" those of a grid neither. */
    if (index != FFCL_METADATA_GRID || cfg->output.folder || cfg->output.npz ||
        cfg->output.metadata == FFCL_METADATA_ALL || ffcl_config_evaluates(cfg))
        fputs("metadata = all\n", out);
}

static void write_ini(const ffcl_metadata *m, size_t index, FILE *out)
{
    const char *section = "";
    char text[120];
    for (size_t i = 0; i < ffcl_config_n_rows; i++) {
        const ffcl_config_row *row = &ffcl_config_rows[i];
        const int is_new = strcmp(section, row->section) != 0;
        if (is_new)
            section = row->section;
        if (is_new && !strcmp(section, "precision"))
            fprintf(out, "\n[precision]\ncompute = %s\n",
                    ffcl_engine_dtype(m->engine) == FFCL_F16 ? "half" : "float32");
        else if (is_new && (!strcmp(section, "model") || !strcmp(section, "vae") ||
                            !strcmp(section, "sampler") || !strcmp(section, "output") ||
                            (!strcmp(section, "blas") && is_backend_said(m)))) {
            fprintf(out, "%s[%s]\n", ftell(out) ? "\n" : "", section);
            write_own(m, section, index, out);
        }
        if (is_said(m, row, index))
            write_row(m, row, out);
    }
    if (m->cfg->n_conditions)
        fputs("\n[condition]\n", out);
    for (size_t i = 0; i < m->cfg->n_conditions; i++)
        fprintf(out, "%s = %s\n", m->cfg->conditions[i].prefix,
                ffcl_config_input_text(text, sizeof text, &m->cfg->conditions[i]));
}

static char *ini_of(const ffcl_metadata *m, size_t index)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    write_ini(m, index, out);
    const int bad = ferror(out);
    if (!fclose(out) && !bad)
        return text;
    free(text);
    return NULL;
}

/* ---- all texts ---------------------------------------------------------------------------- */

static void add(ffcl_metadata_texts *t, size_t *n, const char *key, char *text)
{
    t->owned[*n] = text;
    t->list[*n] = (ffcl_png_text){key, text};
    *n += text != NULL;
}

int ffcl_metadata_get(const ffcl_metadata *m, size_t index, ffcl_metadata_texts *out,
                      ffcl_error *err)
{
    const ffcl_config *cfg = m->cfg;
    const size_t one = index == FFCL_METADATA_GRID ? cfg->sampler.index : index;
    char text[200];
    size_t n = 0;
    *out = (ffcl_metadata_texts){.list = {{NULL, NULL}}};
    add(out, &n, "Software", ffcl_format("ffcl " FFCL_VERSION));
    add(out, &n, "ffcl.seed", ffcl_format("%" PRIu64, cfg->sampler.seed));
    ffcl_config_real_text(text, cfg->sampler.guidance);
    add(out, &n, "ffcl.guidance", ffcl_format("%s", text));
    add(out, &n, "ffcl.checkpoint", ffcl_format("%s, %s", ffcl_base_name(cfg->model.checkpoint),
                                                m->checkpoint));
    if (m->vae && *m->vae)
        add(out, &n, "ffcl.vae", ffcl_format("%s, %s", ffcl_base_name(cfg->vae.weights), m->vae));
    if (one != FFCL_ALL_RANKS) {
        add(out, &n, "ffcl.index", ffcl_format("%zu", one));
        add(out, &n, "ffcl.class", ffcl_format("%" PRId64, m->labels[one]));
    }
    if (one != FFCL_ALL_RANKS && m->names) {
        ffcl_class_names_first(m->names, (size_t)m->labels[one], text, sizeof text);
        add(out, &n, "ffcl.class_name", ffcl_format("%s", text));
    }
    add(out, &n, FFCL_METADATA_INI, ini_of(m, index));
    if (!n || strcmp(out->list[n - 1].key, FFCL_METADATA_INI)) {
        ffcl_metadata_free(out);
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the texts of a PNG");
    }
    return 0;
}

int ffcl_metadata_id(const ffcl_metadata *m, char *text, size_t size, ffcl_error *err)
{
    ffcl_metadata_texts texts;
    uLong crc = 0;
    int rc = ffcl_metadata_get(m, 0, &texts, err);
    if (rc)
        return rc;
    /* Not the first: a later version of ffcl may complete what an earlier one began. */
    for (size_t i = 1; texts.list[i].key; i++)
        crc = crc32_z(crc, (const void *)texts.list[i].text, strlen(texts.list[i].text) + 1);
    ffcl_metadata_free(&texts);
    for (size_t i = 0; m->names && i < ffcl_class_names_count(m->names); i++) {
        const char *name = ffcl_class_names_get(m->names, i);
        crc = crc32_z(crc, (const void *)name, strlen(name) + 1);
    }
    snprintf(text, size, "crc32 %08lx of names of files and classes, and keys that are given", crc);
    return 0;
}

void ffcl_metadata_free(ffcl_metadata_texts *texts)
{
    for (size_t i = 0; i < FFCL_METADATA_TEXTS; i++)
        free(texts->owned[i]);
    *texts = (ffcl_metadata_texts){.list = {{NULL, NULL}}};
}

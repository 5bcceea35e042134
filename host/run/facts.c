/* SPDX-License-Identifier: MIT */
#include "run/facts.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cl/environment.h"
#include "cl/source.h"
#include "config_table.h"
#include "model/sit.h"
#include "model/vae.h"
#include "util.h"

void ffcl_facts_of_device(ffcl_manifest_member *out, const ffcl_engine *engine)
{
    const ffcl_caps *caps = &ffcl_engine_device(engine)->caps;
    *out = (ffcl_manifest_member){0};
    memcpy(out->name, caps->name, sizeof out->name);
    memcpy(out->platform, caps->platform, sizeof out->platform);
    memcpy(out->version, caps->version, sizeof out->version);
    memcpy(out->driver, caps->driver, sizeof out->driver);
    memcpy(out->platform_version, caps->platform_version, sizeof out->platform_version);
    snprintf(out->limits, sizeof out->limits, "local memory %llu, work-groups %zu%s%s%s",
             (unsigned long long)caps->local_bytes, caps->max_work_group,
             caps->half ? ", half" : "", caps->unified ? ", unified" : "",
             caps->native ? ", native" : "");
    ffcl_engine_products(engine, out->products, sizeof out->products);
    ffcl_engine_unit(engine, out->unit, sizeof out->unit);
    ffcl_engine_library(engine, out->library, sizeof out->library);
}

static int set_latent_form(ffcl_manifest *m, const ffcl_engine *engine, ffcl_error *err)
{
    const ffcl_latent_form *form = ffcl_engine_latent_form(engine);
    char text[120];
    ffcl_config_real_text(text, form->scale);
    int rc = ffcl_manifest_set(m, "vae.scale", text, err);
    ffcl_config_real_text(text, form->shift);
    if (!rc)
        rc = ffcl_manifest_set(m, "vae.shift", text, err);
    return rc ? rc : ffcl_manifest_set(m, "vae.stats", form->stats, err);
}

/* What the environment has compilers and libraries do otherwise. */
static int set_environment(ffcl_manifest *m, ffcl_error *err)
{
    char *text = ffcl_environment();
    int rc = text ? ffcl_manifest_set(m, "environment", text, err)
                  : ffcl_fail(err, FFCL_ENOMEM, "out of memory for the settings of a sample set");
    free(text);
    return rc;
}

/* Which tensors were taken of files that may hold several models. */
static int set_tensors(ffcl_manifest *m, const ffcl_engine *engine, ffcl_error *err)
{
    char text[300];
    int rc = 0;
    for (int vae = 0; !rc && vae < 2; vae++) {
        ffcl_engine_tensors(engine, vae, text, sizeof text);
        rc = ffcl_manifest_set(m, vae ? "vae.tensors" : "model.tensors", text, err);
    }
    return rc;
}

/* What the files of the folder say of themselves, which is part of their bytes. */
static int set_texts(ffcl_manifest *m, const ffcl_sample_set_spec *s, ffcl_error *err)
{
    char text[96];
    if (!s->metadata || !s->cfg->output.folder || s->cfg->output.metadata != FFCL_METADATA_ALL)
        return 0;
    int rc = ffcl_metadata_id(s->metadata, text, sizeof text, err);
    return rc ? rc : ffcl_manifest_set(m, "output.texts", text, err);
}

int ffcl_facts_set(ffcl_manifest *m, const ffcl_sample_set_spec *s, ffcl_error *err)
{
    char text[96], key[160];
    ffcl_manifest_member member;
    const char *checkpoint = NULL, *vae = NULL;
    const ffcl_sit_dims *d = ffcl_engine_sit(s->engine);
    const ffcl_tensor_file *const files[2] = {ffcl_engine_file(s->engine, 0),
                                              ffcl_engine_file(s->engine, 1)};
    int rc = ffcl_hashes_get(s->hashes, &checkpoint, &vae, err);
    if (!rc)
        rc = ffcl_hashes_check(s->hashes, files, err);
    if (!rc)
        rc = ffcl_manifest_set(m, "model.checkpoint", checkpoint, err);
    if (!rc)
        rc = ffcl_manifest_set(m, "vae.weights", vae, err);
    if (!rc)
        rc = set_tensors(m, s->engine, err);
    if (!rc)
        rc = set_latent_form(m, s->engine, err);
    snprintf(text, sizeof text, "%zu", d->split == SIZE_MAX ? 0 : d->split);
    if (!rc)
        rc = ffcl_manifest_set(m, "model.split", text, err);
    snprintf(text, sizeof text, "%.9g", ffcl_engine_noise_scale(s->engine));
    ffcl_point(text);
    if (!rc)
        rc = ffcl_manifest_set(m, "model.noise_scale", text, err);
    snprintf(text, sizeof text, "%zu", d->H);
    if (!rc)
        rc = ffcl_manifest_set(m, "model.heads", text, err);
    /* Which labels there are does not matter where they are listed. */
    if (!rc)
        rc = ffcl_manifest_set(m, "model.null_class", s->cfg->sampler.kind == FFCL_CLASSES_LIST ||
                               d->classes < d->rows ? "last row" : "none", err);
    snprintf(text, sizeof text, "%zu x %zu", s->width, s->height);
    if (!rc)
        rc = ffcl_manifest_set(m, "image.size", text, err);
    if (!rc)
        rc = ffcl_manifest_set(m, "precision.compute",
                               ffcl_engine_dtype(s->engine) == FFCL_F16 ? "half"
                               : "float32", err);
    snprintf(text, sizeof text, "%zu", ffcl_engine_vae(s->engine)
                                           ? ffcl_engine_vae(s->engine)->groups : 0);
    if (!rc)
        rc = ffcl_manifest_set(m, "vae.norm_num_groups", text, err);
    if (!rc)
        rc = ffcl_sources_id(text, sizeof text, err);
    if (!rc)
        rc = ffcl_manifest_set(m, "kernels", text, err);
    if (!rc)
        rc = set_texts(m, s, err);
    if (!rc)
        rc = set_environment(m, err);
    ffcl_facts_of_device(&member, s->engine);
    if (!rc)
        rc = ffcl_manifest_set_kernels(m, &member, err);
    for (size_t i = 0; !rc && i < d->embedders; i++) {
        const ffcl_condition *c = ffcl_engine_condition(s->engine, i);
        snprintf(key, sizeof key, "condition.%.120s", c->prefix);
        rc = ffcl_manifest_set(m, key, ffcl_config_input_text(text, sizeof text, c), err);
    }
    return rc;
}

/* SPDX-License-Identifier: MIT
 * The presets of [model] preset: the one table that says how checkpoints of each family are
 * sampled.  A new family is a name in FFCL_PRESETS and a row. */
#ifndef FFCL_CONFIG_PRESETS_H
#define FFCL_CONFIG_PRESETS_H

#include "config.h"

/* In the order in which they are listed. */
#define FFCL_PRESETS(each) \
    each(freeflow) each(sit) each(repa) each(repae) each(meanflow) each(dmf) each(soflow) \
    each(imf) each(pmf) each(lightningdit) each(facm) each(dit)

#define FFCL_PRESET_ENUM(name) FFCL_PRESET_##name,
typedef enum ffcl_preset_id {
    FFCL_PRESET_AUTO = -1, FFCL_PRESETS(FFCL_PRESET_ENUM) FFCL_PRESET_COUNT
} ffcl_preset_id;
#undef FFCL_PRESET_ENUM

enum { FFCL_PRESET_MOST_LINES = 24 };

typedef struct ffcl_preset {
    const char *name, *title, *paper, *repository;
    /* "section.key=value": what the preset stands for, where the key is not given. */
    const char *values[FFCL_PRESET_MOST_LINES];
    /* "t_embedder=t": what embedders are fed with, as in [condition].  A checkpoint of the family
     * has all of them but those that begin with "?". */
    const char *embedders[12];
    /* Beginnings of names: at least one tensor is called so; none is.  "a&b": both, or not both. */
    const char *must[4], *never[12];
    /* Of several prefixes that lead to a transformer the one that the published code takes; NULL:
     * it has none of its own. */
    const char *prefix;
    int one_step;               /* it maps noise to data only */
    /* Another family has the same tensors where t_embedder is the only embedder, so that a line of
     * [condition] must say what that is fed with. */
    int not_alone;
    const char *refused;        /* why it is sampled by solver = ddim alone; NULL: it is not so */
} ffcl_preset;

extern const ffcl_preset ffcl_presets[FFCL_PRESET_COUNT];

/* The preset of cfg, NULL for auto. */
const ffcl_preset *ffcl_preset_of(const ffcl_config *cfg);

/* The line of embedder prefix without its prefix ("t"), or NULL; *is_optional where not NULL. */
const char *ffcl_preset_embedder(const ffcl_preset *preset, const char *prefix, int *is_optional);

#endif

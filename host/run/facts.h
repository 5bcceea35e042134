/* SPDX-License-Identifier: MIT
 * The settings of a sample set that are known only when weights and device are open. */
#ifndef FFCL_RUN_FACTS_H
#define FFCL_RUN_FACTS_H

#include "run/sample_set.h"

/* Every fact of the key table, and [condition]. */
int ffcl_facts_set(ffcl_manifest *m, const ffcl_sample_set_spec *spec, ffcl_error *err);

/* A device of the run, and how it computes. */
void ffcl_facts_of_device(ffcl_manifest_member *out, const ffcl_engine *engine);

#endif

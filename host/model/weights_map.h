/* SPDX-License-Identifier: MIT
 * Weights that are used where they lie in the mapped file. */
#ifndef FFCL_MODEL_WEIGHTS_MAP_H
#define FFCL_MODEL_WEIGHTS_MAP_H

#include "model/weights.h"

/* Bytes of the weights that ffcl_weights_map would map, unless the driver refuses: they are in
 * memory once, as part of the file, which the system may drop and read again. */
size_t ffcl_weights_mapped_bytes(const ffcl_weights *w, const ffcl_ctx *ctx);

/* Puts buffers over the matrices that can be used where they lie, whose rows are `placed` then; all
 * where ffcl_gemm_takes_columns.  Fails where a file is damaged, and on a CPU where the driver
 * does. */
int ffcl_weights_map(ffcl_weights *w, ffcl_ctx *ctx);

#endif

/* SPDX-License-Identifier: MIT
 * Which dictionary of a torch file is taken for the weights. */
#ifndef FFCL_FILES_STATEDICT_H
#define FFCL_FILES_STATEDICT_H

#include "pickle.h"
#include "tensorfile_impl.h"

/* The state dict that file->wrapper names or, where that is auto, the best: averaged weights before
 * raw ones, for a VAE what is called so first.  file->wrapper and file->taken say what it is.
 * FFCL_EFORMAT: there is none, or averaged weights are in a form that is not read. */
int ffcl_statedict_choose(ffcl_tensor_file *file, const ffcl_pickle_value *root,
                          const ffcl_pickle_value **state, ffcl_error *err);

/* Has a key, or what names begin with, a word that is said of averaged weights, such as EMA,
 * ema_0.9999, ema1 or swa_model? */
int ffcl_statedict_sounds_averaged(const char *text, size_t n);

#endif

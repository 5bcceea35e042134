/* SPDX-License-Identifier: MIT
 * What the two forms of torch files share; private to torchfile.c and torchfile_old.c. */
#ifndef FFCL_FILES_TORCHFILE_IMPL_H
#define FFCL_FILES_TORCHFILE_IMPL_H

#include "pickle.h"
#include "tensorfile_impl.h"

/* The storages of a file of the form before PyTorch 1.6. */
typedef struct ffcl_old_storages ffcl_old_storages;

/* Adds the tensors of the state dict in the pickle.  folder: of the zip archive; old: of a file of
 * the old form, else NULL. */
int ffcl_torchfile_add_state(ffcl_tensor_file *file, const char *folder,
                             const ffcl_old_storages *old, const ffcl_pickle *pickle,
                             ffcl_error *err);

/* Finds the tensor's data in a file of the old form and checks that all of it lies there. */
int ffcl_torchfile_place_old(const ffcl_tensor_file *file, const ffcl_old_storages *old,
                             const ffcl_pickle_value *tensor, ffcl_tensor_entry *e,
                             ffcl_error *err);

#endif

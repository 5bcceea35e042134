/* SPDX-License-Identifier: MIT
 * Named tensors in a weight file: safetensors, a torch .pt / .bin checkpoint, an index.json of
 * several of them, or the constants of a TensorFlow graph (.pb), whose matrices and convolutions
 * are shown as PyTorch would have them.
 *
 * Opening reads the directory of tensors only; data is streamed on request, so host memory
 * does not grow with the file.  Names are those of the state dict: wrapper dicts (ema before
 * state_dict and model: statedict.c) are entered and the prefixes "module." and "_orig_mod."
 * removed.  The pickle reader knows the few opcodes and constructors of tensors; any other
 * class becomes an inert placeholder and nothing is ever called. */
#ifndef FFCL_FILES_TENSORFILE_H
#define FFCL_FILES_TENSORFILE_H

#include "dtype.h"
#include "error.h"

enum { FFCL_MAX_RANK = 8 };

typedef struct ffcl_tensor_info {
    const char *name;
    ffcl_dtype dtype;
    int rank;
    size_t shape[FFCL_MAX_RANK];
    size_t count;               /* product of shape; 1 for a scalar */
    const char *unread;         /* what keeps it from being read: "of type F8_E4M3", "quantized", or
                                   NULL; dtype and, but in safetensors, shape mean nothing then */
    int is_object;              /* unread, and perhaps no tensor at all */
} ffcl_tensor_info;

typedef struct ffcl_tensor_file ffcl_tensor_file;

/* Opens path by its content, not its name.  FFCL_EFILE: missing, unreadable, a folder.
 * FFCL_EFORMAT: a git-LFS pointer, an HTML page, a tar checkpoint, a truncated or
 * damaged file, a tensor that reaches outside its storage or the file; FFCL_EWEIGHTS: one name
 * twice (all such names are listed).  On failure *out is NULL. */
int ffcl_tensor_file_open(ffcl_tensor_file **out, const char *path, ffcl_error *err);

/* The first weight file in a folder by its name, as there is one in folders of diffusers; "" where
 * there is none. */
void ffcl_tensor_file_in_folder(const char *folder, char *name, size_t size);

/* As ffcl_tensor_file_open.  wrapper: the dictionary of a torch file that holds the weights, "ema"
 * or "state_dict.ema", "none" for the file itself, "auto" for the best; of_vae: what is called
 * `vae` is the best.  FFCL_EFORMAT, too, where a file that is none of torch's is to have such a
 * dictionary. */
int ffcl_tensor_file_open_as(ffcl_tensor_file **out, const char *path, const char *wrapper,
                             int of_vae, ffcl_error *err);

/* Another reader of the same weights. */
int ffcl_tensor_file_reopen(ffcl_tensor_file **out, const ffcl_tensor_file *opened,
                            ffcl_error *err);
void ffcl_tensor_file_close(ffcl_tensor_file **file);

/* The dictionary of a torch file that the tensors are of, "ema"; "none": the file itself. */
const char *ffcl_tensor_file_wrapper(const ffcl_tensor_file *file);

/* What was taken of a torch file and what was passed over, "ema (of model, ema, opt)"; NULL: the
 * file holds nothing else. */
const char *ffcl_tensor_file_taken(const ffcl_tensor_file *file);

/* What of the file sounds like the scales of 8-bit weights, a tensor or, of a torch file, a key
 * beside the dictionary that was taken: "blocks.0.mlp.fc1.weight_scale", "scaled_fp8"; NULL:
 * nothing. */
const char *ffcl_tensor_file_scale(const ffcl_tensor_file *file);

/* Where info is of an 8-bit type and scale, which the above gave, not NULL: FFCL_EWEIGHTS, as ffcl
 * does not apply scales. */
int ffcl_tensor_file_refuse_scaled(const ffcl_tensor_file *file, const ffcl_tensor_info *info,
                                   const char *scale, ffcl_error *err);

/* Is it the file that it was as it was opened, with nothing written into it since?  FFCL_EFILE. */
int ffcl_tensor_file_check(const ffcl_tensor_file *file, ffcl_error *err);

/* Is its data used where it lies, so that it must stay as it is for as long as it is used? */
int ffcl_tensor_file_is_mapped(const ffcl_tensor_file *file);

/* The files that it is of: itself and, where it is an index, the shards by name. */
size_t ffcl_tensor_file_parts(const ffcl_tensor_file *file);

/* Which file was opened, see ffcl_file_id; part 0 is the file itself. */
const struct ffcl_file_id *ffcl_tensor_file_id(const ffcl_tensor_file *file, size_t part);

/* Were both opened from the same files, with nothing written into them in between? */
int ffcl_tensor_file_same(const ffcl_tensor_file *a, const ffcl_tensor_file *b);

const char *ffcl_tensor_file_path(const ffcl_tensor_file *file);
size_t ffcl_tensor_file_count(const ffcl_tensor_file *file);
const ffcl_tensor_info *ffcl_tensor_file_at(const ffcl_tensor_file *file, size_t i);
const ffcl_tensor_info *ffcl_tensor_file_find(const ffcl_tensor_file *file, const char *name);

/* What batch norms of a TensorFlow graph add to the variance, and whether they multiply by gamma,
 * "yes" or "no"; as metadata. */
#define FFCL_GRAPH_EPSILON "variance_epsilon"
#define FFCL_GRAPH_SCALES "scale_after_normalization"

/* A string of safetensors' __metadata__, or of the above; or NULL. */
const char *ffcl_tensor_file_metadata(const ffcl_tensor_file *file, const char *key);

/* The classes and functions, other than those of tensors, that unpickling in Python would call:
 * "argparse.Namespace, os.system"; NULL: none.  ffcl calls nothing. */
const char *ffcl_tensor_file_foreign(const ffcl_tensor_file *file);

/* Elements first .. first+n-1 in row-major order (strides resolved), converted to float.
 * info is one of this file's.  FFCL_EFILE, FFCL_EFORMAT (short or damaged data), FFCL_ENOMEM;
 * FFCL_ENUMERIC: a float64 that would become infinity. */
int ffcl_tensor_file_read_f32(ffcl_tensor_file *file, const ffcl_tensor_info *info, size_t first,
                              size_t n, float *out, ffcl_error *err);

/* The same for integer tensors (I64 .. BOOL); FFCL_EFORMAT for floating-point ones. */
int ffcl_tensor_file_read_i64(ffcl_tensor_file *file, const ffcl_tensor_info *info, size_t first,
                              size_t n, int64_t *out, ffcl_error *err);

/* All elements where they lie in the file, mapped into memory until the file is closed, or NULL
 * where they cannot be used so: of another type, not in row-major order, compressed, not aligned.
 * The checksum of a zip member is looked at (FFCL_EFORMAT).  Who writes into the file changes what
 * is read, so that ffcl_tensor_file_check is to be asked after each use. */
int ffcl_tensor_file_map(const float **out, ffcl_tensor_file *file, const ffcl_tensor_info *info,
                         ffcl_error *err);

/* Would that be so, as far as it shows without reading the data? */
int ffcl_tensor_file_can_map(ffcl_tensor_file *file, const ffcl_tensor_info *info);

/* "(3, 4)" into text; returns text. */
const char *ffcl_shape_text(char *text, size_t size, const size_t *shape, int rank);

#endif

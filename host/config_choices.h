/* SPDX-License-Identifier: MIT
 * The choices of the INI file that code below and above the configuration has to know.  They are
 * apart from config.h so that a generator, or the conversion to bytes, needs no configuration. */
#ifndef FFCL_CONFIG_CHOICES_H
#define FFCL_CONFIG_CHOICES_H

/* What a scalar embedder of the checkpoint is fed with. */
typedef enum ffcl_input_kind {
    FFCL_INPUT_DELTA,       /* length of the step; 1 for one-step sampling */
    FFCL_INPUT_T,           /* time at which the step begins */
    FFCL_INPUT_R,           /* time at which it ends */
    FFCL_INPUT_GUIDANCE,    /* [sampler] guidance */
    FFCL_INPUT_OMEGA,       /* 1 - 1 / guidance */
    FFCL_INPUT_T_MIN,       /* [sampler] guidance_low */
    FFCL_INPUT_T_MAX,       /* [sampler] guidance_high */
    FFCL_INPUT_GOAL,        /* the time to which solver renoise jumps; of others t */
    FFCL_INPUT_NUMBER       /* a constant given in the INI file */
} ffcl_input_kind;

/* How a latent gets from noise to data: see sample/schedule.h. */
typedef enum ffcl_solver {
    FFCL_SOLVER_EULER, FFCL_SOLVER_HEUN, FFCL_SOLVER_RENOISE, FFCL_SOLVER_SDE, FFCL_SOLVER_SDE_HEUN,
    FFCL_SOLVER_DDIM
} ffcl_solver;

/* Classifier-free guidance by a second pass with the null class: of no, of all, of the first three
 * channels. */
typedef enum ffcl_cfg_kind { FFCL_CFG_NONE, FFCL_CFG_ALL, FFCL_CFG_THREE } ffcl_cfg_kind;

/* Whose random numbers: see sample/noise.h. */
typedef enum ffcl_rng { FFCL_RNG_TORCH_CPU, FFCL_RNG_TORCH_CUDA, FFCL_RNG_PER_IMAGE,
                       FFCL_RNG_PER_IMAGE_42 } ffcl_rng;

typedef enum ffcl_classes_kind {
    FFCL_CLASSES_LIST, FFCL_CLASSES_RANDOM, FFCL_CLASSES_BALANCED
} ffcl_classes_kind;

/* Is the last row of the label table the null class of guided training, and no label? */
typedef enum ffcl_null_class { FFCL_NULL_AUTO, FFCL_NULL_LAST, FFCL_NULL_NONE } ffcl_null_class;

typedef enum ffcl_precision {
    FFCL_PRECISION_AUTO, FFCL_PRECISION_FLOAT32, FFCL_PRECISION_HALF
} ffcl_precision;

/* From decoder output to bytes: see sample/image.h. */
typedef enum ffcl_byte_rule {
    FFCL_BYTES_SIT, FFCL_BYTES_REPA, FFCL_BYTES_ROUND
} ffcl_byte_rule;

/* Whose numbers an evaluation gives: see eval/habits.h. */
typedef enum ffcl_like { FFCL_LIKE_ADM, FFCL_LIKE_TORCH_FIDELITY, FFCL_LIKE_PYTORCH_FID } ffcl_like;

/* Which PNGs say what they were made with: the grid, the folder's, too, or none. */
typedef enum ffcl_metadata_kind {
    FFCL_METADATA_GRIDS, FFCL_METADATA_ALL, FFCL_METADATA_NONE
} ffcl_metadata_kind;

typedef enum ffcl_on_bad { FFCL_BAD_STOP, FFCL_BAD_SKIP } ffcl_on_bad;

#endif

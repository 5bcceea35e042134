/* SPDX-License-Identifier: MIT
 * How a latent gets from noise to data: the list of moves that [sampler] steps, solver, times and
 * the preset's conventions come to.
 *
 * With tau the part of the way that is done, t = 1 - tau or tau by [model] noise_time, and v = F or
 * -F by [model] update the velocity from noise to data:
 *   euler     x += dtau v(x, t0); with [model] predicts = data, v = (F - x) / max(1 - tau0, 0.05)
 *   heun      y = x + dtau v(x, t0), then x += dtau (v(x, t0) + v(y, t1)) / 2
 *   renoise   x' = x + (1 - tau0) v(x, t0), then x = tau1 x' + (1 - tau1) noise, but for the last
 *   sde       x += dtau d + sqrt(2 (1 - tau0) dtau) noise, d = (1 + tau0) v(x, t0) - x; the last
 *             step, of [sampler] sde_last, adds no noise
 *   sde-heun  x += sqrt(2 (1 - tau0) dtau) noise, then Heun's step of d; the last step as sde's
 * Of a network whose F is the noise of a diffusion of 1000 steps, a_t the part of data in the
 * variance of its step t:
 *   ddim      x = sqrt(a_t1) X + sqrt(1 - a_t1) F, X = (x - sqrt(1 - a_t0) F) / sqrt(a_t0) */
#ifndef FFCL_SAMPLE_SCHEDULE_H
#define FFCL_SAMPLE_SCHEDULE_H

#include "config.h"

/* The scalar inputs of the network at an evaluation. */
typedef struct ffcl_moment {
    double t, r, delta;         /* begin and end of its step, as times; its length */
    int is_guided;
} ffcl_moment;

/* One update: to = x X + y Y + F F + noise NOISE, F the network's output for Y or X. */
typedef struct ffcl_move {
    int moment;                 /* -1: F is not needed */
    int reads_y, to_y;
    double x, y, F, noise;
    int noise_index;            /* which later noise; -1: none */
} ffcl_move;

typedef struct ffcl_schedule {
    ffcl_move *moves;
    ffcl_moment *moments;
    size_t n_moves, n_moments;
    size_t n_noise;             /* later noises */
    size_t steps;
    int uses_y;
} ffcl_schedule;

/* cfg's preset is resolved.  FFCL_ECONFIG where keys do not go together, FFCL_ENOMEM. */
int ffcl_schedule_open(ffcl_schedule *out, const ffcl_config *cfg, ffcl_error *err);
void ffcl_schedule_close(ffcl_schedule *schedule);

/* Rows of a pass of the network that one image takes in all: an evaluation with guidance is two. */
size_t ffcl_schedule_evaluations(const ffcl_schedule *schedule);

/* Later noises of an image, as cfg has it. */
size_t ffcl_schedule_noises(const ffcl_config *cfg);

/* What an embedder of that kind is fed with at a moment. */
double ffcl_schedule_input(const ffcl_config *cfg, const ffcl_moment *moment, ffcl_input_kind kind,
                           double number);

#endif

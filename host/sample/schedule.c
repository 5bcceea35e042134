/* SPDX-License-Identifier: MIT */
#include "sample/schedule.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "config_presets.h"
#include "config_value.h"
#include "util.h"

/* While a schedule is built. */
typedef struct builder {
    const ffcl_config *cfg;
    ffcl_schedule *s;
    double *tau;                /* (steps + 1) */
    double sign;                /* of F in v */
} builder;

static double time_of(const ffcl_config *cfg, double tau)
{
    return cfg->model.noise_time ? 1.0 - tau : tau;
}

static int is_sde(const ffcl_config *cfg)
{
    return cfg->sampler.solver == FFCL_SOLVER_SDE || cfg->sampler.solver == FFCL_SOLVER_SDE_HEUN;
}

/* The grid as parts of the way; SDEs end with a step of their own. */
static void fill_grid(builder *b)
{
    const ffcl_config *cfg = b->cfg;
    const size_t n = b->s->steps;
    const double s = cfg->sampler.time_shift;
    const int is_list = strcmp(cfg->sampler.times, "uniform") != 0;
    if (is_list)
        ffcl_config_times(cfg->sampler.times, b->tau);
    for (size_t i = 0; i <= n; i++) {
        double t;
        if (is_list)
            t = b->tau[i];
        else if (is_sde(cfg) && n > 1)
            t = time_of(cfg, i == n ? 1.0 : (double)i * (1.0 - cfg->sampler.sde_last) /
                                                (double)(n - 1));
        else
            t = time_of(cfg, (double)i / (double)n);
        t = s * t / (1.0 + (s - 1.0) * t);
        b->tau[i] = cfg->model.noise_time ? 1.0 - t : t;
    }
}

/* The evaluation of a step from tau0 to tau1; its time is `at`; gate: what the interval of guidance
 * is compared with. */
static int add_moment(builder *b, double at, double tau1, double gate)
{
    const ffcl_config *cfg = b->cfg;
    const double g = time_of(cfg, gate);
    /* Times such as 0.7 are sums of steps: a rounding must not decide. */
    const double slack = 1e-12;
    b->s->moments[b->s->n_moments] = (ffcl_moment){
        .t = time_of(cfg, at), .r = time_of(cfg, tau1), .delta = tau1 - at,
        .is_guided = cfg->sampler.cfg != FFCL_CFG_NONE && cfg->sampler.guidance > 1.0 &&
                     g >= cfg->sampler.guidance_low - slack &&
                     g <= cfg->sampler.guidance_high + slack};
    return (int)b->s->n_moments++;
}

static void add_move(builder *b, ffcl_move move)
{
    move.F *= b->sign;
    b->s->uses_y |= move.to_y;
    b->s->moves[b->s->n_moves++] = move;
}

/* Of a network that predicts data, F, the velocity is (F - x) / max(1 - tau0, 0.05). */
static void data_step(builder *b, double tau0, double tau1)
{
    const double part = (tau1 - tau0) / fmax(1.0 - tau0, 0.05);
    add_move(b, (ffcl_move){.moment = add_moment(b, tau0, tau1, tau0), .x = 1 - part,
                            .F = b->sign * part, .noise_index = -1});
}

static void euler_step(builder *b, double tau0, double tau1)
{
    if (b->cfg->model.predicts_data) {
        data_step(b, tau0, tau1);
        return;
    }
    add_move(b, (ffcl_move){.moment = add_moment(b, tau0, tau1, tau0), .x = 1, .F = tau1 - tau0,
                            .noise_index = -1});
}

/* x += dtau (v0 + v1) / 2 is (x + y) / 2 + dtau v1 / 2, y = x + dtau v0. */
static void heun_step(builder *b, double tau0, double tau1, int is_last)
{
    const double d = tau1 - tau0;
    if (is_last && !b->cfg->sampler.correct_last) {
        euler_step(b, tau0, tau1);
        return;
    }
    add_move(b, (ffcl_move){.moment = add_moment(b, tau0, tau1, tau0), .x = 1, .F = d, .to_y = 1,
                            .noise_index = -1});
    add_move(b, (ffcl_move){.moment = add_moment(b, tau1, tau1, b->cfg->sampler.gate ? tau1 : tau0),
                            .reads_y = 1, .x = 0.5, .y = 0.5, .F = d / 2, .noise_index = -1});
}

static void renoise_step(builder *b, double tau0, double tau1, int is_last)
{
    const int moment = add_moment(b, tau0, 1.0, tau0);
    if (is_last)
        add_move(b, (ffcl_move){.moment = moment, .x = 1, .F = 1 - tau0, .noise_index = -1});
    else
        add_move(b, (ffcl_move){.moment = moment, .x = tau1, .F = tau1 * (1 - tau0),
                                .noise = 1 - tau1, .noise_index = (int)b->s->n_noise++});
}

static void sde_step(builder *b, double tau0, double tau1, int is_last)
{
    const double d = tau1 - tau0;
    ffcl_move move = {.moment = add_moment(b, tau0, tau1, tau0), .x = 1 - d, .F = d * (1 + tau0),
                      .noise_index = -1};
    if (!is_last) {
        move.noise = sqrt(2 * (1 - tau0)) * sqrt(d);
        move.noise_index = (int)b->s->n_noise++;
    }
    add_move(b, move);
}

static void sde_heun_step(builder *b, double tau0, double tau1, int is_last)
{
    const double d = tau1 - tau0;
    if (is_last) {
        sde_step(b, tau0, tau1, 1);
        return;
    }
    add_move(b, (ffcl_move){.moment = -1, .x = 1, .noise = sqrt(2 * (1 - tau0)) * sqrt(d),
                            .noise_index = (int)b->s->n_noise++});
    add_move(b, (ffcl_move){.moment = add_moment(b, tau0, tau1, tau0), .x = 1 - d,
                            .F = d * (1 + tau0), .to_y = 1, .noise_index = -1});
    add_move(b, (ffcl_move){.moment = add_moment(b, tau1, tau1, b->cfg->sampler.gate ? tau1 : tau0),
                            .reads_y = 1, .x = 0.5, .y = 0.5 - d / 2, .F = d / 2 * (1 + tau1),
                            .noise_index = -1});
}

/* ---- steps of a diffusion ------------------------------------------------------------------- */

enum { DIFFUSION = 1000 };      /* its steps, whose beta goes from first_beta to last_beta */
static const double first_beta = 1e-4, last_beta = 0.02;

/* Step number i of n, from data on, spaced over all of them; *at: the place before rounding, which
 * the published code adds up. */
static size_t diffusion_step(size_t i, size_t n, double *at)
{
    if (i)
        *at += n > 1 ? (double)(DIFFUSION - 1) / (double)(n - 1) : 1.0;
    return (size_t)nearbyint(*at);
}

/* DDIM without noise, from noise on. */
static void ddim_steps(builder *b)
{
    const size_t n = b->s->steps;
    double alpha[DIFFUSION], at = 0.0, before = 1.0, product = 1.0;
    for (size_t t = 0; t < DIFFUSION; t++) {
        product *= 1.0 - (first_beta + (last_beta - first_beta) * (double)t / (DIFFUSION - 1));
        alpha[t] = product;
    }
    for (size_t i = 0, last = 0; i < n; i++) {
        const size_t t = diffusion_step(i, n, &at), to = n - 1 - i;
        const double x = sqrt(before / alpha[t]);
        const ffcl_config *cfg = b->cfg;
        const double gate = (double)t / DIFFUSION;
        b->s->moments[to] = (ffcl_moment){
            .t = (double)t, .r = (double)last, .delta = (double)(t - last),
            .is_guided = cfg->sampler.cfg != FFCL_CFG_NONE && cfg->sampler.guidance > 1.0 &&
                         gate >= cfg->sampler.guidance_low && gate <= cfg->sampler.guidance_high};
        b->s->moves[to] = (ffcl_move){.moment = (int)to, .x = x, .noise_index = -1,
                                      .F = sqrt(1 - before) - x * sqrt(1 - alpha[t])};
        before = alpha[t];
        last = t;
    }
    b->s->n_moments = b->s->n_moves = n;
}

static size_t steps_of(const ffcl_config *cfg)
{
    const int is_list = strcmp(cfg->sampler.times, "uniform") != 0;
    return is_list ? ffcl_config_times(cfg->sampler.times, NULL) - 1 : cfg->sampler.steps;
}

static int check(const ffcl_config *cfg, ffcl_error *err)
{
    const ffcl_preset *p = ffcl_preset_of(cfg);
    const size_t steps = steps_of(cfg);
    const int is_list = strcmp(cfg->sampler.times, "uniform") != 0;
    double *times = NULL;
    int rc = 0;
    if (p && p->one_step && (steps > 1 || cfg->sampler.solver != FFCL_SOLVER_EULER))
        return ffcl_fail(err, FFCL_ECONFIG, "%s maps noise to data in one step, and [sampler] asks "
                         "for %zu%s", p->title, steps, steps > 1 ? "" : " by another solver");
    if (cfg->model.predicts_data && cfg->sampler.solver != FFCL_SOLVER_EULER)
        return ffcl_fail(err, FFCL_ECONFIG, "[model] predicts = data goes with [sampler] solver = "
                         "euler alone");
    if (is_sde(cfg) && (steps < 2 || is_list))
        return ffcl_fail(err, FFCL_ECONFIG, "[sampler] solver: an SDE needs two steps or more, at "
                         "uniform times, as its last has the length sde_last");
    if (cfg->sampler.solver == FFCL_SOLVER_DDIM && (!p || !p->refused))
        return ffcl_fail(err, FFCL_ECONFIG, "[sampler] solver = ddim is for networks that predict "
                         "noise: set preset = dit under [model], or another solver");
    if (cfg->sampler.solver == FFCL_SOLVER_DDIM &&
        (steps < 2 || steps > DIFFUSION || is_list || cfg->sampler.time_shift != 1.0))
        return ffcl_fail(err, FFCL_ECONFIG, "[sampler] solver = ddim takes 2 to %d steps, at "
                         "uniform times, without time_shift", DIFFUSION);
    if (!is_list)
        return 0;
    times = malloc((steps + 1) * sizeof *times);
    if (!times)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the steps");
    ffcl_config_times(cfg->sampler.times, times);
    if (times[0] != (cfg->model.noise_time ? 1.0 : 0.0))
        rc = ffcl_fail(err, FFCL_ECONFIG, "[sampler] times begin at %g, and [model] noise_time is "
                       "%d", times[0], cfg->model.noise_time);
    free(times);
    return rc;
}

int ffcl_schedule_open(ffcl_schedule *out, const ffcl_config *cfg, ffcl_error *err)
{
    builder b = {.cfg = cfg, .s = out, .sign = cfg->model.update};
    *out = (ffcl_schedule){.steps = steps_of(cfg)};
    int rc = check(cfg, err);
    if (rc)
        return rc;
    const size_t n = out->steps;
    b.tau = malloc((n + 1) * sizeof *b.tau);
    out->moves = calloc(3 * n, sizeof *out->moves);
    out->moments = calloc(2 * n, sizeof *out->moments);
    if (!b.tau || !out->moves || !out->moments) {
        free(b.tau);
        ffcl_schedule_close(out);
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for %zu steps", n);
    }
    fill_grid(&b);
    if (cfg->sampler.solver == FFCL_SOLVER_DDIM)
        ddim_steps(&b);
    for (size_t i = 0; cfg->sampler.solver != FFCL_SOLVER_DDIM && i < n; i++) {
        const double tau0 = b.tau[i], tau1 = b.tau[i + 1];
        const int is_last = i + 1 == n;
        switch (cfg->sampler.solver) {
        case FFCL_SOLVER_EULER: euler_step(&b, tau0, tau1); break;
        case FFCL_SOLVER_HEUN: heun_step(&b, tau0, tau1, is_last); break;
        case FFCL_SOLVER_RENOISE: renoise_step(&b, tau0, tau1, is_last); break;
        case FFCL_SOLVER_SDE: sde_step(&b, tau0, tau1, is_last); break;
        case FFCL_SOLVER_SDE_HEUN: sde_heun_step(&b, tau0, tau1, is_last); break;
        case FFCL_SOLVER_DDIM: break;
        }
    }
    free(b.tau);
    return 0;
}

void ffcl_schedule_close(ffcl_schedule *s)
{
    free(s->moves);
    free(s->moments);
    *s = (ffcl_schedule){.moves = NULL};
}

size_t ffcl_schedule_evaluations(const ffcl_schedule *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n_moments; i++)
        n += s->moments[i].is_guided ? 2 : 1;
    return n;
}

size_t ffcl_schedule_noises(const ffcl_config *cfg)
{
    return ffcl_config_draws_later(cfg) ? steps_of(cfg) - 1 : 0;
}

double ffcl_schedule_input(const ffcl_config *cfg, const ffcl_moment *m, ffcl_input_kind kind,
                           double number)
{
    switch (kind) {
    case FFCL_INPUT_DELTA:
        return m->delta;
    case FFCL_INPUT_T:
        return m->t;
    case FFCL_INPUT_R:
        return m->r;
    case FFCL_INPUT_GUIDANCE:
        return cfg->sampler.guidance;
    case FFCL_INPUT_OMEGA:
        return 1.0 - 1.0 / cfg->sampler.guidance;
    case FFCL_INPUT_T_MIN:
        return cfg->sampler.guidance_low;
    case FFCL_INPUT_T_MAX:
        return cfg->sampler.guidance_high;
    case FFCL_INPUT_GOAL:
        return cfg->sampler.solver == FFCL_SOLVER_RENOISE ? m->r : m->t;
    case FFCL_INPUT_NUMBER:
        break;
    }
    return number;
}

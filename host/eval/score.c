/* SPDX-License-Identifier: MIT */
#include "eval/score.h"

#include <math.h>
#include <stdlib.h>

#include "util.h"

typedef struct split {
    size_t n;
    double inner;               /* the sum of p log p */
} split;

struct ffcl_score {
    size_t count, classes, n_splits, at;
    uint32_t *split_of;         /* (count) */
    split *splits;              /* (n_splits) */
    double *sums;               /* (n_splits, classes) of p */
    double *p;                  /* (classes) */
};

/* ---- numpy's permutation -------------------------------------------------------------------- */

enum { MT_N = 624, MT_M = 397 };

typedef struct twister {
    uint32_t state[MT_N];
    size_t at;
} twister;

static void twister_seed(twister *t, uint32_t seed)
{
    t->state[0] = seed;
    for (size_t i = 1; i < MT_N; i++)
        t->state[i] = 1812433253u * (t->state[i - 1] ^ (t->state[i - 1] >> 30)) + (uint32_t)i;
    t->at = MT_N;
}

static uint32_t twister_next(twister *t)
{
    if (t->at == MT_N) {
        for (size_t i = 0; i < MT_N; i++) {
            const uint32_t y = (t->state[i] & 0x80000000u) |
                               (t->state[(i + 1) % MT_N] & 0x7fffffffu);
            t->state[i] = t->state[(i + MT_M) % MT_N] ^ (y >> 1) ^ (y & 1 ? 0x9908b0dfu : 0u);
        }
        t->at = 0;
    }
    uint32_t y = t->state[t->at++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

/* From 0 to most, by numbers of as many bits, those above most being passed over. */
static uint32_t interval(twister *t, uint32_t most)
{
    uint32_t mask = most, value;
    for (unsigned shift = 1; shift < 32; shift *= 2)
        mask |= mask >> shift;
    do
        value = twister_next(t) & mask;
    while (value > most);
    return value;
}

void ffcl_numpy_permutation(uint32_t seed, uint32_t *order, size_t n)
{
    twister t;
    twister_seed(&t, seed);
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    for (size_t i = n; i-- > 1;) {
        const uint32_t j = interval(&t, (uint32_t)i), kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
}

/* ---- the score ------------------------------------------------------------------------------ */

/* split_of: image order[i] is in the split that place i belongs to. */
static int divide(ffcl_score *s, const ffcl_score_rule *rule)
{
    uint32_t *order = malloc((s->count + 1) * sizeof *order);
    if (!order)
        return -1;
    for (size_t i = 0; i < s->count; i++)
        order[i] = (uint32_t)i;
    if (rule->shuffles)
        ffcl_numpy_permutation(rule->seed, order, s->count);
    for (size_t k = 0; k < s->n_splits; k++) {
        const size_t begin = rule->each ? k * rule->each : k * s->count / s->n_splits;
        const size_t end = rule->each ? ffcl_min(begin + rule->each, s->count)
                                      : (k + 1) * s->count / s->n_splits;
        for (size_t i = begin; i < end; i++)
            s->split_of[order[i]] = (uint32_t)k;
    }
    free(order);
    return 0;
}

int ffcl_score_open(ffcl_score **out, const ffcl_score_rule *rule, size_t count, size_t classes,
                    ffcl_error *err)
{
    ffcl_score *s = *out = calloc(1, sizeof *s);
    if (s) {
        s->count = count;
        s->classes = classes;
        s->n_splits = rule->each ? ffcl_max(ffcl_div_up(count, rule->each), 1) : rule->splits;
        s->split_of = calloc(count + 1, sizeof *s->split_of);
        s->splits = calloc(s->n_splits, sizeof *s->splits);
        s->sums = calloc(s->n_splits * classes, sizeof *s->sums);
        s->p = calloc(classes, sizeof *s->p);
    }
    if (s && s->split_of && s->splits && s->sums && s->p && divide(s, rule) == 0)
        return 0;
    ffcl_score_close(out);
    return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the Inception Score");
}

void ffcl_score_close(ffcl_score **score)
{
    ffcl_score *s = *score;
    if (s) {
        free(s->split_of);
        free(s->splits);
        free(s->sums);
        free(s->p);
    }
    free(s);
    *score = NULL;
}

void ffcl_score_add(ffcl_score *s, const float *logits)
{
    const uint32_t k = s->split_of[s->at++];
    double most = -HUGE_VAL, sum = 0.0;
    for (size_t c = 0; c < s->classes; c++)
        most = fmax(most, (double)logits[c]);
    for (size_t c = 0; c < s->classes; c++)
        sum += s->p[c] = exp((double)logits[c] - most);
    for (size_t c = 0; c < s->classes; c++) {
        const double p = s->p[c] / sum;
        s->sums[k * s->classes + c] += p;
        s->splits[k].inner += p * ((double)logits[c] - most - log(sum));
    }
    s->splits[k].n++;
}

void ffcl_score_skip(ffcl_score *s)
{
    s->at++;
}

/* exp of the mean over the images of sum p (log p - log q), q the mean of p; that is not below 0,
 * but for rounding. */
static double score_of(const ffcl_score *s, size_t k)
{
    const double each = (double)s->splits[k].n;
    double outer = 0.0;
    for (size_t c = 0; c < s->classes; c++) {
        const double q = s->sums[k * s->classes + c] / each;
        outer += q > 0.0 ? q * log(q) : 0.0;
    }
    const double score = exp(s->splits[k].inner / each - outer);
    return score < 1.0 ? 1.0 : score;
}

void ffcl_score_result(const ffcl_score *s, double *mean, double *deviation)
{
    double sum = 0.0, squares = 0.0;
    size_t n = 0;
    for (size_t k = 0; k < s->n_splits; k++)
        if (s->splits[k].n) {
            sum += score_of(s, k);
            n++;
        }
    *mean = n ? sum / (double)n : NAN;
    for (size_t k = 0; k < s->n_splits; k++)
        if (s->splits[k].n) {
            const double apart = score_of(s, k) - *mean;
            squares += apart * apart;
        }
    *deviation = n ? sqrt(squares / (double)n) : NAN;
}

size_t ffcl_score_empty_splits(const ffcl_score *s)
{
    size_t n = 0;
    for (size_t k = 0; k < s->n_splits; k++)
        n += s->splits[k].n == 0;
    return n;
}

/* SPDX-License-Identifier: MIT */
#include "selfcheck/freivalds.h"

#include <math.h>

#include "selfcheck/result.h"

#define MOST_DISTANCE 1e-3

int ffcl_freivalds_is_right(const ffcl_freivalds *f)
{
    const size_t period = f->period ? f->period : (size_t)-1;
    double *x = f->scratch, *wx = x + f->n;
    unsigned state = 777;
    for (size_t n = 0; n < f->n; n++) {
        const double v = (double)ffcl_selfcheck_noise(&state);
        x[n] = v < 0 ? v - 1.0 : v + 1.0;
    }
    for (size_t k = 0; k < f->k; k++) {
        wx[k] = 0.0;
        for (size_t n = 0; n < f->n; n++)
            wx[k] += (double)f->w[(k * f->n + n) % period] * x[n];
    }
    for (size_t m = 0; m < f->m; m += m + 64 < f->m ? f->step : 1) {
        double got = 0.0, want = 0.0;
        for (size_t n = 0; n < f->n; n++)
            got += (double)f->out[m * f->n + n] * x[n];
        for (size_t k = 0; k < f->k; k++)
            want += (double)f->a[(f->by_columns ? k * f->m + m : m * f->k + k) % period] * wx[k];
        if (!(fabs(got - want) <= MOST_DISTANCE * sqrt((double)f->k)))     /* NaN is wrong, too */
            return 0;
    }
    return 1;
}

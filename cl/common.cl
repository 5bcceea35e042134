/* SPDX-License-Identifier: MIT
 * Put before every kernel source: shared helpers.  OpenCL C 1.2, float32, no options assumed. */

/* x * sigmoid(x) */
static inline float silu(float x)
{
    return x / (1.0f + exp(-x));
}

/* GELU in its tanh form: 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))); 0.5 (1 + tanh u) is
 * sigmoid(2u), which needs one exp and cannot overflow to NaN. */
static inline float gelu_tanh(float x)
{
    float u = 0.7978845608028654f * (x + 0.044715f * x * x * x);
    return x / (1.0f + exp(-2.0f * u));
}

/* The sum of one value of each of the n (a power of two) items of a work-group, given to all;
 * scratch is n floats.  The barrier at its start lets scratch be used again at once. */
static inline float group_sum(float value, __local float *scratch, int n)
{
    int lid = get_local_id(0);
    barrier(CLK_LOCAL_MEM_FENCE);
    scratch[lid] = value;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int half_n = n >> 1; half_n > 0; half_n >>= 1) {
        if (lid < half_n)
            scratch[lid] += scratch[lid + half_n];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    return scratch[0];
}

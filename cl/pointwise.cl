/* SPDX-License-Identifier: MIT
 * A function of each element, for decoders of the TAESD kind.
 *   rule 0: out = max(x, 0)             ReLU
 *   rule 1: out = 3 tanh(factor x / 3)  what their latents are held to
 *   rule 2: out = 2 x - 1               colours 0..1 to -1..1
 * x, out: n elements, dense; out may be x.  A NaN stays one.  One work-item an element. */
__kernel void pointwise(__global act *out, __global const act *x, int rule, float factor, int n)
{
    int e = get_global_id(0);
    if (e >= n)
        return;
    float v = LOAD_ACT(x, e);
    v = rule == 0 ? relu(v) : rule == 1 ? 3.0f * tanh(factor * v / 3.0f) : 2.0f * v - 1.0f;
    STORE_ACT(out, e, v);
}

/* SPDX-License-Identifier: MIT
 * What a device can do at most: ffcl bench measures its ceilings with these.
 *
 * ceiling_copy:  out[i] = in[i];  in, out (n) float32, n a multiple of 4.
 *   Global: n / 4 work-items, rounded up to the work-group.
 *
 * ceiling_fma:   a work-item computes 128 chains of `rounds` steps v = v m + a, from
 *   v_j = in[i] + j/16 for j = 0 .. 7 in each of 16 lanes;  out[i] = the sum of all chains;
 *   in, out (n) float32.
 *   The chains do not depend on each other, so that they hide the latency of the unit.
 *   Global: n work-items, rounded up to the work-group.
 *
 * No local memory. */

kernel void ceiling_copy(global float *out, global const float *in, int n)
{
    int i = (int)get_global_id(0);
    if (i * 4 < n)
        vstore4(vload4(i, in), i, out);
}

/* mad may be rounded twice or once; fma is slow where the device has no such unit. */
#ifdef FP_FAST_FMAF
#define STEP(v) fma(v, m, a)
#else
#define STEP(v) mad(v, m, a)
#endif

kernel void ceiling_fma(global float *out, global const float *in, float times, float plus,
                        int rounds, int n)
{
    int i = (int)get_global_id(0);
    if (i >= n)
        return;
    const float16 m = (float16)(times), a = (float16)(plus), v = (float16)(in[i]);
    float16 v0 = v, v1 = v + 0.0625f, v2 = v + 0.125f, v3 = v + 0.1875f;
    float16 v4 = v + 0.25f, v5 = v + 0.3125f, v6 = v + 0.375f, v7 = v + 0.4375f;
    for (int r = 0; r < rounds; r++) {
        v0 = STEP(v0);
        v1 = STEP(v1);
        v2 = STEP(v2);
        v3 = STEP(v3);
        v4 = STEP(v4);
        v5 = STEP(v5);
        v6 = STEP(v6);
        v7 = STEP(v7);
    }
    v0 = ((v0 + v1) + (v2 + v3)) + ((v4 + v5) + (v6 + v7));
    float8 s8 = v0.lo + v0.hi;
    float4 s4 = s8.lo + s8.hi;
    out[i] = (s4.x + s4.y) + (s4.z + s4.w);
}

/* SPDX-License-Identifier: MIT
 * Pictures to bytes, and the check for values that are no numbers. */

/* Rule 0 (SiT, DiT sample_ddp.py): clamp(127.5 x + 128, 0, 255), truncated.
 * Rule 1 (REPA generate.py): clamp(255 (x + 1) / 2, 0, 255), truncated.
 * x (n) floats, out (n) bytes, any order. The operations are kept apart as in torch: no fma. */
__kernel void image_bytes_f32(__global uchar *out, __global const float *x, int rule, int n)
{
#pragma OPENCL FP_CONTRACT OFF
    int e = get_global_id(0);
    if (e >= n)
        return;
    float v;
    if (rule == 0) {
        v = 127.5f * x[e];
        v = v + 128.0f;
    } else {
        v = x[e] + 1.0f;
        v = 255.0f * v;
        v = v / 2.0f;
    }
    out[e] = (uchar)(int)clamp(v, 0.0f, 255.0f);
}

/* bad[b] becomes 1 where one of the `each` values of item b is infinite or NaN; x (B, each).
 * A work-group looks at a part of one item: global (parts * L, B), local (L, 1). */
__kernel void image_finite_f32(__global int *bad, __global const float *x, int each)
{
    int b = get_global_id(1);
    __global const float *in = x + (size_t)b * each;
    int found = 0;
    for (int i = get_global_id(0); i < each; i += get_global_size(0))
        found |= !isfinite(in[i]);
    if (found)
        atomic_or(&bad[b], 1);
}

/* SPDX-License-Identifier: MIT
 * Group norm over NHWC images, with SiLU where asked (torch.nn.GroupNorm, eps 1e-6):
 *   out[b][p][c] = (x - mean[b][g]) / sqrt(var[b][g] + eps) * gamma[c] + beta[c],  g = c / (C/G)
 * x, out act (B, P, C), P pixels; gamma, beta (C).
 * Three steps:
 * partial  mean and sum of squared differences of each chunk of pixels; halo_conv.cl leaves them
 *          for what it writes, which saves this step;
 * combine  joins the chunks (Chan, Golub and LeVeque 1983), without the cancellation of a sum of
 *          squares;
 * apply    the result.  With few chunks each of its work-groups combines them by itself (FOLD), in
 *          the same order.
 * Where a group of an image fits the registers of a work-group, one kernel does all
 * (groupnorm_kept.cl).  This file has the first and the last step for any number of channels,
 * groupnorm_wide.cl for multiples of eight.  PoCL compiles all kernels of a file, hence the small
 * files.  Local memory, unless stated otherwise: one float a work-item. */

/* part[(b, g, chunk)] = (mean, sum of squared differences) of group g over the `each` pixels of the
 * chunk; the last may have fewer.
 * Global (G * L, chunks, B), local (L, 1, 1). */
__kernel void groupnorm_partial(__global float2 *part, __global const act *x, int P, int C,
                                    int G, int each, __local float4 *scratch)
{
    int g = get_group_id(0), chunk = get_group_id(1), b = get_group_id(2);
    int lid = get_local_id(0), L = get_local_size(0);
    int width = C / G, first = chunk * each;
    int pixels = min(each, P - first);
    int n = pixels * width;
    __global const act *in = x + ((size_t)b * P + first) * C + g * width;

    float sum = 0.0f;
    for (int e = lid; e < n; e += L)
        sum += LOAD_ACT(in, (size_t)(e / width) * C + e % width);
    float mean = group_sum(sum, scratch, L) / n;

    float squares = 0.0f;
    for (int e = lid; e < n; e += L) {
        float diff = LOAD_ACT(in, (size_t)(e / width) * C + e % width) - mean;
        squares += diff * diff;
    }
    squares = group_sum(squares, scratch, L);
    if (lid == 0)
        part[((size_t)b * G + g) * get_num_groups(1) + chunk] = (float2)(mean, squares);
}

/* out from x and stats, (mean, 1 / sqrt(var + eps)) of each (b, g).  A work-item keeps its channel
 * and strides over pixels.  Global (C rounded up, pixel groups, B). */
__kernel void groupnorm_apply(__global act *out, __global const act *x,
                                  __global const float2 *stats, __global const float *gamma,
                                  __global const float *beta, int P, int C, int G, int with_silu)
{
    int c = get_global_id(0), b = get_global_id(2);
    if (c >= C)
        return;
    float2 s = stats[b * G + c / (C / G)];
    float scale = s.y * gamma[c], shift = beta[c], mean = s.x;
    size_t base = (size_t)b * P * C + c;
    for (int p = get_global_id(1); p < P; p += get_global_size(1)) {
        size_t at = base + (size_t)p * C;
        float v = (LOAD_ACT(x, at) - mean) * scale + shift;
        STORE_ACT(out, at, with_silu ? silu(v) : v);
    }
}

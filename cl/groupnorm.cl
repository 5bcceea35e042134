/* SPDX-License-Identifier: MIT
 * Group norm over NHWC pictures, with SiLU where asked (torch.nn.GroupNorm, eps 1e-6):
 *   out[b][p][c] = (x - mean[b][g]) / sqrt(var[b][g] + eps) * gamma[c] + beta[c],  g = c / (C/G)
 * x, out act (B, P, C), P pixels; gamma, beta (C).
 * Three steps: mean and sum of squared differences of each chunk of pixels (of what halo_conv.cl
 * writes it leaves them itself); their combination (Chan, Golub and LeVeque 1983), which does not
 * cancel as a sum of squares would; the result.  Where there are few chunks, each work-group of the
 * last step combines them by itself (FOLD), in the same order; a group of a small picture is kept
 * in registers, and all is one step.
 * Local memory, where not said otherwise: one float an item.
 * Here are the first and the last step for any number of channels; groupnorm_wide.cl has those for
 * eight channels at a time, groupnorm_kept.cl the one step.  The files are small because PoCL
 * compiles every kernel of one. */

/* part[(b, g, chunk)] = (mean, sum of squared differences) of pixels chunk*each .. of group g.
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

/* Global (C rounded up, pixel groups, B); an item keeps its channel and strides over pixels. */
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

/* SPDX-License-Identifier: MIT
 * Group norm over NHWC pictures, with SiLU where asked (torch.nn.GroupNorm, eps 1e-6):
 *   out[b][p][c] = (x - mean[b][g]) / sqrt(var[b][g] + eps) * gamma[c] + beta[c],  g = c / (C/G)
 * x, out act (B, P, C), P pixels; gamma, beta (C).
 * Three steps: mean and sum of squared differences of each chunk of pixels; their combination
 * (Chan, Golub and LeVeque 1983), which does not cancel as a sum of squares would; the result.
 * Work-group sizes of the first two are powers of two; local memory: one float an item. */

/* part[(b, g, chunk)] = (mean, sum of squared differences) of pixels chunk*each .. of group g.
 * Global (G * L, chunks, B), local (L, 1, 1). */
__kernel void groupnorm_partial(__global float2 *part, __global const act *x, int P, int C,
                                    int G, int each, __local float *scratch)
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

/* stats[(b, g)] = (mean, 1 / sqrt(var + eps)).  Global (B*G * L), local (L). */
__kernel void groupnorm_combine(__global float2 *stats, __global const float2 *part, int chunks,
                                    int P, int each, int width, float eps, __local float *scratch)
{
    int lid = get_local_id(0), L = get_local_size(0);
    __global const float2 *in = part + (size_t)get_group_id(0) * chunks;
    float total = (float)P;         /* weights in pixels; the group's width cancels */

    float sum = 0.0f;
    for (int i = lid; i < chunks; i += L)
        sum += in[i].x * ((float)min(each, P - i * each) / total);
    float mean = group_sum(sum, scratch, L);

    float var = 0.0f;
    for (int i = lid; i < chunks; i += L) {
        float diff = in[i].x - mean;
        float weight = (float)min(each, P - i * each) / total;
        var += in[i].y / (total * width) + diff * diff * weight;
    }
    var = group_sum(var, scratch, L);
    if (lid == 0)
        stats[get_group_id(0)] = (float2)(mean, 1.0f / sqrt(var + eps));
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

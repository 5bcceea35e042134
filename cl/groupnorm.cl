/* SPDX-License-Identifier: MIT
 * Group norm over NHWC pictures, with SiLU where asked (torch.nn.GroupNorm, eps 1e-6):
 *   out[b][p][c] = (x - mean[b][g]) / sqrt(var[b][g] + eps) * gamma[c] + beta[c],  g = c / (C/G)
 * x, out act (B, P, C), P pixels; gamma, beta (C).
 * Three steps: mean and sum of squared differences of each chunk of pixels (of what halo_conv.cl
 * writes it leaves them itself); their combination (Chan, Golub and LeVeque 1983), which does not
 * cancel as a sum of squares would; the result.
 * Work-group sizes of the first two are powers of two; local memory: one float an item.
 * The kernels called wide do the first and last step eight channels at a time. */

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

/* The first step for C a multiple of 8, reading whole pixels: items = C/8 columns of 8 channels by
 * `rows` pixels.  Each channel's sums are taken about its first value in the chunk, so they do not
 * cancel; then rows are added up, and channels combined to groups as above.
 * Global (chunks * C/8 * rows, B), local (C/8 * rows, 1); scratch 16 floats an item. */
__kernel void groupnorm_partial_wide(__global float2 *part, __global const act *x, int P, int C,
                                     int G, int each, int rows, __local float *scratch)
{
    int chunk = get_group_id(0), b = get_group_id(1), lid = get_local_id(0);
    int columns = C / 8, column = lid % columns, row = lid / columns;
    int first = chunk * each, pixels = min(each, P - first);
    size_t base = ((size_t)b * P + first) * C + column * 8;

    float8 pivot = LOAD_ACT8(x, base), sum = (float8)(0.0f), squares = (float8)(0.0f);
    for (int p = row; p < pixels; p += rows) {
        float8 d = LOAD_ACT8(x, base + (size_t)p * C) - pivot;
        sum += d;
        squares += d * d;
    }
    __local float *sums = scratch, *sq = scratch + 8 * columns * rows;
    vstore8(sum, 0, sums + row * C + column * 8);
    vstore8(squares, 0, sq + row * C + column * 8);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int c = lid; c < C; c += columns * rows) {
        float s = 0.0f, q = 0.0f;
        for (int r = 0; r < rows; r++) {
            s += sums[r * C + c];
            q += sq[r * C + c];
        }
        sums[c] = LOAD_ACT(x, ((size_t)b * P + first) * C + c) + s / pixels;
        sq[c] = q - s * (s / pixels);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    int width = C / G;
    for (int g = lid; g < G; g += columns * rows) {
        float mean = 0.0f, total = 0.0f;
        for (int c = g * width; c < (g + 1) * width; c++)
            mean += sums[c];
        mean /= width;
        for (int c = g * width; c < (g + 1) * width; c++)
            total += sq[c] + pixels * (sums[c] - mean) * (sums[c] - mean);
        part[((size_t)b * G + g) * get_num_groups(0) + chunk] = (float2)(mean, total);
    }
}

/* v sigmoid(v).  For a half result the device's own exp and division are exact enough by far, and
 * the others cost more time than the memory. */
static inline float8 silu8(float8 v)
{
#ifdef HALF
    return native_divide(v, 1.0f + native_exp(-v));
#else
    return v / (1.0f + exp(-v));
#endif
}

/* The result for C a multiple of 8; an item keeps its 8 channels and strides over pixels.
 * Global (C/8 rounded up, pixel groups, B). */
__kernel void groupnorm_apply_wide(__global act *out, __global const act *x,
                                   __global const float2 *stats, __global const float *gamma,
                                   __global const float *beta, int P, int C, int G, int with_silu)
{
    int c0 = get_global_id(0) * 8, b = get_global_id(2);
    if (c0 >= C)
        return;
    float mean[8], scale[8];
    for (int i = 0; i < 8; i++) {
        float2 s = stats[b * G + (c0 + i) / (C / G)];
        mean[i] = s.x;
        scale[i] = s.y * gamma[c0 + i];
    }
    float8 m = vload8(0, mean), k = vload8(0, scale), shift = vload8(0, beta + c0);
    size_t base = (size_t)b * P * C + c0;
    for (int p = get_global_id(1); p < P; p += get_global_size(1)) {
        size_t at = base + (size_t)p * C;
        float8 v = (LOAD_ACT8(x, at) - m) * k + shift;
        if (with_silu)
            v = silu8(v);
        STORE_ACT8(out, at, v);
    }
}

/* SPDX-License-Identifier: MIT
 * The group norm of groupnorm.cl for CPUs, in its three steps, in vectors of VW floats; no local
 * memory and no barrier.  VW divides C, and VW or the channels of a group divide the other. */
#include "vector.clh"

/* part[(b, g, chunk)] = (mean, sum of squared differences) of the chunk's `each` pixels (the last
 * may have fewer); a work-item has a chunk.  Sums are taken about the group's first value, so that
 * they do not cancel, and first over a pixel, so that few are added to a large one.
 * Global (chunks, B). */
__kernel void groupnorm_sums_row(__global float2 *part, __global const act *x, int P, int C, int G,
                                 int each, int chunks)
{
    int chunk = get_global_id(0), b = get_global_id(1), width = C / G;
    int pixels = min(each, P - chunk * each), together = max(width, VW);
    __global const act *in = x + ((size_t)b * P + (size_t)chunk * each) * C;
    for (int c0 = 0; c0 < C; c0 += together) {
        float first[VW], sums[VW], squares[VW];
        for (int i = 0; i < VW; i++)
            first[i] = LOAD_ACT(in, c0 + i / width * width);
        vec pivot = LOAD_FLOATS(first), s = (vec)(0.0f), q = (vec)(0.0f);
        for (int p = 0; p < pixels; p++) {
            vec s_pixel = (vec)(0.0f), q_pixel = (vec)(0.0f);
            for (int c = c0; c < c0 + together; c += VW) {
                vec d = LOAD(in + (size_t)p * C + c) - pivot;
                s_pixel += d;
                q_pixel += d * d;
            }
            s += s_pixel;
            q += q_pixel;
        }
        STORE_FLOATS(s, sums);
        STORE_FLOATS(q, squares);
        int lanes_each = min(width, VW);
        for (int i = 0; i < VW; i += lanes_each) {
            float sum = 0.0f, square = 0.0f, n = (float)pixels * width;
            for (int j = i; j < i + lanes_each; j++) {
                sum += sums[j];
                square += squares[j];
            }
            int g = (c0 + i) / width;
            part[((size_t)b * G + g) * chunks + chunk] =
                (float2)(first[i] + sum / n, square - sum * (sum / n));
        }
    }
}

/* to[(b, 0, c)] = the mean of c's group, to[(b, 1, c)] = gamma / sqrt(var + eps); as
 * groupnorm_combine.  A work-item has a group of an image.  Global (B * G rounded up). */
__kernel void groupnorm_combine_row(__global float *to, __global const float2 *part,
                                    __global const float *gamma, int chunks, int P, int C, int G,
                                    int each, float eps, int n)
{
    int at = get_global_id(0), width = C / G;
    if (at >= n)
        return;
    __global const float2 *in = part + (size_t)at * chunks;
    float total = (float)P, mean = 0.0f, var = 0.0f;
    for (int i = 0; i < chunks; i++)
        mean += in[i].x * ((float)min(each, P - i * each) / total);
    for (int i = 0; i < chunks; i++) {
        float diff = in[i].x - mean;
        float weight = (float)min(each, P - i * each) / total;
        var += in[i].y / (total * width) + diff * diff * weight;
    }
    float scale = 1.0f / sqrt(var + eps);
    int c0 = at % G * width;
    __global float *means = to + (size_t)(at / G) * 2 * C;
    for (int c = c0; c < c0 + width; c++) {
        means[c] = mean;
        means[C + c] = scale * gamma[c];
    }
}

/* A work-item has a pixel.  Global (pixels of all images, rounded up). */
__kernel void groupnorm_apply_row(__global act *out, __global const act *x,
                                  __global const float *means, __global const float *beta, int P,
                                  int C, int with_silu, int pixels)
{
    int pixel = get_global_id(0);
    if (pixel >= pixels)
        return;
    __global const float *mean = means + (size_t)(pixel / P) * 2 * C, *scale = mean + C;
    size_t base = (size_t)pixel * C;
    for (int c = 0; c < C; c += VW) {
        vec v = (LOAD(x + base + c) - LOAD_FLOATS(mean + c)) * LOAD_FLOATS(scale + c) +
                LOAD_FLOATS(beta + c);
        if (with_silu)
            v = silu_of(v);
        STORE(v, out + base + c);
    }
}

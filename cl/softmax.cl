/* SPDX-License-Identifier: MIT
 * Softmax of rows by work-groups, from float32 scores to float32 or half weights:
 *   out[r][c] = exp(scale (in[r][c] - max_r)) / sum over c of the same
 * in (rows, n) float32, out (rows, n) act, dense, may be in; log2_scale = scale log2(e).
 * One work-group a row, its size a power of two; each work-item keeps KEEP quads of the row in
 * registers, so n is a multiple of 4 and at most 4 KEEP times the work-group size.
 * Local memory: one float a work-item. */
#ifndef KEEP
#define KEEP 4
#endif

/* The largest of one value of each of the n work-items, returned to all. */
static inline float group_max(float value, __local float4 *scratch, int n)
{
    barrier(CLK_LOCAL_MEM_FENCE);
    ((__local float *)scratch)[get_local_id(0)] = value;
    barrier(CLK_LOCAL_MEM_FENCE);
    float4 top = scratch[0];
    for (int i = 1; i < n / 4; i++)
        top = fmax(top, scratch[i]);
    return fmax(fmax(top.x, top.y), fmax(top.z, top.w));
}

__kernel IN_REGISTERS
void softmax_group(__global act *out, __global const float *in, int n, float log2_scale,
                   __local float4 *scratch)
{
    int lid = get_local_id(0), items = get_local_size(0), quads = n / 4;
    size_t row = get_group_id(0);
    __global const float4 *from = (__global const float4 *)in + row * quads;
    float4 kept[KEEP];
    float top = -INFINITY;
    for (int i = 0; i < KEEP; i++) {
        int q = lid + i * items;
        kept[i] = q < quads ? from[q] : (float4)(-INFINITY);
        top = fmax(top, fmax(fmax(kept[i].x, kept[i].y), fmax(kept[i].z, kept[i].w)));
    }
    top = group_max(top, scratch, items);
    float sum = 0.0f;
    for (int i = 0; i < KEEP; i++) {
        kept[i] = exp2((kept[i] - top) * log2_scale);
        sum += (kept[i].x + kept[i].y) + (kept[i].z + kept[i].w);
    }
    float inv = 1.0f / group_sum(sum, scratch, items);
    for (int i = 0; i < KEEP; i++) {
        int q = lid + i * items;
        if (q < quads)
            STORE_ACT4(out, (row * quads + q) * 4, kept[i] * inv);
    }
}

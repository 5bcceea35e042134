/* SPDX-License-Identifier: MIT
 * The second step of groupnorm.cl. */

/* stats[(b, g)] = (mean, 1 / sqrt(var + eps)).  Global (B*G * L), local (L). */
__kernel void groupnorm_combine(__global float2 *stats, __global const float2 *part, int chunks,
                                    int P, int each, int width, float eps, __local float4 *scratch)
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

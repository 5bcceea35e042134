/* SPDX-License-Identifier: MIT
 * Latents to embedded patches (SiT models.py, PatchEmbed), as a GEMM that gathers its operand:
 *   x[(b, t)][d] = sum over (c, i, j) of z[b][c][gy p + i][gx p + j] W[(c, i, j)][d]
 *                  + bias[d] + pos[t][d],   t = gy G + gx
 * z (B, C, R, R), G = R / p patches a side, T = G * G; W (C*p*p, D), the order of a flattened
 * convolution weight (D, C, p, p), transposed; pos (T, D) where has_pos; x (B*T, D), M = B*T.
 * A work-item has four columns of TOKENS tokens, whose patches pass through local memory, CHUNK of
 * their elements at a time; D is a multiple of 4.  Local memory 2 KB.
 * Global (D / 4 rounded up, ceil(M / TOKENS)), local (any, 1). */
enum { TOKENS = 8, CHUNK = 64 };

__kernel IN_REGISTERS
void patch_embed_f32(__global float4 *x, __global const float *z,
                     __global const float4 *w, __global const float4 *bias,
                     __global const float4 *pos, int has_pos, int C, int R, int p, int D,
                     int M)
{
    __local float patch[CHUNK * TOKENS];
    int quad = get_global_id(0), quads = D / 4, m0 = get_group_id(1) * TOKENS;
    int K = C * p * p, G = R / p, T = G * G, kept = min(quad, quads - 1);
    float4 sum[TOKENS];
    for (int i = 0; i < TOKENS; i++)
        sum[i] = (float4)(0.0f);
    for (int k0 = 0; k0 < K; k0 += CHUNK) {
        int n = min((int)CHUNK, K - k0);
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int e = get_local_id(0); e < n * TOKENS; e += get_local_size(0)) {
            int k = k0 + e / TOKENS, m = min(m0 + e % TOKENS, M - 1);
            int b = m / T, t = m - b * T, c = k / (p * p);
            int row = t / G * p + k / p % p, column = t % G * p + k % p;
            patch[e] = z[(((size_t)b * C + c) * R + row) * R + column];
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int k = 0; k < n; k++) {
            float4 part = w[(size_t)(k0 + k) * quads + kept];
            for (int i = 0; i < TOKENS; i++)
                sum[i] += patch[k * TOKENS + i] * part;
        }
    }
    if (quad >= quads)
        return;
#pragma unroll
    for (int i = 0; i < TOKENS; i++) {
        float4 v = sum[i] + bias[quad];
        if (has_pos)
            v += pos[(size_t)((m0 + i) % T) * quads + quad];
        if (m0 + i < M)
            x[(size_t)(m0 + i) * quads + quad] = v;
    }
}

/* SPDX-License-Identifier: MIT
 * Latents to patch rows and back (SiT models.py, PatchEmbed and unpatchify).  One item an element.
 * A latent is (B, C, R, R); G = R / p patches a side, T = G * G tokens, row-major. */

/* rows[(b, t)][(c, i, j)] = z[b][c][gy p + i][gx p + j]: rows (B*T, C*p*p), the order of a
 * flattened convolution weight (D, C, p, p); n = B*T*C*p*p. */
__kernel void patchify_f32(__global float *rows, __global const float *z, int C, int R, int p,
                           int n)
{
    int e = get_global_id(0);
    if (e >= n)
        return;
    int K = C * p * p, G = R / p;
    int token = e / K, k = e - token * K;
    int c = k / (p * p), i = k / p % p, j = k % p;
    int b = token / (G * G), t = token - b * G * G;
    int y = t / G * p + i, x = t % G * p + j;
    rows[e] = z[(((size_t)b * C + c) * R + y) * R + x];
}

/* out[b][c][gy p + i][gx p + j] = rows[(b, t)][(i, j, c)] for c < C of the Cout channels there are
 * (learn_sigma models have more): rows (B*T, p*p*Cout), out (B, C, R, R); n = B*C*R*R. */
__kernel void unpatchify_f32(__global float *out, __global const float *rows, int C, int Cout,
                             int R, int p, int n)
{
    int e = get_global_id(0);
    if (e >= n)
        return;
    int G = R / p;
    int x = e % R, y = e / R % R, plane = e / (R * R);
    int c = plane % C, b = plane / C;
    int token = (b * G + y / p) * G + x / p;
    int k = ((y % p) * p + x % p) * Cout + c;
    out[e] = rows[(size_t)token * p * p * Cout + k];
}

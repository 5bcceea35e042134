/* SPDX-License-Identifier: MIT
 *
 * PyTorch's generators.  Sources: aten/src/ATen/core/MT19937RNGEngine.h, DistributionsHelper.h,
 * native/cpu/DistributionTemplates.h, native/cuda/DistributionTemplates.h; Matsumoto and
 * Nishimura 1998 (MT19937); Salmon et al. 2011 (Philox4x32-10); Moshier's Cephes (the
 * polynomials of logf, sinf and cosf, which PyTorch's AVX2 code evaluates). */
#include "generator.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* Every fused multiply-add below is written out.  gcc adds none of its own under -std=c11, and
 * does not know the pragma; clang does where the target has one. */
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

enum { MT_N = 624, MT_M = 397, BLOCK = 16, HALF = BLOCK / 2, CUDA_BLOCK = 256 };

static const double TWO_PI = 6.283185307179586476925286766559;

/* ---- MT19937 ---- */

static void mt_seed(ffcl_generator *g, uint32_t seed)
{
    g->state[0] = seed;
    for (uint32_t i = 1; i < MT_N; i++) {
        uint32_t last = g->state[i - 1];
        g->state[i] = 1812433253u * (last ^ (last >> 30)) + i;
    }
    g->next = MT_N;
}

static uint32_t mt_twist(uint32_t high, uint32_t low, uint32_t far)
{
    uint32_t y = (high & 0x80000000u) | (low & 0x7fffffffu);
    return far ^ (y >> 1) ^ (y & 1 ? 0x9908b0dfu : 0);
}

static void mt_refill(ffcl_generator *g)
{
    uint32_t *s = g->state;
    for (size_t i = 0; i < MT_N - MT_M; i++)
        s[i] = mt_twist(s[i], s[i + 1], s[i + MT_M]);
    for (size_t i = MT_N - MT_M; i < MT_N - 1; i++)
        s[i] = mt_twist(s[i], s[i + 1], s[i + MT_M - MT_N]);
    s[MT_N - 1] = mt_twist(s[MT_N - 1], s[0], s[MT_M - 1]);
    g->next = 0;
}

static uint32_t mt_word(ffcl_generator *g)
{
    if (g->next >= MT_N)
        mt_refill(g);
    uint32_t y = g->state[g->next++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

/* [0, 1) with 24 bits. */
static float mt_uniform_f32(ffcl_generator *g)
{
    return (float)(mt_word(g) & 0xffffffu) * 0x1p-24f;
}

/* [0, 1) with 53 bits; the first word is the high one. */
static double mt_uniform_f64(ffcl_generator *g)
{
    uint64_t high = mt_word(g), low = mt_word(g);
    return (double)(((high << 32) | low) & ((UINT64_C(1) << 53) - 1)) * 0x1p-53;
}

/* ---- Normals of the CPU generator ---- */

/* c[0] x^(n-1) + ... + c[n-1]. */
static float polynomial(const float *c, size_t n, float x)
{
    float y = c[0];
    for (size_t i = 1; i < n; i++)
        y = fmaf(y, x, c[i]);
    return y;
}

/* ln x for normal x in (0, 1].  libm's logf is closer to the truth, but PyTorch's stock builds
 * evaluate this polynomial, fused where a product meets a sum, so these bits are theirs. */
static float log_cephes(float x)
{
    static const float c[] = {
        7.0376836292e-2f, -1.1514610310e-1f, 1.1676998740e-1f, -1.2420140846e-1f,
        1.4249322787e-1f, -1.6668057665e-1f, 2.0000714765e-1f, -2.4999993993e-1f,
        3.3333331174e-1f,
    };
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    int exponent = (int)(bits >> 23) - 126;
    bits = (bits & 0x007fffffu) | 0x3f000000u;      /* the mantissa, in [0.5, 1) */
    memcpy(&x, &bits, sizeof x);
    float add = 0.0f;
    if (x < 0.707106781186547524f) {
        exponent--;
        add = x;
    }
    float e = (float)exponent;
    x = (x - 1.0f) + add;
    float z = x * x;
    float y = polynomial(c, sizeof c / sizeof *c, x) * x;
    y = fmaf(y, z, e * -2.12194440e-4f);            /* ln 2 in two parts */
    y = fmaf(z, -0.5f, y);
    return fmaf(e, 0.693359375f, x + y);
}

/* sin and cos of x in [0, 2 pi]; the same remarks. */
static void sincos_cephes(float x, float *sine, float *cosine)
{
    static const float cs[] = { -1.9515295891e-4f, 8.3321608736e-3f, -1.6666654611e-1f };
    static const float cc[] = { 2.443315711809948e-5f, -1.388731625493765e-3f,
                                4.166664568298827e-2f };
    int octant = (int)(x * 1.27323954473516f);      /* 4 / pi */
    octant = (octant + 1) & ~1;
    float y = (float)octant;
    x = fmaf(y, -0.78515625f, x);                   /* pi / 4 in three parts */
    x = fmaf(y, -2.4187564849853515625e-4f, x);
    x = fmaf(y, -3.77489497744594108e-8f, x);
    float z = x * x;
    float c = fmaf(polynomial(cc, 3, z) * z, z, z * -0.5f) + 1.0f;
    float s = fmaf(polynomial(cs, 3, z) * z, x, x);
    float sin_value = octant & 2 ? c : s, cos_value = octant & 2 ? s : c;
    *sine = octant & 4 ? -sin_value : sin_value;
    *cosine = (octant + 2) & 4 ? -cos_value : cos_value;
}

/* 16 uniforms become 16 normals, in place: 8 radii, then 8 angles. */
static void normal_block(float x[BLOCK])
{
    for (size_t j = 0; j < HALF; j++) {
        float radius = sqrtf(-2.0f * log_cephes(1.0f - x[j]));
        float s, c;
        sincos_cephes((float)TWO_PI * x[j + HALF], &s, &c);
        x[j] = radius * c;
        x[j + HALF] = radius * s;
    }
}

/* Below 16 elements PyTorch makes pairs in double and keeps the second of a pair. */
static double normal_pair(ffcl_generator *g)
{
    if (g->has_cached) {
        g->has_cached = 0;
        return g->cached;
    }
    double u1 = mt_uniform_f64(g), u2 = mt_uniform_f64(g);
    double radius = sqrt(-2.0 * log1p(-u2)), theta = TWO_PI * u1;
    g->cached = radius * sin(theta);
    g->has_cached = 1;
    return radius * cos(theta);
}

static void cpu_randn(ffcl_generator *g, float *out, size_t n)
{
    if (n < BLOCK) {
        for (size_t i = 0; i < n; i++)
            out[i] = (float)normal_pair(g);
        return;
    }
    for (size_t i = 0; i < n; i++)
        out[i] = mt_uniform_f32(g);
    for (size_t i = 0; i + BLOCK <= n; i += BLOCK)
        normal_block(out + i);
    if (n % BLOCK) {                /* the last 16 once more, from fresh uniforms */
        float *tail = out + n - BLOCK;
        for (size_t i = 0; i < BLOCK; i++)
            tail[i] = mt_uniform_f32(g);
        normal_block(tail);
    }
}

/* ---- Philox4x32-10 and CUDA's element order ---- */

/* words: output number `counter` of the stream of one CUDA thread. */
static void philox(uint64_t seed, uint64_t counter, uint64_t thread, uint32_t words[4])
{
    uint32_t x0 = (uint32_t)counter, x1 = (uint32_t)(counter >> 32);
    uint32_t x2 = (uint32_t)thread, x3 = (uint32_t)(thread >> 32);
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)x0 * 0xd2511f53u, p1 = (uint64_t)x2 * 0xcd9e8d57u;
        x0 = (uint32_t)(p1 >> 32) ^ x1 ^ k0;
        x2 = (uint32_t)(p0 >> 32) ^ x3 ^ k1;
        x1 = (uint32_t)p1;
        x3 = (uint32_t)p0;
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
    words[0] = x0;
    words[1] = x1;
    words[2] = x2;
    words[3] = x3;
}

/* (a + 1/2) * scale, as cuRAND's code rounds it. */
static float scaled(uint32_t a, float scale)
{
    return fmaf((float)a, scale, scale / 2);
}

/* Box-Muller as cuRAND does it, the sine first.  __sincosf turns the angle into revolutions by a
 * product rounded towards zero (left out, the largest difference doubles to 2.3e-6), then looks
 * it up; the table is not known, so about 1e-6 remains. */
static void cuda_normal2(uint32_t a, uint32_t b, float out[2])
{
    float u = scaled(a, 0x1p-32f), v = scaled(b, (float)(TWO_PI * 0x1p-32));
    float radius = sqrtf(-2.0f * (float)log((double)u));
    double turns = (double)v * (double)(float)(1 / TWO_PI);     /* exact */
    uint64_t bits;
    memcpy(&bits, &turns, sizeof bits);
    bits &= ~((UINT64_C(1) << 29) - 1);             /* the 24 leading bits */
    memcpy(&turns, &bits, sizeof turns);
    out[0] = radius * (float)sin(turns * TWO_PI);
    out[1] = radius * (float)cos(turns * TWO_PI);
}

typedef struct cuda_grid {
    uint64_t threads;           /* of the launch: elements next to each other in one component */
    uint64_t calls;             /* Philox calls of each thread, four elements a call */
} cuda_grid;

static cuda_grid cuda_geometry(const ffcl_generator *g, size_t n)
{
    uint64_t threads = ((uint64_t)n + CUDA_BLOCK - 1) / CUDA_BLOCK * CUDA_BLOCK;
    if (threads > g->threads)
        threads = g->threads;
    return (cuda_grid){ threads, ((uint64_t)n - 1) / (4 * threads) + 1 };
}

/* Element i is component (i / threads) mod 4 of call i / (4 threads) of thread i mod threads. */
static void cuda_randn(ffcl_generator *g, float *out, size_t n)
{
    cuda_grid grid = cuda_geometry(g, n);
    for (uint64_t call = 0; call < grid.calls; call++)
        for (uint64_t t = 0; t < grid.threads; t++) {
            uint64_t i = call * 4 * grid.threads + t;
            if (i >= n)
                break;
            uint32_t words[4];
            float normals[4];
            philox(g->seed, g->offset / 4 + call, t, words);
            cuda_normal2(words[0], words[1], normals);
            if (i + 2 * grid.threads < n)
                cuda_normal2(words[2], words[3], normals + 2);
            for (size_t k = 0; k < 4 && i < n; k++, i += grid.threads)
                out[i] = normals[k];
        }
    g->offset += 4 * grid.calls;
}

static void cuda_randint(ffcl_generator *g, int64_t low, uint64_t range, int64_t *out, size_t n)
{
    cuda_grid grid = cuda_geometry(g, n);
    for (uint64_t call = 0; call < grid.calls; call++)
        for (uint64_t t = 0; t < grid.threads; t++) {
            uint32_t words[4];
            philox(g->seed, g->offset / 4 + call, t, words);
            uint64_t i = call * 4 * grid.threads + t;
            for (size_t k = 0; k < 4 && i < n; k++, i += grid.threads)
                out[i] = low + (int64_t)(words[k] % range);
        }
    g->offset += 4 * grid.calls;
}

/* Words of the Philox call that element i of a launch comes from; *component: which is its. */
static void cuda_words(const ffcl_generator *g, uint64_t offset, const cuda_grid *grid, size_t i,
                       uint32_t words[4], size_t *component)
{
    uint64_t t = i % grid->threads, q = i / grid->threads;
    philox(g->seed, offset / 4 + q / 4, t, words);
    *component = (size_t)(q % 4);
}

uint64_t ffcl_generator_after(const ffcl_generator *g, uint64_t offset, size_t n)
{
    return offset + 4 * cuda_geometry(g, n).calls;
}

void ffcl_generator_randn_at(const ffcl_generator *g, uint64_t offset, size_t n, size_t first,
                             size_t m, float *out)
{
    const cuda_grid grid = cuda_geometry(g, n);
    for (size_t i = 0; i < m; i++) {
        uint32_t words[4];
        float normals[2];
        size_t component;
        cuda_words(g, offset, &grid, first + i, words, &component);
        cuda_normal2(words[component & 2], words[(component & 2) + 1], normals);
        out[i] = normals[component & 1];
    }
}

int64_t ffcl_generator_randint_at(const ffcl_generator *g, uint64_t offset, size_t n, size_t i,
                                  int64_t low, int64_t high)
{
    const cuda_grid grid = cuda_geometry(g, n);
    uint32_t words[4];
    size_t component;
    cuda_words(g, offset, &grid, i, words, &component);
    return low + (int64_t)(words[component] % ((uint64_t)high - (uint64_t)low));
}

/* ---- The interface ---- */

void ffcl_generator_seed(ffcl_generator *g, ffcl_rng kind, uint64_t seed, uint64_t threads)
{
    assert(kind != FFCL_RNG_TORCH_CUDA || threads > 0);
    *g = (ffcl_generator){ .kind = kind, .seed = seed, .threads = threads };
    mt_seed(g, (uint32_t)seed);     /* PyTorch's CPU generator ignores the high half too */
}

void ffcl_generator_skip(ffcl_generator *g, uint64_t n)
{
    while (n > 0) {
        if (g->next >= MT_N)
            mt_refill(g);
        uint64_t step = MT_N - g->next < n ? MT_N - g->next : n;
        g->next += (size_t)step;
        n -= step;
    }
}

void ffcl_generator_randn(ffcl_generator *g, float *out, size_t n)
{
    if (n == 0)
        return;
    if (g->kind == FFCL_RNG_TORCH_CUDA)
        cuda_randn(g, out, n);
    else
        cpu_randn(g, out, n);
}

void ffcl_generator_randint(ffcl_generator *g, int64_t low, int64_t high, int64_t *out, size_t n)
{
    assert(low < high && (uint64_t)high - (uint64_t)low < (UINT64_C(1) << 28));
    uint64_t range = (uint64_t)high - (uint64_t)low;
    if (n == 0)
        return;
    if (g->kind == FFCL_RNG_TORCH_CUDA) {
        cuda_randint(g, low, range, out, n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        out[i] = low + (int64_t)(mt_word(g) % range);
}

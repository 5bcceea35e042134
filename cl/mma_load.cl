/* SPDX-License-Identifier: MIT
 * How an item of mma.cl brings its part of A and W into local memory, from a matrix or, with CONV,
 * from under the taps of a convolution; included by mma.cl after its options. */

/* 16 bytes from global to local memory, zeros where size is 0. */
INLINE void copy16(uint to, __global const ushort *from, uint size)
{
    __asm__ volatile("cp.async." CACHE ".shared.global [%0], [%1], 16, %2;" ::"r"(to),
                     "l"((ulong)from), "r"(size)
                     : "memory");
}

INLINE void copy_commit(void)
{
    __asm__ volatile("cp.async.commit_group;" ::: "memory");
}

INLINE void copy_wait(void)
{
#if STAGES == 2
    __asm__ volatile("cp.async.wait_group 0;" ::: "memory");
#elif STAGES == 3
    __asm__ volatile("cp.async.wait_group 1;" ::: "memory");
#else
    __asm__ volatile("cp.async.wait_group 2;" ::: "memory");
#endif
}

/* Geometry of a convolution; see the arguments of the kernel. */
typedef struct picture {
    int Hh, Ww, C, kw, dy, dx;
} picture;

/* What an item loads of A: rows row0 + i * ROW_STEP, one 16-byte chunk of each. */
typedef struct loader {
    uint a_at[A_LOADS];         /* element offset of the row (CONV: of the pixel) */
#if CONV
    int yx[A_LOADS];            /* pixel's y << 16 | x */
    int tap, c;                 /* where the next step reads */
#endif
    uint w_at[W_LOADS];
    uint a_to, w_to;            /* local address within a stage */
    int chunk;
} loader;

INLINE void loader_open(loader *l, int m0, int n0, int k0, int M, int N, int lda, int ldw,
                        const picture *p)
{
    int lid = get_local_id(0), row = lid >> 2;
    l->chunk = lid & 3;
    for (int i = 0; i < A_LOADS; i++) {
        int m = min(m0 + row + i * ROW_STEP, M - 1);
#if CONV
        int rest = m % (p->Hh * p->Ww);
        int y = rest / p->Ww;
        l->yx[i] = y << 16 | (rest - y * p->Ww);
        l->a_at[i] = (uint)m * p->C + l->chunk * 8;
#else
        l->a_at[i] = (uint)m * lda + l->chunk * 8;
#endif
    }
    for (int i = 0; i < W_LOADS; i++)
        l->w_at[i] = (uint)min(n0 + row + i * ROW_STEP, N - 1) * ldw + l->chunk * 8;
    l->a_to = row * 64 + ((l->chunk ^ ((row >> 1) & 3)) << 4);
    l->w_to = l->a_to + BM * 64;
#if CONV
    l->tap = k0 / p->C;
    l->c = k0 - l->tap * p->C;
#endif
}

/* Starts the copies of K step k into the stage at `stage`. */
INLINE void loader_step(loader *l, uint stage, __global const ushort *A, __global const ushort *W,
                        int k, int K, const picture *p)
{
    uint in_k = k + l->chunk * 8 < K ? 16 : 0;
#if CONV
    int ty = l->tap / p->kw, sy = p->dy + ty, sx = p->dx + l->tap - ty * p->kw;
    int shift = (sy * p->Ww + sx) * p->C + l->c;
    for (int i = 0; i < A_LOADS; i++) {
        int y = (l->yx[i] >> 16) + sy, x = (l->yx[i] & 0xffff) + sx;
        int inside = (uint)y < (uint)p->Hh && (uint)x < (uint)p->Ww;
        copy16(stage + l->a_to + i * ROW_STEP * 64,
               A + (inside ? l->a_at[i] + (uint)shift : 0u), inside ? 16 : 0);
    }
    l->c += 32;
    if (l->c == p->C) {
        l->c = 0;
        l->tap++;
    }
#else
    for (int i = 0; i < A_LOADS; i++)
        copy16(stage + l->a_to + i * ROW_STEP * 64, A + (in_k ? l->a_at[i] + k : 0u), in_k);
#endif
    for (int i = 0; i < W_LOADS; i++)
        copy16(stage + l->w_to + i * ROW_STEP * 64, W + (in_k ? l->w_at[i] + k : 0u), in_k);
}

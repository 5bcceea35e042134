/* SPDX-License-Identifier: MIT
 * The inner product of mma.cl: a step of 32 columns by wgmma, or by ldmatrix and mma.sync; included
 * by mma.cl after its options. */

#if WGMMA
#define QUAD(q) "+f"(q[0]), "+f"(q[1]), "+f"(q[2]), "+f"(q[3])
/* One k16 step of m64nBNk16 on the accumulators of 64 rows; a, w are local-memory descriptors.
 * Hidden in a PTX comment: see the header. */
INLINE void group_multiply(float c[NI][4], ulong a, ulong w)
{
#if BN == 64
    __asm__ volatile("//sm_90a wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 {"
                     "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
                     "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, "
                     "%30, %31"
                     "}, %32, %33, 1, 1, 1, 0, 0;"
                     : QUAD(c[0]), QUAD(c[1]), QUAD(c[2]), QUAD(c[3]), QUAD(c[4]), QUAD(c[5]),
                       QUAD(c[6]), QUAD(c[7])
                     : "l"(a), "l"(w));
#elif BN == 128
    __asm__ volatile("//sm_90a wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 {"
                     "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
                     "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, "
                     "%30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, "
                     "%44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, "
                     "%58, %59, %60, %61, %62, %63"
                     "}, %64, %65, 1, 1, 1, 0, 0;"
                     : QUAD(c[0]), QUAD(c[1]), QUAD(c[2]), QUAD(c[3]), QUAD(c[4]), QUAD(c[5]),
                       QUAD(c[6]), QUAD(c[7]), QUAD(c[8]), QUAD(c[9]), QUAD(c[10]), QUAD(c[11]),
                       QUAD(c[12]), QUAD(c[13]), QUAD(c[14]), QUAD(c[15])
                     : "l"(a), "l"(w));
#endif
}

/* A tile in local memory for wgmma: rows of 64 bytes, 8-row groups 512 bytes apart, 64-byte
 * swizzle, which is the one described above. */
INLINE ulong describe(uint address)
{
    return (ulong)(address >> 4 & 0x3fff) | (ulong)1 << 16 | (ulong)(512 >> 4) << 32 |
           (ulong)2 << 62;
}

/* acc += the stage's 32 columns; afterwards the stage may be overwritten. */
INLINE void compute_step(float acc[MI][NI][4], uint stage)
{
    __asm__ volatile("//sm_90a wgmma.fence.sync.aligned;" ::: "memory");
#pragma unroll
    for (int ks = 0; ks < 2; ks++)
#pragma unroll
        for (int i = 0; i < MI; i++)
            group_multiply(acc[i], describe(stage + i * 64 * 64 + ks * 32),
                           describe(stage + BM * 64 + ks * 32));
    __asm__ volatile("//sm_90a wgmma.commit_group.sync.aligned;" ::: "memory");
    __asm__ volatile("//sm_90a wgmma.wait_group.sync.aligned 0;" ::: "memory");
}
#else
/* acc += the stage's 32 columns. */
INLINE void compute_step(float acc[MI][NI][4], uint stage, uint a_from, uint w_from)
{
#pragma unroll
    for (int ks = 0; ks < 2; ks++) {
        uint a[MI][4];
#pragma unroll
        for (int i = 0; i < MI; i++)
            load_matrix4(a[i], stage + (a_from ^ (ks * 32)) + i * 16 * 64);
#pragma unroll
        for (int j = 0; j < NI / 2; j++) {
            uint b[4];
            load_matrix4(b, stage + (w_from ^ (ks * 32)) + j * 16 * 64);
#pragma unroll
            for (int i = 0; i < MI; i++) {
                multiply(acc[i][2 * j], a[i], b[0], b[1]);
                multiply(acc[i][2 * j + 1], a[i], b[2], b[3]);
            }
        }
    }
}
#endif

/* SPDX-License-Identifier: MIT
 * PTX instructions of NVIDIA's matrix engine that mma.cl and mma_attention.cl share (PTX ISA:
 * mma.sync.m16n8k16, ldmatrix, cvt); included by them. */

#define INLINE static inline __attribute__((always_inline))

/* The address that instructions on local memory take. */
INLINE uint local_address(__local void *p)
{
    return (uint)(size_t)p;
}

/* Four 8 x 8 blocks of halves; lane i gives the address of row i % 8 of block i / 8. */
INLINE void load_matrix4(uint r[4], uint address)
{
    __asm__ volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                     : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                     : "r"(address)
                     : "memory");
}

/* c (16, 8) += a (16, 16) b (16, 8), spread over the lanes of a warp as PTX defines. */
INLINE void multiply(float c[4], const uint a[4], uint b0, uint b1)
{
    __asm__ volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
                     "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                     : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/* Two floats as a pair of halves, the first in the low bits. */
INLINE uint pack_half2(float lo, float hi)
{
    uint r;
    __asm__("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(hi), "f"(lo));
    return r;
}

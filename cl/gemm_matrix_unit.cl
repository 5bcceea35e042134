/* SPDX-License-Identifier: MIT
 * GEMMs and convolutions of half operands on the matrix units of AMD and Intel, by compiler
 * built-ins.  CHECKED BY COMPILERS AND BY EMULATION ONLY: no such device has run it.
 * Operands, options (CONV, UP, SPLIT, OUT_FLOAT, ACT) and results are those of gemm_mma.cl, whose
 * header describes them; gemm_half.cl is the fallback.
 *
 * UNIT: WMMA (AMD RDNA 3), MFMA (AMD CDNA), DPAS (Intel, with LANES 8 or 16);
 * gemm_matrix_unit_lanes.clh has their sizes and which lane holds which elements.  The definitions
 * are AMD's instruction set documents for RDNA 3 and CDNA and Khronos'
 * cl_intel_subgroup_matrix_multiply_accumulate; here they follow published descriptions of those.
 * EMULATE 1: the instruction by its definition in OpenCL C 1.2, through local memory, so that
 * loader, lanes and epilogue are tested on any device.  No half arithmetic, only storage.
 *
 * A work-group of LANES WARPS_M WARPS_N work-items computes BM x BN, a sub-group its BM/WARPS_M x
 * BN/WARPS_N.  K goes in steps of 32 through two buffers of local memory: while one is multiplied,
 * the next step's chunks are in flight, in registers.  Rows are padded by 16 bytes against bank
 * conflicts.  Lane numbers follow from the local id, as in sub-groups of a one-dimensional
 * work-group.
 * Needs K % 8 == 0, 16-byte aligned rows; CONV: C % 32 == 0.
 * Global (ceil(N/BN) * items, ceil(M/BM), parities or splits).
 * Local memory 2 * (BM + BN) * 80 bytes, with EMULATE also the sub-groups' registers. */
#define WMMA 1
#define MFMA 2
#define DPAS 3
#ifndef UNIT
#define UNIT WMMA
#define EMULATE 1
#define BM 64
#define BN 64
#define WARPS_M 2
#define WARPS_N 2
#endif
#ifndef EMULATE
#define EMULATE 0
#endif
#ifndef SPLIT
#define SPLIT 0
#endif
/* Arrays stay in registers only if every loop over them is unrolled.  The emulation's barriers
 * would make that slow to compile for a CPU. */
#if EMULATE
#define UNROLL
#else
#define UNROLL _Pragma("unroll")
#endif
#include "gemm_half_options.clh"
#include "gemm_half_finish.clh"
#include "gemm_matrix_unit_lanes.clh"
#include "gemm_matrix_unit_multiply.clh"

#define ITEMS (LANES * WARPS_M * WARPS_N)
#define MI (BM / WARPS_M / TM)
#define NI (BN / WARPS_N / TN)
#define STAGE ((BM + BN) * (ROW_WORDS / 4))
#if BM * 4 % ITEMS || BN * 4 % ITEMS || BM % (WARPS_M * TM) || BN % (WARPS_N * TN)
#error "the work-group does not divide the tile"
#endif
#include "tiles.clh"
#include "gemm_matrix_unit_load.clh"

/* acc += the stage's 32 columns; rows wm of A and wn of W are the sub-group's. */
INLINE void compute_step(results acc[MI][NI], __local const uint4 *stage, int wm, int wn,
                         __local uint *scratch)
{
    __local const uint *a = (__local const uint *)stage, *w = a + BM * ROW_WORDS;
    const int lid = get_local_id(0), lane = lid % LANES;
    UNROLL
    for (int k = 0; k < 32; k += TK) {
        w_part columns[NI];
        UNROLL
        for (int j = 0; j < NI; j++)
            columns[j] = load_w(w, wn + j * TN, k, lane);
        UNROLL
        for (int i = 0; i < MI; i++) {
            a_part rows = load_a(a, wm + i * TM, k, lane);
            UNROLL
            for (int j = 0; j < NI; j++)
                acc[i][j] = MULTIPLY(rows, columns[j], acc[i][j]);
        }
    }
}

#if UNIT == DPAS && !EMULATE
__attribute__((intel_reqd_sub_group_size(LANES)))
#endif
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void gemm_matrix_unit(__global result *out, int out_at, int ldo, __global const ushort *A, int lda,
                __global const ushort *W, __global const float *bias, __global const result *add,
                __global const float *gate, int gate_at, int gate_ld, int gate_rows, int flags,
                int M, int N, int K, int k_each, int Hh, int Ww, int C, int kw, int dy, int dx,
                int oh, int ow, int stride)
{
    __local uint4 memory[2 * STAGE];
    int lid = get_local_id(0), lane = lid % LANES, warp = lid / LANES;
    int wm = warp / WARPS_N * (MI * TM), wn = warp % WARPS_N * (NI * TN);
    int m0 = get_group_id(1) * BM, n0 = get_group_id(0) * BN, parity = 0;
#if EMULATE
    __local uint registers[WARPS_M * WARPS_N * SCRATCH_WORDS] __attribute__((aligned(64)));
    __local uint *scratch = registers + warp * SCRATCH_WORDS;
#else
    __local uint *scratch = 0;
#endif
#if UP
    parity = get_group_id(2);
    dy = (parity >> 1) - 1;
    dx = (parity & 1) - 1;
    W += piece_at((N + 127) / 128 * 128, 0, K) * parity;
#endif
    int k0 = 0, k_end = K;
#if SPLIT
    k0 = get_group_id(2) * k_each;
    k_end = min(K, k0 + k_each);
    out += (size_t)get_group_id(2) * M * N;
#endif
    results acc[MI][NI];
    UNROLL
    for (int i = 0; i < MI; i++)
        UNROLL
        for (int j = 0; j < NI; j++)
            acc[i][j] = 0.0f;

    carrier c;
#if CONV
    c.Hh = Hh, c.Ww = Ww, c.C = C, c.kw = kw, c.dy = dy, c.dx = dx;
    c.oh = oh, c.ow = ow, c.stride = stride;
#endif
    carrier_open(&c, m0, n0, M, lda, K);
    carrier_fetch(&c, A, W, k0, K);
    carrier_put(&c, memory);
    for (int k = k0, at = 0; k < k_end; k += 32, at ^= STAGE) {
        /* The other buffer was last read before this barrier, so it may be filled after it. */
        barrier(CLK_LOCAL_MEM_FENCE);
        int more = k + 32 < k_end;
        if (more)
            carrier_fetch(&c, A, W, k + 32, K);
        compute_step(acc, memory + at, wm, wn, scratch);
        if (more)
            carrier_put(&c, memory + (at ^ STAGE));
    }

    UNROLL
    for (int i = 0; i < MI; i++)
        UNROLL
        for (int j = 0; j < NI; j++) {
            float v[RESULTS];
            STORE_RESULTS(acc[i][j], v);
            int n = n0 + wn + j * TN + OUT_COLUMN(lane);
            UNROLL
            for (int e = 0; e < RESULTS; e++) {
                int m = m0 + wm + i * TM + OUT_ROW(lane, e);
                if (m < M && n < N)
                    finish(v[e], out, out_at + finished_row(m, Ww, parity) * ldo + n, bias, add,
                           gate, gate_at + (size_t)(m / gate_rows) * gate_ld, n, flags);
            }
        }
}

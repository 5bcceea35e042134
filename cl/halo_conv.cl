/* SPDX-License-Identifier: MIT
 * Convolutions of NHWC images on wgmma (compute capability 9.0), each operand read once:
 *   out[b][y][x][n] = bias[n] + sum_(tap, c) W[n][tap, c] x[b][y + ty - 1][x + tx - 1][c] (+ add),
 * 3 x 3 taps, zero outside; with UP 1 the four parities of a 3 x 3 convolution after a nearest 2x
 * upsample, 2 x 2 taps each (group z is the parity), as gemm_mma.cl describes.
 * gemm_mma.cl gathers its operand anew for every tap and is limited by that traffic.  Here a
 * work-group copies a patch of 16 x 8 pixels with its halo, 32 channels at a time, into local
 * memory once, and the taps are shifted views of it.  wgmma's layout without swizzle allows that:
 * it reads blocks of 8 rows of 16 bytes, which may begin anywhere.  The patch is four planes of 8
 * channels, each (rows, PITCH) pixels of 16 bytes, so 8 pixels of a line are such a block for any
 * shift.
 * STATS 1: part[((b * groups + g) * chunks) + tile] = (mean, sum of squared differences) of what
 *   this work-group wrote of group g = n / (N / groups), as groupnorm.cl's first step has them;
 *   chunks = tiles (x 4 parities) of an image.  Needs whole tiles and N/groups = 4, 8 or 16.
 * SPLIT 1 (split-K): `splits` work-groups share a tile, each with c_each of the channels
 *   (mma_split_k.clh), where there are too few tiles to fill the device: group z is
 *   parity + parities * share.
 * BN 8: N is at most 4, and out is float32, as of the last convolution of the VAE.
 * x, out, add half; W (taps * C, N) half in tiles (tiles.clh), copied by the hardware at the
 * request of one work-item, as copies by all of them are what limits the kernel.  C % 32 == 0,
 * N % 8 == 0.
 * Global (ceil(N/BN) * 128, tiles of all images, parities * splits), local 128; BN 8, 64, 128.
 * Local memory 47900 bytes, 39712 for BN 64.  wgmma hidden in PTX comments: see gemm_mma.cl. */
#ifndef UP
#define UP 0
#endif
#ifndef STATS
#define STATS 0
#endif
#ifndef SPLIT
#define SPLIT 0
#endif
#ifndef BN
#define BN 128
#endif
#define WGMMA 1
#define BM 128
#define MI 2
#define NI (BN / 8)
/* Steps whose wgmma may still be in flight when the next begins.  Each needs the weights of one
 * step more in local memory, for which BN 128 leaves no room. */
#define DEFER (BN < 128)
#define STAGES (3 + DEFER)                  /* of weights */
#define AHEAD 2                             /* of them, being copied while one is used */
#define CACHE "cg"
#define ITEMS 128

#define KW (UP ? 2 : 3)
#define TAPS (KW * KW)
#define TILE_X 16
#define TILE_Y 8
#define PITCH 18                            /* pixels of a line of the patch */
#define LINES (TILE_Y + KW - 1)
#define PIECES (PITCH * LINES * 4)          /* of 16 bytes */
#define PORTIONS ((PIECES + ITEMS - 1) / ITEMS)
#define PER_STEP ((PORTIONS + TAPS - 3) / (TAPS - 2))  /* copied during a step */
#define PLANE 2912                          /* 180 pixels, and 32 bytes against bank conflicts */
#define PATCH (4 * PLANE)
#define W_BYTES (BN * 64)

#include "mma_common.clh"
#include "mma_copy.clh"
#include "tiles.clh"
#include "mma_step.clh"
#include "halo_patch.clh"
#include "halo_store.clh"
#include "mma_split_k.clh"

/* acc += a tap's 32 columns; a is the tap's corner in the patch. */
INLINE void tap_step(float acc[MI][NI][4], uint a, uint w)
{
    __asm__ volatile("//sm_90a wgmma.fence.sync.aligned;" ::: "memory");
#pragma unroll
    for (int ks = 0; ks < 2; ks++)
#pragma unroll
        for (int i = 0; i < MI; i++)
            group_multiply(acc[i], describe_patch(a + ks * 2 * PLANE + i * 128),
                           describe(w + ks * 32));
    __asm__ volatile("//sm_90a wgmma.commit_group.sync.aligned;" ::: "memory");
}

__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void halo_conv_f16(__global ushort *out, __global const ushort *x, __global const ushort *W,
                   __global const float *bias, __global const ushort *add, int has_add,
                   __global float2 *part, int groups, int Hh, int Ww, int C, int N,
                   __global float4 *partial, __global int *tickets, int splits, int c_each)
{
    __local uint4 memory[(STAGES * W_BYTES + 2 * PATCH) / 16] __attribute__((aligned(1024)));
    __local ulong arrived[STAGES];
    const uint weights = local_address(memory), bars = local_address(arrived);
    const int parities = UP ? 4 : 1, share = get_group_id(2) / parities;
    const int n0 = get_group_id(0) * BN, parity = get_group_id(2) % parities;
    const int c_first = SPLIT ? share * c_each : 0, c_end = SPLIT ? min(C, c_first + c_each) : C;
    const int tiles_x = (Ww + TILE_X - 1) / TILE_X, tiles_y = (Hh + TILE_Y - 1) / TILE_Y;
    const int tiles = tiles_x * tiles_y;
    const int tile = get_group_id(1) % tiles, b = get_group_id(1) / tiles;
    const int y0 = tile / tiles_x * TILE_Y, x0 = tile % tiles_x * TILE_X;
    W += piece_at(parity * ((N + 127) / 128 * 128) + n0, 0, TAPS * C);
    float acc[MI][NI][4];
    clear(acc);
    loader l;
    loader_open(&l, b, y0 - (UP ? 1 - (parity >> 1) : 1), x0 - (UP ? 1 - (parity & 1) : 1), Hh, Ww,
                C);
    uint now = weights + STAGES * W_BYTES, next = now + PATCH, stage = 0, fill = AHEAD, turn = 0;
    bulk_open(bars, STAGES);
    barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
    for (int i = 0; i < PORTIONS; i++)
        load_portion(&l, now, x, i, c_first);
    load_weights(weights, W, c_first, bars);
    load_weights(weights + W_BYTES, W, C + c_first, bars + 8);

    for (int c = c_first; c < c_end; c += 32) {
#if UP      /* nine taps unrolled are slower */
#pragma unroll
#else
#pragma unroll 1
#endif
        for (int tap = 0; tap < TAPS; tap++) {
            if (tap == 0) {
                copy_wait_all();
                /* wgmma reads through another proxy than these copies wrote. */
                __asm__ volatile("fence.proxy.async.shared::cta;" ::: "memory");
            }
            bulk_wait(bars + stage * 8, turn);
            barrier(CLK_LOCAL_MEM_FENCE);
            tap_step(acc, now + (tap / KW * PITCH + tap % KW) * 16, weights + stage * W_BYTES);
            if (tap + 2 < TAPS)
                load_weights(weights + fill * W_BYTES, W, (tap + 2) * C + c, bars + fill * 8);
            else if (c + 32 < c_end)
                load_weights(weights + fill * W_BYTES, W, (tap + 2 - TAPS) * C + c + 32,
                             bars + fill * 8);
            /* The previous patch may still be read by its last step when the first one begins. */
            if (c + 32 < c_end && tap >= DEFER)
                load_step(&l, next, x, tap - DEFER, c + 32);
            compute_wait();
            turn ^= stage == STAGES - 1;
            stage = stage == STAGES - 1 ? 0 : stage + 1;
            fill = fill == STAGES - 1 ? 0 : fill + 1;
        }
        uint other = now;
        now = next;
        next = other;
    }
    compute_end();

#if SPLIT
    __local int is_last;
    int whole = (parity * get_num_groups(1) + get_group_id(1)) * get_num_groups(0) +
                get_group_id(0);
    if (!sum_if_last(acc, partial, tickets, whole, share, splits, &is_last))
        return;
#endif
    const target t = {out, add, bias, has_add, Hh, Ww, N, b, parity, y0, x0};
    store_tile(acc, &t, n0);
#if STATS
    const int chunks = tiles * (UP ? 4 : 1);
    barrier(CLK_LOCAL_MEM_FENCE);
    store_stats(acc, (__local float2 *)memory, part, n0, N, N / groups,
                (size_t)b * groups * chunks + tile + parity * tiles, chunks);
#endif
}

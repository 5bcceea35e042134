/* SPDX-License-Identifier: MIT
 * The one door for matrix products:  out = epilogue(A W),  A (M, K), W (K, N), out (M, N).
 *
 * Operands are float32 or, with `half` set, half with float32 accumulation.
 * float32 weights are stored (K, N), out-channel contiguous: CLBlast's kernels read that without
 * a transposing pass; half weights in tiles, see ffcl_tiled_at.  The loader lays them out so.
 * A back end that cannot fuse the epilogue runs the product and then one epilogue kernel. */
#ifndef FFCL_BLAS_GEMM_H
#define FFCL_BLAS_GEMM_H

#include "cl/arena.h"
#include "cl/profile.h"

typedef enum ffcl_act { FFCL_ACT_NONE, FFCL_ACT_SILU, FFCL_ACT_GELU } ffcl_act;

/* v = act(product + bias[n]);  v *= gate[m / gate_rows][n];  v += add[m % add_rows][n].
 * Absent operands have mem NULL and has_* 0 (mem is NULL for all while planning). */
typedef struct ffcl_epilogue {
    int has_bias, has_gate, has_add;
    ffcl_act act;
    cl_mem bias;                            /* (N) from bias_at */
    size_t bias_at;
    cl_mem gate;                            /* (M / gate_rows, gate_ld) from gate_at */
    size_t gate_at, gate_ld, gate_rows;
    cl_mem add;                             /* (add_rows, add_ld) from add_at */
    size_t add_at, add_ld, add_rows;
} ffcl_epilogue;

/* A convolution as a product of half operands: row m of A is pixel m of an NHWC picture, column
 * (tap, c) what lies under that tap of kw x kw, zero outside; no columns in memory. */
typedef struct ffcl_gather {
    size_t Hh, Ww, C, kw;
    int dy, dx;                             /* of the first tap, relative to the pixel */
    /* Four products of 2 x 2 taps, one for each parity (py, px) after a nearest 2x upsample: W
     * holds four weights, dy = py - 1, dx = px - 1, and pixel (y, x) goes to (2y + py, 2x + px). */
    int upsample;
} ffcl_gather;

/* A slim product whose row is a token (b, gy, gx) and whose column is (i, j, c) writes
 * out (B, C, R, R) at [b][c][gy p + i][gx p + j] for c < C of Cout: SiT's unpatchify. */
typedef struct ffcl_unpatch {
    size_t C, Cout, R, p;
} ffcl_unpatch;

typedef struct ffcl_product {
    size_t m, n, k;
    cl_mem a;                               /* (M, K) rows a_ld apart; or (K, M) if a_kmajor */
    size_t a_at, a_ld;
    int a_kmajor;
    cl_mem w;                               /* (K, N) rows w_ld apart; or (N, K) if w_nmajor */
    size_t w_at, w_ld;
    int w_nmajor;
    cl_mem out;                             /* (M, N) rows out_ld apart; not epilogue.add */
    size_t out_at, out_ld;
    ffcl_epilogue epilogue;
    /* 0, or the rows of one picture where they are not M / ctx->pictures: a back end that chooses
     * by size is to compute a row as it does where its picture is alone. */
    size_t each;
    /* half: A and W are half, W in tiles (ffcl_tiled_at; four in a row for upsample), nothing at an
     * offset but the gate, add of M rows out_ld apart.  out_half: so are out and add, and there is
     * no gate.  gather may be NULL. */
    int half, out_half;
    const ffcl_gather *gather;
    /* float32, few rows or columns: a kernel that adds up an output in one order for any M.
     * unpatch may be NULL. */
    int slim;
    const ffcl_unpatch *unpatch;
    /* 0, or that many products of the same shape, whose operands begin a_step, w_step and out_step
     * elements after those of the one before, where ffcl_gemm_batch_fits.  Of half operands W is
     * (N, K), rows w_ld apart, A and W may lie at offsets, and there is a bias at most; of float32
     * there is no epilogue. */
    size_t batch, a_step, w_step, out_step;
} ffcl_product;

/* Half weights lie in tiles of 128 columns n by 32 of K, the tiles of the same columns one after
 * the other, N and K rounded up with zeros: what a work-group of the matrix engine reads in a step
 * is one piece of memory, and lies there as it shall in local memory.  In a tile column n has 64
 * bytes, whose four 16-byte pieces are exchanged so that no two of eight columns meet in a bank. */
enum { FFCL_TILE_N = 128, FFCL_TILE_K = 32 };

static inline size_t ffcl_tiled_halves(size_t N, size_t K)
{
    return (N + FFCL_TILE_N - 1) / FFCL_TILE_N * FFCL_TILE_N *
           ((K + FFCL_TILE_K - 1) / FFCL_TILE_K * FFCL_TILE_K);
}

/* Where element (k, n) of W lies. */
static inline size_t ffcl_tiled_at(size_t n, size_t k, size_t K)
{
    size_t steps = (K + FFCL_TILE_K - 1) / FFCL_TILE_K;
    return (n / FFCL_TILE_N * steps + k / FFCL_TILE_K) * (FFCL_TILE_N * FFCL_TILE_K) +
           n % FFCL_TILE_N * FFCL_TILE_K + (k / 8 % 4 ^ n / 2 % 4) * 8 + k % 8;
}

typedef struct ffcl_blas ffcl_blas;

/* Opens the back end called name for ctx and hangs it on ctx->blas: auto, clblast or cblas (no
 * matrix engine), or CLBlast with a matrix engine for half operands: mma, wgmma, wmma, mfma, dpas.
 * auto is cblas on a CPU device where such a library is installed and passes its check, and is told
 * where it is not.  FFCL_ECONFIG for an unknown name (the known ones are listed), FFCL_EFILE for
 * ctx->blas_library that is none, FFCL_EDEVICE where cblas is asked for and cannot be had. */
int ffcl_blas_open(ffcl_ctx *ctx, const char *name);
void ffcl_blas_close(ffcl_ctx *ctx);

/* The name of the back end in use, or of its library. */
const char *ffcl_blas_name(const ffcl_ctx *ctx);

/* Enqueues the product; scratch memory comes from the context's arena. */
int ffcl_gemm(ffcl_ctx *ctx, const ffcl_product *p);

/* The product with its epilogue, an operation an operand, three for SiLU, eight for GELU; every
 * operand read once.  Of a batch or of four parities, all of them. */
ffcl_cost ffcl_gemm_cost(const ffcl_product *p);

/* A sum that lies in n parts (n, M, N) float32, buf the caller's to give back; n 0: it does not. */
typedef struct ffcl_parts {
    ffcl_buf buf;
    size_t n;
} ffcl_parts;

/* As ffcl_gemm, but where the product was cut along K it is left in parts, nothing of its epilogue
 * done, for the caller's next kernel to add up as it reads.  parts NULL: as ffcl_gemm. */
int ffcl_gemm_in_parts(ffcl_ctx *ctx, const ffcl_product *p, ffcl_parts *parts);

/* Does the matrix engine take products of these sizes? */
int ffcl_gemm_mma_fits(const ffcl_ctx *ctx, const ffcl_product *p);

/* Can the back end, or of half operands the matrix engine, take p, a batch of products? */
int ffcl_gemm_batch_fits(const ffcl_ctx *ctx, const ffcl_product *p);

/* "mma" and so on; "" for none. */
const char *ffcl_engine_name(ffcl_engine_level level);

/* Whether the device, by what it says of itself, may have the engine; only a check can tell. */
int ffcl_engine_listed(const ffcl_ctx *ctx, ffcl_engine_level level);

/* Sets ctx->matrix_engine to the engine that name (as above) asks for, auto to the highest level of
 * NVIDIA's, if it passes a check on the device: kernels build and their results on random operands
 * agree with the plain kernel's.  The verdict is kept beside the program binaries.
 * Reports a warning where the device should be able to and is not; FFCL_EDEVICE where name asks for
 * an engine that is not to be had. */
int ffcl_matrix_engine_probe(ffcl_ctx *ctx, const char *name);

/* Does the back end read W (N, K) where it lies as fast as (K, N)? */
int ffcl_gemm_takes_nmajor(const ffcl_ctx *ctx);

/* The rows of out that a fast product wants at least, e.g. for cutting work into bands. */
enum { FFCL_GEMM_ROW_STEP = 128 };

#endif

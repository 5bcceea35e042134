/* SPDX-License-Identifier: MIT
 * GEMM, out = epilogue(A W): the back ends and kernels of all GEMMs are behind this header.
 *
 * Operands are float32, or half with float32 accumulation.  float32 weights lie as (K, N), which
 * CLBlast's kernels read without transposing them first, or as in files (ffcl_gemm_takes_columns),
 * half weights in tiles (ffcl_tiled_at). */
#ifndef FFCL_BLAS_GEMM_H
#define FFCL_BLAS_GEMM_H

#include "cl/arena.h"
#include "cl/variant.h"

typedef enum ffcl_act {
    FFCL_ACT_NONE, FFCL_ACT_SILU, FFCL_ACT_GELU, FFCL_ACT_RELU
} ffcl_act;

/* A convolution as a GEMM of half operands (implicit im2col): row m of A is pixel m of results of
 * height x width, (y, x), its column (tap, c) is channel c of the pixel of NHWC images under that
 * tap of kw across, zero outside; the first tap is at (stride y + dy, stride x + dx). */
typedef struct ffcl_gather {
    size_t kw;
    int dy, dx;
    size_t height, width, stride;
    /* Four GEMMs of 2 x 2 taps, one for each parity (py, px) after a nearest 2x upsample: W holds
     * four weights, dy = py - 1, dx = px - 1, height and width are the small image's, and pixel
     * (y, x) goes to (2y + py, 2x + px). */
    int upsample;
} ffcl_gather;

/* unpatchify of SiT's models.py, as part of a skinny GEMM: row (b, gy, gx), column (i, j, c) of A W
 * goes to [b][c][gy p + i][gx p + j] of out (B, C, R*R), an image by channels; c from C on, of
 * Cout, is dropped. */
typedef struct ffcl_unpatch {
    size_t C, Cout, R, p;
} ffcl_unpatch;

/* One GEMM, in which all rows of A are one matrix (M, K); or a batch of w.batch GEMMs, each with a
 * matrix of A and of W, where w.batch is more than 1 or W is half and not in TILES. */
typedef struct ffcl_matmul {
    ffcl_tensor out;            /* (M, N); float32, or half where A is */
    ffcl_tensor a;              /* (M, K); float32 also as COLUMNS */
    ffcl_tensor w;              /* (K, N): float32 as ROWS or COLUMNS; half as TILES, in a */
                                /* batch as COLUMNS; without a matrix unit also as ROWS, and */
                                /* one of A and W may be float32 (ffcl_gemm_mixes) */
    /* v = act(a w + bias[n]);  v *= gate[m / rows_per_image][n];  v += add[m % its rows][n].
     * NULL where absent.  With half operands only gate and out may begin at an offset, and add is
     * laid out as out is, its offset included.  A batch has no epilogue, except that one of half
     * GEMMs may have a bias. */
    const ffcl_tensor *bias;    /* (N) */
    const ffcl_tensor *gate;    /* (M / rows_per_image, 1, N), float32 */
    const ffcl_tensor *add;     /* (M, N), of out's type */
    ffcl_act act;
    size_t rows_per_image;      /* 0: ffcl_matmul_image_rows */
    int skinny;                 /* float32, few rows or columns: sums are to have the same */
                                /* order for any M */
    const ffcl_gather *gather;
    const ffcl_unpatch *unpatch;
    /* NULL: out is written.  Else a GEMM that is cut along K (split-K) may write its partial sums
     * (n, M, N), float32 from the arena, here and leave out and the epilogue to the next
     * kernel.  Of float32 operands n depends on a.rows, an image's, and never on the batch. */
    ffcl_tensor *partial;
} ffcl_matmul;

/* The GEMMs of a batch; 0: a single one. */
static inline size_t ffcl_matmul_batch(const ffcl_matmul *p)
{
    if (p->w.layout == FFCL_TILES)
        return 0;
    return p->w.batch > 1 || p->w.dtype == FFCL_F16 ? p->w.batch : 0;
}

/* Rows of A of an image. */
static inline size_t ffcl_matmul_image_rows(const ffcl_matmul *p)
{
    return p->gather ? p->gather->height * p->gather->width : p->a.rows;
}

/* M; K is p->w.rows, N is p->w.cols. */
static inline size_t ffcl_matmul_rows(const ffcl_matmul *p)
{
    return ffcl_matmul_batch(p) ? p->a.rows : p->a.batch * ffcl_matmul_image_rows(p);
}

static inline size_t ffcl_matmul_rows_per_image(const ffcl_matmul *p)
{
    return p->rows_per_image ? p->rows_per_image : ffcl_matmul_image_rows(p);
}

/* Half weights lie in tiles of 128 columns n by 32 of K, the tiles of the same columns one after
 * the other, N and K rounded up with zeros.  So what a work-group reads in a step is contiguous, in
 * the order that it has in local memory.  In a tile a column has 64 bytes, whose four 16-byte
 * pieces are permuted so that reading eight columns meets no bank twice. */
enum { FFCL_TILE_N = 128, FFCL_TILE_K = 32 };

/* Elements of a weight (K, N) in tiles. */
static inline size_t ffcl_tiled_count(size_t N, size_t K)
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

/* Computes p, or plans it; scratch memory comes from the context's arena.  Failures are kept in the
 * context. */
void ffcl_gemm(ffcl_ctx *ctx, const ffcl_matmul *p);

/* Its variants; a description is an ffcl_matmul. */
extern const ffcl_operation ffcl_gemm_operation;

/* The cost of p with its epilogue (an operation for each operand, three for SiLU, eight for GELU),
 * every operand read once; of a batch or of four parities, the sum. */
ffcl_cost ffcl_gemm_cost(const ffcl_matmul *p);

/* What a back end is opened with. */
typedef struct ffcl_blas_options {
    const char *name;           /* of a back end or a matrix unit, or auto */
    const char *library;        /* the CBLAS library; NULL: the first that is installed */
    const char *tuning;         /* auto, off or a file; NULL: off */
    /* Called before the first float32 GEMM of the library (host/selfcheck/gemm.h); NULL: none. */
    int (*check)(ffcl_ctx *ctx);
} ffcl_blas_options;

/* Opens the back end called name for ctx: auto, clblast, cblas or builtin (no matrix unit), or
 * CLBlast beside a matrix unit for half operands: mma, wgmma, wmma, mfma, dpas.  auto is cblas on a
 * CPU device where such a library is installed and passes its check, else CLBlast; a note reports
 * a missing library, a warning one that fails.  FFCL_ECONFIG for an unknown name (the known ones
 * are listed), FFCL_EFILE for a file that is no CBLAS library, FFCL_EDEVICE where cblas is asked
 * for and the device cannot use it or it computes wrong. */
int ffcl_blas_open(ffcl_ctx *ctx, const ffcl_blas_options *options);
void ffcl_blas_close(ffcl_ctx *ctx);

/* The name of the back end in use, or of its library; the id of the tuned parameters in use, "" for
 * none. */
const char *ffcl_blas_name(const ffcl_ctx *ctx);
const char *ffcl_blas_tuning(const ffcl_ctx *ctx);
/* What ffcl's own GEMM for GPUs computes: "blocked, " all GEMMs, "blocked batches, " those of
 * float32 batches, "blocked half, " those of half operands alone, "" none. */
const char *ffcl_gemm_own(const ffcl_ctx *ctx);
/* From now on it computes none: beside a matrix unit too little is left for it. */
void ffcl_gemm_leave_own(ffcl_ctx *ctx);
/* Who computes float32 GEMMs and with which tuning: "clblast, tuning 1a2b3c4d", "blocked, clblast".
 * The manifest compares it, so whatever may round otherwise must change it. */
void ffcl_gemm_describe(const ffcl_ctx *ctx, char *text, size_t size);
/* The version of the library behind it, "OpenBLAS 0.3.21"; "" where there is none. */
void ffcl_blas_library(const ffcl_ctx *ctx, char *text, size_t size);
/* 1 where [blas] tuning = auto found no tuned parameters for the device. */
int ffcl_blas_is_untuned(const ffcl_ctx *ctx);

/* From now on planning passes call see with every GEMM that the library is to compute. */
void ffcl_blas_observe(ffcl_ctx *ctx, void (*see)(void *user, const ffcl_matmul *p), void *user);

/* Should weights lie as COLUMNS, (N, K) in memory, as in files?  Where the library reads them as
 * fast as (K, N), or a device shares the host's memory and so need not have them twice.  Are there
 * fast batches of GEMMs whose result or W is of type dtype, half ones without a matrix unit? */
int ffcl_gemm_takes_columns(const ffcl_ctx *ctx);
int ffcl_gemm_takes_batches(const ffcl_ctx *ctx, ffcl_dtype dtype);
/* Does it copy half operands to float32?  Callers then may do so once for several GEMMs:
 * out (n, K) = columns first on of w, (K, N) in TILES; out (B, rows, cols), dense, = x, half as
 * ROWS. */
int ffcl_gemm_copies_half(const ffcl_ctx *ctx);
void ffcl_floats_of_tiles(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *w,
                          size_t first);
void ffcl_floats_of_rows(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *x);
/* The type in which activations between GEMMs with weights of type dtype are kept: float32 where
 * half weights are multiplied in float32, as each GEMM would have to turn halves back. */
ffcl_dtype ffcl_gemm_activations(const ffcl_ctx *ctx, ffcl_dtype dtype);
/* From now on ffcl's own GEMM for GPUs may compute half operands, or may not; what was so
 * before. */
int ffcl_gemm_let_own_half(ffcl_ctx *ctx, int may);
/* Can GEMMs mix float32 and half operands, fast or not? */
int ffcl_gemm_mixes(const ffcl_ctx *ctx);
/* Should callers that cut rows into bands keep an image's rows together and apart from others'?
 * Its sums then do not depend on the batch. */
int ffcl_gemm_rounds_by_image(const ffcl_ctx *ctx);

/* Does it pay that GEMMs of such operands leave partial sums to the next kernel?  It was measured
 * to on NVIDIA's tensor cores, and where ffcl's own float32 GEMM is used. */
int ffcl_gemm_leaves_partial(const ffcl_ctx *ctx, ffcl_dtype dtype);

/* Is there a variant that computes p? */
int ffcl_gemm_can(const ffcl_ctx *ctx, const ffcl_matmul *p);

/* Can the matrix unit compute p? */
int ffcl_gemm_unit_can(const ffcl_ctx *ctx, const ffcl_matmul *p);

/* "mma", "wgmma", "wmma", "mfma", "dpas"; "" for none. */
const char *ffcl_unit_name(ffcl_matrix_unit unit);

/* A fast GEMM needs at least this many rows of out; for cutting work into bands. */
enum { FFCL_GEMM_ROW_STEP = 128 };

#endif

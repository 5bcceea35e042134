/* SPDX-License-Identifier: MIT
 * Plain C references of every kernel family: straight from the formula, sums in double, no tricks.
 * Inputs are float32 as the device gets them, results double.  Letters: docs/add-a-kernel.md. */
#ifndef FFCL_TESTS_REF_REF_H
#define FFCL_TESTS_REF_REF_H

#include <stddef.h>
#include <stdint.h>

/* out, x (B*T, D); weight (D); shift and scale (B, D), rows mod_ld apart; NULL where absent. */
typedef struct ffcl_ref_norm_desc {
    const float *weight, *shift, *scale;
    size_t mod_ld, B, T, D;
    int rms;
    double eps;
} ffcl_ref_norm_desc;
void ffcl_ref_norm(double *out, const float *x, const ffcl_ref_norm_desc *n);
void ffcl_ref_residual(double *x, const float *add, const float *partial, size_t n,
                       const float *bias, const float *gate, size_t gate_ld, size_t T, size_t rows,
                       size_t D);

/* out, x (n). */
void ffcl_ref_cast_to_half(double *out, const float *x, size_t n);

/* out, qkv (B*T, 3*H*Dh); weight, bias (2, Dh); rope (T, Dh): cos and sin of a pair, or NULL; norm
 * 0, 1 (RMS) or 2 (layer norm). */
void ffcl_ref_qk_norm(double *out, const float *qkv, const float *weight, const float *bias,
                      const float *rope, size_t B, size_t T, size_t H, size_t Dh, int norm,
                      double eps);
void ffcl_ref_pointwise(double *out, const float *x, size_t n, int rule, float factor);
/* out (rows, out_ld); x (rows, x_ld). */
void ffcl_ref_swiglu(double *out, const float *x, size_t rows, size_t F, size_t x_ld,
                     size_t out_ld);
/* x (B, n + T, D), n = ends[K]; patches (B, T, D); parameter (n, D); table (classes + 1, D); y (B);
 * scalars (S, K, D), row b mod S for image b; pos (n + T, D) or NULL. */
void ffcl_ref_join_tokens(double *x, const float *patches, const float *parameter,
                          const float *table, const int32_t *y, const float *scalars,
                          const float *pos, const size_t *ends, size_t K, size_t S, size_t B,
                          size_t T, size_t D);
/* patches (B, T, D); x (B, n + T, D). */
void ffcl_ref_drop_prefix(double *patches, const float *x, size_t n, size_t B, size_t T, size_t D);

/* out (B*T, H*Dh); qkv (B*T, 3*H*Dh). */
void ffcl_ref_attention(double *out, const float *qkv, size_t B, size_t T, size_t H, size_t Dh);

/* Element index of that; Dh at most 512. */
double ffcl_ref_attention_at(const float *qkv, size_t T, size_t H, size_t Dh, size_t index);

/* out (B, 256); t (B). */
void ffcl_ref_embed_scalar(double *out, const float *t, size_t B);
/* out (B, D); table (classes + 1, D); y (B); sum (rows, D), row b mod rows for image b.  The sum
 * of both is float32, as an addition is rounded in one way everywhere. */
void ffcl_ref_embed_condition(double *out, const float *table, const int32_t *y, const float *sum,
                              size_t rows, size_t B, size_t D);

/* x (B*T, D); z (B, C, R, R); w (C*p*p, D); bias (D); pos (T, D) or NULL. */
void ffcl_ref_patch_embed(double *x, const float *z, const float *w, const float *bias,
                          const float *pos, size_t B, size_t C, size_t R, size_t p, size_t D);
/* out (B, C, R, R); h (B*T, K); w (K, p*p*Cout); bias (p*p*Cout). */
void ffcl_ref_unpatch(double *out, const float *h, const float *w, const float *bias, size_t B,
                      size_t C, size_t Cout, size_t R, size_t p, size_t K);

/* out, term[k] (n) or NULL. */
void ffcl_ref_latent_update(double *out, const float *const term[4], const float c[4], size_t n);
/* out (B, C, P), F (2, B, C, P); x (B, C, P), times and plus (C). */
void ffcl_ref_latent_guide(double *out, const float *F, float scale, size_t guided, size_t B,
                           size_t C, size_t P);
void ffcl_ref_latent_affine(double *out, const float *x, const float *times, const float *plus,
                            size_t B, size_t C, size_t P);
/* out (B, R, R, N); latent (B, C, R, R); point (C, C) and point_bias (C), or NULL; w (N, C, k, k);
 * bias (N). */
void ffcl_ref_latent_conv(double *out, const float *latent, float factor, const float *point,
                          const float *point_bias, const float *w, const float *bias, size_t B,
                          size_t C, size_t R, size_t N, size_t k);

/* out, x (n); rule 0 sit, 1 repa. */
void ffcl_ref_image_bytes(double *out, const float *x, int rule, size_t n);
/* out (B, P, C); x (B, C, P). */
void ffcl_ref_image_channels_last(double *out, const float *x, size_t B, size_t C, size_t P);
/* out, before (B); x (B, each). */
void ffcl_ref_image_finite(double *out, const int32_t *before, const float *x, size_t B,
                           size_t each);

/* out, x (B, P, C); gamma, beta (C). */
void ffcl_ref_groupnorm(double *out, const float *x, const float *gamma, const float *beta,
                        size_t B, size_t P, size_t C, size_t G, double eps, int with_silu);

/* out (cols, rows); in (rows, cols), rows in_ld apart. */
void ffcl_ref_transpose(double *out, const float *in, size_t rows, size_t cols, size_t in_ld);

/* out, in (n). */
void ffcl_ref_ceiling_fma(double *out, const float *in, double times, double plus, size_t rounds,
                          size_t n);

/* out, in (rows, n). */
void ffcl_ref_softmax(double *out, const float *in, double scale, size_t rows, size_t n);

/* A matrix with its element distances: element (i, j) is x[i * row + j * col]. */
typedef struct ffcl_ref_matrix {
    const float *x;
    size_t row, col;
} ffcl_ref_matrix;

/* What follows the GEMM; x NULL where an operand is absent.  act: 0 none, 1 SiLU, 2 GELU, 3
 * ReLU. */
typedef struct ffcl_ref_epilogue {
    int act;
    const float *bias;                  /* (N) */
    ffcl_ref_matrix gate, add;          /* (M / gate_rows, N), (add_rows, N) */
    size_t gate_rows, add_rows;
} ffcl_ref_epilogue;

/* out (M, N) = epilogue(A W); A (M, K), W (K, N). */
void ffcl_ref_gemm(double *out, ffcl_ref_matrix a, ffcl_ref_matrix w, const ffcl_ref_epilogue *e,
                   size_t M, size_t N, size_t K);

/* Element index of that. */
double ffcl_ref_gemm_at(ffcl_ref_matrix a, ffcl_ref_matrix w, const ffcl_ref_epilogue *e, size_t N,
                        size_t K, size_t index);

/* out (B, Hh, Ww, Cout); x (B, Hh, Ww, C); w (Cout, C, k, k); bias (Cout); add as out or NULL. */
void ffcl_ref_conv(double *out, const float *x, const float *w, const float *bias,
                   const float *add, size_t B, size_t Hh, size_t Ww, size_t C, size_t Cout,
                   size_t k);
/* Element index of that, or for scale 2 of the next: of a result of Hh x Ww pixels. */
double ffcl_ref_conv_at(const float *x, const float *w, const float *bias, const float *add,
                        size_t scale, size_t Hh, size_t Ww, size_t C, size_t Cout, size_t k,
                        size_t index);
/* out (B, 2*Hh, 2*Ww, Cout): the same after a nearest upsample of x (B, Hh, Ww, C). */
void ffcl_ref_upsample_conv(double *out, const float *x, const float *w, const float *bias,
                            const float *add, size_t B, size_t Hh, size_t Ww, size_t C,
                            size_t Cout, size_t k);


/* out (B, OH, OW, Cout) = act(conv + bias): x (B, Hh, Ww, C), w (Cout, C, kh, kw), the first tap of
 * output (y, x) at (stride y - pad_y, stride x - pad_x); act 0 none, 3 ReLU. */
typedef struct ffcl_ref_window {
    size_t kh, kw, stride, pad_y, pad_x, OH, OW;
    int act;
} ffcl_ref_window;
void ffcl_ref_window_conv(double *out, const float *x, const float *w, const float *bias,
                          const ffcl_ref_window *window, size_t B, size_t Hh, size_t Ww, size_t C,
                          size_t Cout);

/* out (B, OH, OW, C); x (B, Hh, Ww, C). */
void ffcl_ref_pool(double *out, const float *x, size_t B, size_t Hh, size_t Ww, size_t C,
                   size_t OH, size_t OW, size_t stride, size_t pad, int is_mean);
/* out (B, C); x (B, P, C). */
void ffcl_ref_mean_pixels(double *out, const float *x, size_t B, size_t P, size_t C);
/* out (B, R, R, 3); bytes (B, Hh, Ww, 3); rule 0 TensorFlow 1, 1 torch. */
void ffcl_ref_resize(double *out, const unsigned char *bytes, size_t B, size_t Hh, size_t Ww,
                     size_t R, int rule);

/* nearest (M, 4) ascending, of rows of squared distances aa + bb - 2 dot, dot (M, N), and of what
 * was there before (M, 4). */
void ffcl_ref_nearest(double *nearest, const float *before, const float *dot, const float *aa,
                      const float *bb, size_t M, size_t N);
/* 1 where a row i has a column j with that distance <= of_col[j]; or what was there before. */
void ffcl_ref_inside(double *in_row, const int32_t *before, const float *of_col, const float *dot,
                     const float *aa, const float *bb, size_t M, size_t N);

#endif

/* SPDX-License-Identifier: MIT
 * Distances of features by products that a GEMM has made:
 *   d[i][j] = max(|a_i|^2 + |b_j|^2 - 2 dot[i][j], 0)
 * dot (M, N), rows ld apart; aa (M), bb (N) squared lengths, those of a from a_at on.
 * A work-group of ITEMS, a power of two, has a row, neighbours next to each other; all float32. */
#ifndef ITEMS
#define ITEMS 64
#endif
/* How many of the nearest are kept. */
#define KEPT 4

static inline float distance_of(float aa, float bb, float dot)
{
    /* fmax would hide a NaN. */
    float d = aa + bb - 2.0f * dot;
    return d < 0.0f ? 0.0f : d;
}

/* Puts d of column j into the ascending list, if it is nearer than the last. */
static inline void insert(float best[KEPT], int at[KEPT], float d, int j)
{
    if (!(d < best[KEPT - 1]))
        return;
    int k = KEPT - 1;
    for (; k > 0 && d < best[k - 1]; k--) {
        best[k] = best[k - 1];
        at[k] = at[k - 1];
    }
    best[k] = d;
    at[k] = j;
}

/* nearest (rows, KEPT), which (rows, KEPT): the least distances of rows row0 .. so far, ascending,
 * and their columns counted from col0; they are infinite before the first block.
 * Local memory ITEMS * KEPT * 8 bytes.  Global (ITEMS, M). */
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void nearest_f32(__global float *nearest, __global int *which, int row0, __global const float *dot,
                 int ld, __global const float *aa, int a_at, __global const float *bb, int N,
                 int col0)
{
    __local float all[ITEMS * KEPT];
    __local int where[ITEMS * KEPT];
    int lid = get_local_id(0), i = get_group_id(1);
    float best[KEPT];
    int at[KEPT];
    for (int k = 0; k < KEPT; k++) {
        best[k] = INFINITY;
        at[k] = -1;
    }
    float mine = aa[a_at + i];
    for (int j = lid; j < N; j += ITEMS)
        insert(best, at, distance_of(mine, bb[j], dot[(size_t)i * ld + j]), col0 + j);
    for (int k = 0; k < KEPT; k++) {
        all[lid * KEPT + k] = best[k];
        where[lid * KEPT + k] = at[k];
    }
    /* Lists are merged by pairs, so that one work-item never reads all. */
    for (int half_n = ITEMS / 2; half_n > 0; half_n >>= 1) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (lid < half_n) {
            for (int k = 0; k < KEPT; k++)
                insert(best, at, all[(lid + half_n) * KEPT + k], where[(lid + half_n) * KEPT + k]);
            for (int k = 0; k < KEPT; k++) {
                all[lid * KEPT + k] = best[k];
                where[lid * KEPT + k] = at[k];
            }
        }
    }
    if (lid == 0) {
        size_t to = (size_t)(row0 + i) * KEPT;
        for (int k = 0; k < KEPT; k++)
            insert(best, at, nearest[to + k], which[to + k]);
        for (int k = 0; k < KEPT; k++) {
            nearest[to + k] = best[k];
            which[to + k] = at[k];
        }
    }
}

/* in_row[row0 + i] becomes 1 where d[i][j] <= of_col[j] for a column, in_col[col0 + j] where
 * d[i][j] <= of_row[row0 + i] for a row.  Flags are int.  Global (ITEMS, M). */
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void inside_f32(__global int *in_row, int row0, __global int *in_col, int col0,
                __global const float *of_row, __global const float *of_col,
                __global const float *dot, int ld, __global const float *aa, int a_at,
                __global const float *bb, int N)
{
    int lid = get_local_id(0), i = get_group_id(1);
    float mine = aa[a_at + i], reach = of_row[row0 + i];
    for (int j = lid; j < N; j += ITEMS) {
        float d = distance_of(mine, bb[j], dot[(size_t)i * ld + j]);
        if (d <= of_col[col0 + j])
            in_row[row0 + i] = 1;
        if (d <= reach)
            in_col[col0 + j] = 1;
    }
}

/* lengths[i] = |x_i|^2 of x (M, D) dense.  Global (ITEMS, M). */
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void squared_lengths(__global float *lengths, __global const float *x, int D)
{
    __local float sums[ITEMS];
    int lid = get_local_id(0), i = get_group_id(1);
    float sum = 0.0f;
    for (int d = lid; d < D; d += ITEMS) {
        float v = x[(size_t)i * D + d];
        sum += v * v;
    }
    sums[lid] = sum;
    for (int half_n = ITEMS / 2; half_n > 0; half_n >>= 1) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (lid < half_n)
            sums[lid] += sums[lid + half_n];
    }
    if (lid == 0)
        lengths[i] = sums[0];
}

/* SPDX-License-Identifier: MIT
 * out[c][r] = in[r][c], for GEMMs that want an operand in the other order.
 * Work-groups of 32 x LINES move a tile of 32 x 32; local memory 4.2 KB. */
#ifndef LINES
#define LINES 8
#endif

/* in (rows, cols) row-major, out (cols, out_ld) from element out_at on. */
__kernel __attribute__((reqd_work_group_size(32, LINES, 1)))
void transpose_f32(__global float *out, __global const float *in, int rows, int cols, int out_ld,
                   int out_at)
{
    __local float tile[32][33];
    int x = get_local_id(0), y = get_local_id(1);
    int c0 = get_group_id(0) * 32, r0 = get_group_id(1) * 32;
    for (int i = y; i < 32; i += LINES)
        if (r0 + i < rows && c0 + x < cols)
            tile[i][x] = in[(size_t)(r0 + i) * cols + c0 + x];
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int i = y; i < 32; i += LINES)
        if (c0 + i < cols && r0 + x < rows)
            out[(size_t)out_at + (size_t)(c0 + i) * out_ld + r0 + x] = tile[x][i];
}

/* The same of half matrices, one for each group z: in (B, rows, in_ld) from column in_at on,
 * out (B, cols, rows). */
__kernel __attribute__((reqd_work_group_size(32, LINES, 1)))
void transpose_f16(__global ushort *out, __global const ushort *in, int rows, int cols, int in_ld,
                   int in_at)
{
    __local ushort tile[32][34];
    int x = get_local_id(0), y = get_local_id(1);
    int c0 = get_group_id(0) * 32, r0 = get_group_id(1) * 32;
    in += get_group_id(2) * (size_t)rows * in_ld + in_at;
    out += get_group_id(2) * (size_t)rows * cols;
    for (int i = y; i < 32; i += LINES)
        if (r0 + i < rows && c0 + x < cols)
            tile[i][x] = in[(size_t)(r0 + i) * in_ld + c0 + x];
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int i = y; i < 32; i += LINES)
        if (c0 + i < cols && r0 + x < rows)
            out[(size_t)(c0 + i) * rows + r0 + x] = tile[x][i];
}

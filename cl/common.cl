/* SPDX-License-Identifier: MIT
 * Put before every kernel source: shared helpers.  OpenCL C 1.2, arithmetic in float32.
 * With -DHALF the activations that a kernel calls act are stored as half: storage only, which is
 * core OpenCL 1.2; no kernel but those for matrix units computes in half. */

/* Wide vectors as arguments of functions: that a CPU without such registers passes them otherwise
 * concerns nobody, as all functions are inlined, and PoCL would print the number of warnings. */
#ifdef __clang__
#pragma clang diagnostic ignored "-Wpsabi"
#endif

/* For kernels that keep many values in registers: on Intel's GPUs, whose threads share 4 or 8 KB of
 * registers among the lanes of a sub-group, as few lanes as there are (-DFEW_LANES of
 * ffcl_register_options); the compiler would otherwise keep the values in memory. */
#ifdef FEW_LANES
#define IN_REGISTERS __attribute__((intel_reqd_sub_group_size(FEW_LANES)))
#else
#define IN_REGISTERS
#endif

/* STORE_HALF, STORE_HALF2, 4, 8 and 16 (v, i, p): how kernels store to half; vstore_half itself is
 * for this file alone.  Where a device's stores do not round to nearest even, as its self-check has
 * found (host/selfcheck/numbers.c), values are rounded before, by integers: any store is then
 * exact. */
#ifdef ROUND_HALF
#define TO_HALF(N, FLOAT, UINT)                                                                   \
    static inline FLOAT to_half##N(FLOAT x)                                                       \
    {                                                                                             \
        const UINT bits = as_##UINT(x), a = bits & (UINT)(0x7fffffffu);                           \
        const UINT near = (a + (UINT)(0xfffu) + (a >> (UINT)(13u) & (UINT)(1u))) &                \
                          (UINT)(0xffffe000u);                                                    \
        /* Below 2^-14 a half has whole 2^-24. */                                                 \
        const UINT s = min((UINT)(126u) - min(a >> (UINT)(23u), (UINT)(126u)), (UINT)(25u));      \
        const UINT m = (a & (UINT)(0x7fffffu)) | (UINT)(0x800000u);                               \
        const UINT units = (m + ((UINT)(1u) << (max(s, (UINT)(1u)) - (UINT)(1u))) - (UINT)(1u) +  \
                            (m >> s & (UINT)(1u))) >> s;                                          \
        const UINT small = as_##UINT(convert_##FLOAT(units) * 0x1p-24f);                          \
        UINT r = a < (UINT)(0x38800000u) ? small : near;                                          \
        r = a >= (UINT)(0x477ff000u) ? (UINT)(0x7f800000u) : r;                                   \
        r = a > (UINT)(0x7f800000u) ? a : r;    /* NaN */                                         \
        return as_##FLOAT(r | (bits ^ a));                                                        \
    }
TO_HALF(, float, uint)
TO_HALF(2, float2, uint2)
TO_HALF(4, float4, uint4)
TO_HALF(8, float8, uint8)
TO_HALF(16, float16, uint16)
#define STORE_HALF(v, i, p) vstore_half_rte(to_half(v), i, p)
#define STORE_HALF2(v, i, p) vstore_half2_rte(to_half2(v), i, p)
#define STORE_HALF4(v, i, p) vstore_half4_rte(to_half4(v), i, p)
#define STORE_HALF8(v, i, p) vstore_half8_rte(to_half8(v), i, p)
#define STORE_HALF16(v, i, p) vstore_half16_rte(to_half16(v), i, p)
#else
#define STORE_HALF(v, i, p) vstore_half_rte(v, i, p)
#define STORE_HALF2(v, i, p) vstore_half2_rte(v, i, p)
#define STORE_HALF4(v, i, p) vstore_half4_rte(v, i, p)
#define STORE_HALF8(v, i, p) vstore_half8_rte(v, i, p)
#define STORE_HALF16(v, i, p) vstore_half16_rte(v, i, p)
#endif

#ifdef HALF
typedef half act;
#define LOAD_ACT(p, i) vload_half((i), (p))
#define STORE_ACT(p, i, v) STORE_HALF((v), (i), (p))
/* Elements i to i + 7, i a multiple of eight and p aligned, in one access of 16 bytes; some
 * compilers make eight accesses of vloada_half8. */
static inline float8 load_half8(__global const half *p, size_t i)
{
    uint4 raw = ((__global const uint4 *)p)[i / 8];
    return vload_half8(0, (const half *)&raw);
}

static inline void store_half8(__global half *p, size_t i, float8 v)
{
    uint4 raw;
    STORE_HALF8(v, 0, (half *)&raw);
    ((__global uint4 *)p)[i / 8] = raw;
}

/* Elements i to i + 3, i a multiple of four. */
static inline void store_half4(__global half *p, size_t i, float4 v)
{
    uint2 raw;
    STORE_HALF4(v, 0, (half *)&raw);
    ((__global uint2 *)p)[i / 4] = raw;
}
#define LOAD_ACT8(p, i) load_half8((p), (i))
#define STORE_ACT8(p, i, v) store_half8((p), (i), (v))
#define STORE_ACT4(p, i, v) store_half4((p), (i), (v))
#else
typedef float act;
#define LOAD_ACT(p, i) ((p)[i])
#define STORE_ACT(p, i, v) ((p)[i] = (v))
#define LOAD_ACT8(p, i) vload8((i) / 8, (p))
#define STORE_ACT8(p, i, v) vstore8((v), (i) / 8, (p))
#define STORE_ACT4(p, i, v) vstore4((v), (i) / 4, (p))
#endif

/* x * sigmoid(x) */
static inline float silu(float x)
{
    return x / (1.0f + exp(-x));
}

/* GELU in its tanh form: 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))); 0.5 (1 + tanh u) is
 * sigmoid(2u), which needs one exp and cannot overflow to NaN. */
static inline float gelu_tanh(float x)
{
    float u = 0.7978845608028654f * (x + 0.044715f * x * x * x);
    return x / (1.0f + exp(-2.0f * u));
}

/* max(x, 0); a NaN stays one, which max would hide. */
static inline float relu(float x)
{
    return x < 0.0f ? 0.0f : x;
}

/* The sum of n values from p on, four at a time.  Work-items that call it with the same p read the
 * same addresses, which local memory serves in one access. */
static inline float local_sum(__local const float4 *p, int n)
{
    float4 sum = (float4)(0.0f);
    for (int i = 0; i < n / 4; i++)
        sum += p[i];
    float rest = 0.0f;
    for (int i = n / 4 * 4; i < n; i++)
        rest += ((__local const float *)p)[i];
    return (sum.x + sum.y) + (sum.z + sum.w) + rest;
}

/* The sum of one value of each of the n work-items of a work-group, returned to all of them;
 * scratch is n floats.  It takes one or two steps, as a barrier costs more than some additions.
 * The barrier at its start allows a second call with the same scratch. */
static inline float group_sum(float value, __local float4 *scratch, int n)
{
    __local float *one = (__local float *)scratch;
    int lid = get_local_id(0);
    barrier(CLK_LOCAL_MEM_FENCE);
    one[lid] = value;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (n <= 128)
        return local_sum(scratch, n);
    if (lid < 32)
        for (int i = lid + 32; i < n; i += 32)
            value += one[i];
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lid < 32)
        one[lid] = value;
    barrier(CLK_LOCAL_MEM_FENCE);
    return local_sum(scratch, 32);
}

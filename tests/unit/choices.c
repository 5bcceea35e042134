/* SPDX-License-Identifier: MIT
 * A context with choices asks a table once for calls of the same sizes, and anew when told to. */
#include "cl/choices.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

typedef struct call {
    ffcl_tensor x;
    const ffcl_tensor *add;
} call;

static size_t asked;

static int always(const ffcl_ctx *ctx, const void *desc)
{
    (void)ctx, (void)desc;
    asked++;
    return 1;
}

static int many_rows(const ffcl_ctx *ctx, const void *desc)
{
    (void)ctx;
    return ((const call *)desc)->x.rows >= 100;
}

static void sizes(ffcl_sizes *s, const void *desc)
{
    const call *c = desc;
    ffcl_sizes_tensor(s, &c->x);
    ffcl_sizes_tensor(s, c->add);
}

static const ffcl_variant variants[] = {{.name = "plain", .can = always},
                                        {.name = "fast", .can = many_rows}};
static const ffcl_operation operation = {FFCL_OP_SOFTMAX, "softmax", variants, 2, sizes};

static const char *choose(const ffcl_ctx *ctx, size_t rows)
{
    const call c = {.x = ffcl_tensor_of(FFCL_F32, 1, rows, 8)};
    return ffcl_choose(ctx, &operation, &c)->name;
}

static int open_ctx(ffcl_ctx *ctx)
{
    asked = 0;
    *ctx = (ffcl_ctx){.status = 0};
    ctx->err = &ctx->own_err;
    return ffcl_choices_open(ctx);
}

static void test_without(void **state)
{
    (void)state;
    const ffcl_ctx ctx = {.status = 0};
    asked = 0;
    assert_string_equal(choose(&ctx, 1), "plain");
    assert_string_equal(choose(&ctx, 1), "plain");
    assert_int_equal(asked, 2);
}

/* More calls than the table has room for at first. */
static void test_once(void **state)
{
    (void)state;
    enum { CALLS = 1000 };
    ffcl_ctx ctx;
    assert_int_equal(open_ctx(&ctx), 0);
    for (int pass = 0; pass < 3; pass++)
        for (size_t rows = 1; rows <= CALLS; rows++)
            assert_string_equal(choose(&ctx, rows), rows >= 100 ? "fast" : "plain");
    assert_int_equal(asked, CALLS);
    ffcl_choices_forget(&ctx);
    assert_string_equal(choose(&ctx, 1), "plain");
    assert_int_equal(asked, CALLS + 1);
    ffcl_choices_close(&ctx);
    assert_null(ctx.choices);
}

/* Each of these is another call; where a buffer lies is not. */
static void test_what_counts(void **state)
{
    (void)state;
    ffcl_ctx ctx;
    const ffcl_tensor t = ffcl_tensor_of(FFCL_F32, 2, 3, 8);
    call calls[10];
    for (size_t i = 0; i < 10; i++)
        calls[i] = (call){.x = t};
    calls[1].x.batch = 3;
    calls[2].x.cols = 9;
    calls[3].x.ld = 16;
    calls[4].x.stride = 99;
    calls[5].x.dtype = FFCL_F16;
    calls[6].x.layout = FFCL_COLUMNS;
    calls[7].x.at = 3;
    calls[8].x.width = 3;
    calls[9].add = &t;
    assert_int_equal(open_ctx(&ctx), 0);
    for (size_t i = 0; i < 10; i++)
        ffcl_choose(&ctx, &operation, &calls[i]);
    assert_int_equal(asked, 10);
    calls[0].x.mem = (cl_mem)(uintptr_t)8;
    calls[0].x.slot = 5;
    calls[0].x.at = 32;
    ffcl_choose(&ctx, &operation, &calls[0]);
    assert_int_equal(asked, 10);
    ctx.batch_invariant = 1;
    ffcl_choose(&ctx, &operation, &calls[0]);
    assert_int_equal(asked, 11);
    ffcl_choices_close(&ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_without),
                                       cmocka_unit_test(test_once),
                                       cmocka_unit_test(test_what_counts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

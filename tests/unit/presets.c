/* SPDX-License-Identifier: MIT
 * The table of presets and what giving one does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "config_presets.h"
#include "config_table.h"
#include "config_value.h"
#include "open_config.h"

/* What a preset stood for goes with it; what was given stays. */
static void test_change(void **state)
{
    (void)state;
    ffcl_config *cfg = open_config();
    set(cfg, "sampler.steps=7");
    set(cfg, "model.preset=repa");
    assert_int_equal(cfg->model.update, -1);
    assert_int_equal(cfg->sampler.solver, FFCL_SOLVER_SDE);
    assert_int_equal(cfg->output.bytes, FFCL_BYTES_REPA);
    set(cfg, "output.bytes=round");
    set(cfg, "model.preset=sit");
    assert_int_equal(cfg->model.update, 1);
    assert_int_equal(cfg->model.noise_time, 0);
    assert_int_equal(cfg->sampler.solver, FFCL_SOLVER_EULER);
    assert_int_equal(cfg->sampler.steps, 7);
    assert_int_equal(cfg->output.bytes, FFCL_BYTES_ROUND);
    assert_string_equal(cfg->model.ignore, "none");
    set(cfg, "model.preset=auto");
    assert_int_equal(cfg->sampler.cfg, FFCL_CFG_NONE);
    assert_int_equal(cfg->model.noise_time, 1);
    ffcl_config_close(&cfg);
}

/* Every line of every preset is a key with a value that fits, or an input. */
static void test_presets(void **state)
{
    (void)state;
    for (int i = 0; i < FFCL_PRESET_COUNT; i++) {
        const ffcl_preset *p = &ffcl_presets[i];
        ffcl_error err = {0};
        ffcl_config *cfg = open_config();
        ffcl_condition c;
        assert_true(p->name && p->title && p->paper && p->repository);
        if (ffcl_config_take_preset(cfg, i, &err))
            fail_msg("%s: %s", p->name, err.text);
        for (size_t k = 0; p->embedders[k]; k++)
            if (ffcl_config_parse_input(strchr(p->embedders[k], '=') + 1, &c))
                fail_msg("%s: %s", p->name, p->embedders[k]);
        ffcl_config_close(&cfg);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_change), cmocka_unit_test(test_presets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 * What a bad value may have meant: typos, words of other programs, marks and commas. */
#include "open_config.h"

#include <string.h>

typedef struct mistake {
    const char *assignment, *ends;      /* the sentence ends with it */
} mistake;

static const mistake mistakes[] = {
    {"sampler.solver=eular", "sde-heun, ddim; did you mean euler?"},
    {"precision.compute=FP16", "expected one of auto, float32, half; did you mean half?"},
    {"precision.compute=Half", "expected one of auto, float32, half; did you mean half?"},
    {"precision.compute=fp32", "expected one of auto, float32, half; did you mean float32?"},
    {"precision.compute=int4", "expected one of auto, float32, half"},
    {"output.resume=True", "expected one of yes, no; did you mean yes?"},
    {"output.resume=0", "expected one of yes, no; did you mean no?"},
    {"sampler.guidance=1,5", "expected a number from -1000 to 1000 (with a decimal point)"},
    {"vae.scale=-1,5", "from 1e-06 to 1000000 (with a decimal point)"},
    {"vae.scale=1,", "from 1e-06 to 1000000"},
    {"sampler.count=1,000", "expected auto or a whole number from 1 to 10000000"},
    {"sampler.seed=\"7\"", "18446744073709551615 (values stand without quotation marks)"},
    {"output.folder='a b'", "stands in quotation marks, and values stand without (./'a b' is a "
                            "file whose name has them)"},
    {"model.checkpoint=\"x.pt\"", "(./\"x.pt\" is a file whose name has them)"},
};

static void test_mistakes(void **state)
{
    ffcl_config *cfg = open_config();
    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        const mistake *m = &mistakes[i];
        ffcl_error err = {0};
        assert_int_equal(ffcl_config_set(cfg, m->assignment, &err), FFCL_ECONFIG);
        const size_t length = strlen(err.text), n = strlen(m->ends);
        if (length < n || strcmp(err.text + length - n, m->ends) != 0)
            fail_msg("%s", err.text);
    }
    ffcl_config_close(&cfg);
}

static void test_marks_of_a_name(void **state)
{
    ffcl_config *cfg = open_config();
    (void)state;
    set(cfg, "output.folder=./'a b'");
    assert_string_equal(cfg->output.folder, "./'a b'");
    set(cfg, "output.folder=\"");
    assert_string_equal(cfg->output.folder, "\"");
    ffcl_config_close(&cfg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mistakes),
                                       cmocka_unit_test(test_marks_of_a_name)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

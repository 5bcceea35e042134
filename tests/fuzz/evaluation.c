/* SPDX-License-Identifier: MIT
 * The JSON of an evaluation, compared with itself. */
#include <stdio.h>

#include "ffcl.h"
#include "fuzz.h"

static void pass_over(void *user, const char *line)
{
    (void)user;
    (void)line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = ffcl_fuzz_file("evaluation.json", data, size);
    const char *const paths[] = {path, path, path};
    ffcl_error err = {0};
    char plot[300];
    snprintf(plot, sizeof plot, "%s/plot.svg", ffcl_fuzz_folder());
    for (size_t n = 1; n <= 3; n++)
        (void)ffcl_eval_compare(paths, n, plot, pass_over, NULL, &err);
    return 0;
}

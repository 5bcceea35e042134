/* SPDX-License-Identifier: MIT
 * Parameters of CLBlast, as a file and as a line; the journal of those that were tried. */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"
#include "tune/journal.h"
#include "tuning.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ffcl_tuning tuning;
    ffcl_tuning_home home;
    ffcl_journal journal;
    const ffcl_tune_shape shape = {.m = 4, .n = 4, .k = 4};
    const ffcl_tune_result result = {.end = FFCL_TUNE_TIMED};
    ffcl_error err = {0};
    char line[1000];
    if (ffcl_tuning_read(&tuning, &home, ffcl_fuzz_file("tuned.txt", data, size), &err) == 0)
        free(ffcl_tuning_line(&tuning));
    snprintf(line, sizeof line, "%.*s", (int)ffcl_min(size, sizeof line - 1), (const char *)data);
    (void)ffcl_tuning_scan(&tuning, line, &err);
    if (ffcl_journal_open(&journal, ffcl_fuzz_file("journal", data, size), &shape, 1, &err) == 0) {
        (void)ffcl_journal_find(&journal, &tuning);
        (void)ffcl_journal_add(&journal, &tuning, &result, &err);
    }
    ffcl_journal_close(&journal);
    return 0;
}

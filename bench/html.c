/* SPDX-License-Identifier: MIT
 * The page: bench/page.html, which the build puts into the program, with the results of --json in
 * it.  It needs no other file and no network. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "files/atomic.h"

extern const char ffcl_bench_page[];

/* In a script element no text may end it, so that each < is written as JSON has it. */
static void put_data(FILE *f, const char *json)
{
    for (; *json; json++)
        if (*json == '<')
            fputs("\\u003c", f);
        else
            fputc(*json, f);
}

int ffcl_bench_write_html(const ffcl_bench_report *report, const char *path, ffcl_error *err)
{
    static const char place[] = "@DATA@";
    const char *data = strstr(ffcl_bench_page, place);
    ffcl_atomic_file file = {0};
    char *json = ffcl_bench_json_text(report);
    int rc = json ? ffcl_atomic_open(&file, path, err)
                  : ffcl_fail(err, FFCL_ENOMEM, "out of memory for %s", path);
    if (!rc) {
        fwrite(ffcl_bench_page, 1, (size_t)(data - ffcl_bench_page), file.stream);
        put_data(file.stream, json);
        fputs(data + strlen(place), file.stream);
        rc = ffcl_atomic_commit(&file, err);
    }
    ffcl_atomic_discard(&file);
    free(json);
    return rc;
}

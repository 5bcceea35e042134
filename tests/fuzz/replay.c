/* SPDX-License-Identifier: MIT
 * Runs a fuzz target, without a fuzzer, on files and on all files of folders:
 * TARGET FILE|FOLDER... */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "files/input.h"
#include "fuzz.h"

enum { MOST = 64 << 20 };

static size_t count;

static int run_file(const char *path)
{
    ffcl_error err = {0};
    char *text = NULL;
    size_t n = 0;
    if (ffcl_input_read(&text, &n, path, MOST, &err)) {
        printf("not ok - %s\n    %s\n", path, err.text);
        return 1;
    }
    /* Exactly as long as the input, so that a sanitizer sees what is read behind its end. */
    uint8_t *data = malloc(n ? n : 1);
    if (!data)
        abort();
    memcpy(data, text, n);
    free(text);
    LLVMFuzzerTestOneInput(data, n);
    free(data);
    printf("ok - %s\n", path);
    fflush(stdout);
    count++;
    return 0;
}

static int run_folder(const char *path)
{
    struct dirent **list = NULL;
    char file[4096];
    int failed = 0, n = scandir(path, &list, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        snprintf(file, sizeof file, "%s/%s", path, list[i]->d_name);
        if (list[i]->d_name[0] != '.')
            failed |= run_file(file);
        free(list[i]);
    }
    free(list);
    return failed || n < 0;
}

int main(int argc, char **argv)
{
    int failed = 0;
    for (int i = 1; i < argc; i++) {
        struct stat st;
        failed |= stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode) ? run_folder(argv[i])
                                                                 : run_file(argv[i]);
    }
    return failed || !count;
}

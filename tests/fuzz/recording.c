/* SPDX-License-Identifier: MIT
 * A recording that ffcl verify compares with, of the kinds that need no device. */
#include <ctype.h>

#include "fuzz.h"
#include "verify/verify.h"

/* Recordings may ask for a quarter of a billion numbers, by their tensors' names. */
static int asks_for_many(const ffcl_tensor_file *file)
{
    for (size_t i = 0; i < ffcl_tensor_file_count(file); i++) {
        const ffcl_tensor_info *info = ffcl_tensor_file_at(file, i);
        size_t digits = 0;
        for (const char *p = info->name; *p; p++)
            digits += isdigit((unsigned char)*p) != 0;
        if (digits > 8 || info->count > 1 << 20)
            return 1;
    }
    return 0;
}

static void pass_over(void *user, const ffcl_verify_line *line)
{
    (void)user;
    (void)line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ffcl_error err = {0};
    ffcl_verifier v = {.visit = pass_over, .err = &err};
    if (ffcl_tensor_file_open(&v.file, ffcl_fuzz_file("recording", data, size), &err))
        return 0;
    if (!asks_for_many(v.file)) {
        if (ffcl_verify_is_generators(&v))
            (void)ffcl_verify_generators(&v);
        if (ffcl_verify_is_images(&v))
            (void)ffcl_verify_images(&v);
        if (ffcl_verify_is_byte_rules(&v))
            (void)ffcl_verify_byte_rules(&v);
        if (ffcl_verify_is_pos_embed(&v))
            (void)ffcl_verify_pos_embed(&v);
    }
    ffcl_tensor_file_close(&v.file);
    return 0;
}

/* SPDX-License-Identifier: MIT
 * Mutated weight files and pickles: each opens and reads, or is refused; nothing crashes, leaks
 * or takes much memory.  tensorfile_fuzz [ROUNDS [SEED]]; the default takes about two seconds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "files/pickle.h"
#include "files/tensorfile.h"
#include "seeds.h"
#include "util.h"

enum { MAX_FILE = 1 << 16, MAX_READ = 1 << 14, MAX_RSS_KB = 900 << 10 };

static const char *const seeds[] = {
    "st_good", "st_types", "st_prefixes", "pt_rich", "pt_rich4", "pt_types", "pt_strides",
    "pt_zip64", "pt_no_crc", "pt_shared", "pt_parameter", "pt_deflated", "gd_good",
};

static char folder[] = "/tmp/ffcl-fuzz-XXXXXX";
static unsigned rounds = 400;
static uint64_t seed = 1, random_state;

static uint64_t draw(uint64_t below)
{
    random_state ^= random_state << 13;     /* xorshift64 */
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % below;
}

static size_t load(const char *name, unsigned char *bytes)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *stream = fopen(path, "rb");
    assert_non_null(stream);
    size_t n = fread(bytes, 1, MAX_FILE, stream);
    fclose(stream);
    assert_true(n > 0 && n < MAX_FILE);
    return n;
}

/* One to four changes of bytes, numbers, length or order. */
static size_t mutate(unsigned char *bytes, size_t n)
{
    static const unsigned char odd[] = {0, 1, 2, 127, 128, 255, '.', '(', 'R', 'u', '}', '"', '['};
    for (uint64_t changes = 1 + draw(4); changes && n > 16; changes--) {
        size_t at = draw(n), length = 1 + draw(8), from = draw(n - 8);
        length = ffcl_min(length, n - at);
        switch (draw(7)) {
        case 0: bytes[at] ^= (unsigned char)(1 << draw(8)); break;
        case 1: bytes[at] = odd[draw(sizeof odd)]; break;
        case 2: bytes[at] = (unsigned char)draw(256); break;
        case 3: memset(bytes + at, draw(2) ? 0xff : 0, length); break;
        case 4: memmove(bytes + at, bytes + from, ffcl_min(length, 8)); break;
        case 5:
            memmove(bytes + at, bytes + at + length, n - at - length);
            n -= length;
            break;
        default:
            if (draw(8) == 0)
                n = at + 1;
            break;
        }
    }
    return n;
}

static void read_everything(ffcl_tensor_file *file)
{
    static float f32[MAX_READ];
    static int64_t i64[MAX_READ];
    for (size_t i = 0; i < ffcl_tensor_file_count(file); i++) {
        const ffcl_tensor_info *info = ffcl_tensor_file_at(file, i);
        ffcl_error err = {0};
        size_t n = ffcl_min(info->count, MAX_READ);
        int rc = ffcl_tensor_file_read_f32(file, info, 0, n, f32, &err);
        assert_true(rc == 0 || (rc == err.code && err.text[0]));
        rc = ffcl_tensor_file_read_f32(file, info, info->count - n / 2, n / 2, f32, &err);
        assert_true(rc == 0 || (rc == err.code && err.text[0]));
        rc = ffcl_tensor_file_read_i64(file, info, n / 2, n - n / 2, i64, &err);
        assert_true(rc == 0 || (rc == err.code && err.text[0]));
        assert_ptr_equal(ffcl_tensor_file_find(file, info->name), info);
    }
}

static void check_memory(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    assert_true(usage.ru_maxrss < MAX_RSS_KB);
}

static void test_files(void **state)
{
    static unsigned char original[MAX_FILE], changed[MAX_FILE];
    char path[256];
    size_t opened = 0, refused = 0;
    (void)state;
    snprintf(path, sizeof path, "%s/changed", folder);
    for (size_t s = 0; s < sizeof seeds / sizeof *seeds; s++) {
        size_t n = load(seeds[s], original);
        for (unsigned i = 0; i < rounds; i++) {
            random_state = seed * 0x9e3779b97f4a7c15u + s * 1000003u + i + 1;
            draw(2);
            memcpy(changed, original, n);
            size_t size = mutate(changed, n);
            FILE *stream = fopen(path, "wb");
            assert_non_null(stream);
            assert_int_equal(fwrite(changed, 1, size, stream), size);
            fclose(stream);
            ffcl_tensor_file *file = NULL;
            ffcl_error err = {0};
            int rc = ffcl_tensor_file_open(&file, path, &err);
            if (rc != err.code || (rc != 0) != (file == NULL))
                fail_msg("%s, seed %llu, round %u: %d %s", seeds[s], (unsigned long long)seed, i,
                         rc, err.text);
            if (file)
                read_everything(file);
            *(rc ? &refused : &opened) += 1;
            ffcl_tensor_file_close(&file);
        }
    }
    assert_true(rounds < 100 || (opened > 0 && refused > 0));
    check_memory();
}

static void test_pickles(void **state)
{
    static unsigned char original[MAX_FILE], changed[MAX_FILE];
    static const char *const names[] = {"pickle_rich", "pickle_rich4"};
    (void)state;
    for (size_t s = 0; s < 2; s++) {
        size_t n = load(names[s], original);
        for (unsigned i = 0; i < rounds * 50; i++) {
            random_state = seed * 0x9e3779b97f4a7c15u + s * 1000003u + i + 1;
            draw(2);
            memcpy(changed, original, n);
            size_t size = mutate(changed, n);
            ffcl_pickle *pickle = NULL;
            ffcl_error err = {0};
            /* At the end of the buffer, where the sanitizer sees a read beyond it. */
            unsigned char *data = changed + MAX_FILE - size;
            memmove(data, changed, size);
            int rc = ffcl_pickle_open(&pickle, data, size, "x.pt", &err);
            if (rc != 0 && rc != FFCL_EFORMAT)
                fail_msg("%s, seed %llu, round %u: %d %s", names[s], (unsigned long long)seed, i,
                         rc, err.text);
            ffcl_pickle_close(&pickle);
        }
    }
    check_memory();
}

static int make_seeds(void **state)
{
    (void)state;
    return !mkdtemp(folder) ? -1 : ffcl_seeds_make(folder, "python3 -B tests/make_weights.py all");
}

static int remove_seeds(void **state)
{
    (void)state;
    return ffcl_seeds_remove(folder);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files), cmocka_unit_test(test_pickles),
    };
    if (argc > 1)
        rounds = (unsigned)strtoul(argv[1], NULL, 10);
    if (argc > 2)
        seed = strtoull(argv[2], NULL, 10);
    return cmocka_run_group_tests(tests, make_seeds, remove_seeds);
}

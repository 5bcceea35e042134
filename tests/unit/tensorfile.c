/* SPDX-License-Identifier: MIT
 * Weight files: good, odd and broken ones from make_weights.py, and those of tests/data. */
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "files/tensorfile.h"
#include "seeds.h"
#include "util.h"

static char folder[] = "/tmp/ffcl-tensorfile-XXXXXX";

/* Cases that open; the tests below look into them. */
static const char *const good[] = {
    "st_good", "st_types", "st_all_halves", "st_prefixes", "st_no_tensors",
    "pt_good", "pt_types", "pt_protocol4", "pt_protocol5", "pt_shared", "pt_strides", "pt_ema",
    "pt_state_dict", "pt_model", "pt_nested", "pt_prefixes", "pt_parameter", "pt_metadata",
    "pt_evil", "pt_no_crc", "pt_zip64", "pt_deflated", "pt_folder", "pt_old", "pt_rich",
    "pt_rich4", "pt_crc",
    "pt_ema_none", "pt_ema_model",
    "st_dtype", "st_unknown_key", "pt_complex", "pt_attributes", "pt_forms", "pt_all_quantized",
    "gd_good",
};

/* Cases that are refused, and a part of the message. */
static const struct {
    const char *name;
    int code;
    const char *text;
} bad[] = {
    {"lfs_pointer", FFCL_EFORMAT, "is a git-LFS pointer, not the weights: run git lfs pull"},
    {"html", FFCL_EFORMAT, "is an HTML page"},
    {"empty", FFCL_EFORMAT, "is empty"},
    {"short", FFCL_EFORMAT, "it has 5 bytes only"},
    {"json_text", FFCL_EFORMAT, "is a JSON text"},
    {"noise", FFCL_EFORMAT, "neither a safetensors file nor"},
    {"tar", FFCL_EFORMAT, "PyTorch 1.6 or later"},
    {"legacy_torch", FFCL_EFORMAT, "holds no state dict"},
    {"bare_pickle", FFCL_EFORMAT, "is a bare pickle"},
    {"pickle_rich", FFCL_EFORMAT, "is a bare pickle"},
    {"pickle_rich4", FFCL_EFORMAT, "is a bare pickle"},
    {"st_header_cut", FFCL_EFORMAT, "is cut short: it has 60 bytes, its header alone"},
    {"st_data_cut", FFCL_EFORMAT, "is cut short: it has"},
    {"st_data_long", FFCL_EFORMAT, "has 4 bytes after its last tensor"},
    {"st_header_absurd", FFCL_EFORMAT, "beyond reason"},
    {"st_header_big", FFCL_EFORMAT, "a safetensors header of 100000001 bytes"},
    {"st_duplicate", FFCL_EWEIGHTS, "a, b"},
    {"st_duplicate_prefix", FFCL_EWEIGHTS, "same name"},
    {"st_overlap", FFCL_EFORMAT, "data of tensor b overlaps"},
    {"st_hole", FFCL_EFORMAT, "data of tensor b begins after a hole"},
    {"st_out_of_bounds", FFCL_EFORMAT, "is cut short"},
    {"st_offsets_reversed", FFCL_EFORMAT, "data_offsets of tensor a"},
    {"st_offsets_fraction", FFCL_EFORMAT, "data_offsets of tensor a"},
    {"st_size_wrong", FFCL_EFORMAT, "tensor a has 8 bytes of data"},
    {"st_shape_overflow", FFCL_EFORMAT, "the size of tensor a"},
    {"st_shape_negative", FFCL_EFORMAT, "the shape of tensor a"},
    {"st_rank", FFCL_EFORMAT, "up to 8 whole numbers"},
    {"st_no_dtype", FFCL_EFORMAT, "tensor a lacks the key dtype"},
    {"st_key_twice", FFCL_EFORMAT, "has the key shape twice"},
    {"st_entry_list", FFCL_EFORMAT, "entry of tensor a is not an object"},
    {"st_metadata_number", FFCL_EFORMAT, "__metadata__"},
    {"st_not_json", FFCL_EFORMAT, "not valid JSON"},
    {"st_json_tail", FFCL_EFORMAT, "not valid JSON"},
    {"st_deep", FFCL_EFORMAT, "not valid JSON"},
    {"st_control_name", FFCL_EFORMAT, "control character"},
    {"pt_ema_list", FFCL_EFORMAT, "averaged weights under ema in a form that is not read"},
    {"pt_offset_outside", FFCL_EFORMAT, "tensor a reaches outside its storage"},
    {"pt_stride_outside", FFCL_EFORMAT, "tensor a reaches outside its storage"},
    {"pt_stride_overflow", FFCL_EFORMAT, "the size of tensor a"},
    {"pt_shape_overflow", FFCL_EFORMAT, "the size of tensor a"},
    {"pt_stride_negative", FFCL_EFORMAT, "size and strides of tensor a"},
    {"pt_rank", FFCL_EFORMAT, "up to 8 whole numbers"},
    {"pt_rank_differs", FFCL_EFORMAT, "size and strides of tensor a"},
    {"pt_numel_lies", FFCL_EFORMAT, "data/0 has 16 bytes, too few for the storage of tensor a"},
    {"pt_storage_missing", FFCL_EFORMAT, "lacks data/1, the data of tensor b"},
    {"pt_key_path", FFCL_EFORMAT, "no number as its key"},
    {"pt_duplicate_prefix", FFCL_EWEIGHTS, "a, b"},
    {"pt_no_state", FFCL_EFORMAT, "its keys: weights, epoch"},
    {"pt_stray", FFCL_EFORMAT, "its keys: somewhere, step"},
    {"pt_protocol0", FFCL_EFORMAT, "protocol 0 or 1"},
    {"pt_object", FFCL_EFORMAT, "save model.state_dict()"},
    {"pt_one_tensor", FFCL_EFORMAT, "one tensor without a name"},
    {"pt_truncated", FFCL_EFORMAT, "is cut short"},
    {"pt_half", FFCL_EFORMAT, "is cut short"},
    {"pt_big_endian", FFCL_EFORMAT, "big-endian machine"},
    {"pt_no_pickle", FFCL_EFORMAT, "without data.pkl"},
    {"pt_zip_empty", FFCL_EFORMAT, "empty zip archive"},
    {"pt_pickle_cut", FFCL_EFORMAT, "its pickle is damaged"},
    {"pt_pickle_empty", FFCL_EFORMAT, "its pickle is damaged"},
    {"pt_deep", FFCL_EFORMAT, "holds no state dict"},
    {"pt_cycle", FFCL_EFORMAT, "holds no state dict"},
    {"gd_cut", FFCL_EFORMAT, "does not end within its message"},
    {"gd_short", FFCL_EFORMAT, "tensor w has 20 bytes of data"},
    {"gd_varint", FFCL_EFORMAT, "begins no field"},
    {"gd_huge", FFCL_EFORMAT, "tensor w has 4 bytes of data"},
    {"gd_norms", FFCL_EFORMAT, "batch norms of two kinds"},
};

static const char *case_path(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static ffcl_tensor_file *open_path(const char *path)
{
    ffcl_tensor_file *file = NULL;
    ffcl_error err = {0};
    int rc = ffcl_tensor_file_open(&file, path, &err);
    if (rc)
        fail_msg("%s: %d: %s", path, rc, err.text);
    assert_string_equal(ffcl_tensor_file_path(file), path);
    return file;
}

static ffcl_tensor_file *open_case(const char *name)
{
    return open_path(case_path(name));
}

static const ffcl_tensor_info *find(const ffcl_tensor_file *file, const char *name)
{
    const ffcl_tensor_info *info = ffcl_tensor_file_find(file, name);
    if (!info)
        fail_msg("%s lacks %s", ffcl_tensor_file_path(file), name);
    assert_string_equal(info->name, name);
    return info;
}

/* All elements as float; the caller frees them. */
static float *read_all(ffcl_tensor_file *file, const ffcl_tensor_info *info)
{
    ffcl_error err = {0};
    float *out = malloc((info->count + 1) * sizeof *out);
    assert_non_null(out);
    out[info->count] = 12345;       /* a guard */
    if (ffcl_tensor_file_read_f32(file, info, 0, info->count, out, &err))
        fail_msg("%s: %s", info->name, err.text);
    assert_true(out[info->count] == 12345);
    return out;
}

static void expect_f32(ffcl_tensor_file *file, const char *name, size_t n, const float *want)
{
    const ffcl_tensor_info *info = find(file, name);
    assert_int_equal(info->count, n);
    float *got = read_all(file, info);
    for (size_t i = 0; i < n; i++)
        if (got[i] != want[i])
            fail_msg("%s[%zu] is %g, not %g", name, i, (double)got[i], (double)want[i]);
    free(got);
}

/* Values k + i / 4, as make_weights.py fills tensors. */
static void expect_floats(ffcl_tensor_file *file, const char *name, size_t n, float k)
{
    float *want = malloc((n + 1) * sizeof *want);
    assert_non_null(want);
    for (size_t i = 0; i < n; i++)
        want[i] = k + (float)i / 4;
    expect_f32(file, name, n, want);
    free(want);
}

static void expect_shape(const ffcl_tensor_file *file, const char *name, const char *shape)
{
    char text[128];
    const ffcl_tensor_info *info = find(file, name);
    assert_string_equal(ffcl_shape_text(text, sizeof text, info->shape, info->rank), shape);
}

static void test_every_case_is_known(void **state)
{
    (void)state;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        bool known = e->d_name[0] == '.' || !strcmp(e->d_name, "fifo");
        for (size_t i = 0; i < sizeof good / sizeof *good; i++)
            known |= !strcmp(good[i], e->d_name);
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
            known |= !strcmp(bad[i].name, e->d_name);
        if (!known)
            fail_msg("no test for the case %s", e->d_name);
    }
    closedir(dir);
}

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ffcl_tensor_file *file = (void *)1;
        ffcl_error err = {0};
        const char *path = case_path(bad[i].name);
        int rc = ffcl_tensor_file_open(&file, path, &err);
        assert_null(file);
        if (rc != bad[i].code || err.code != rc || !strstr(err.text, bad[i].text) ||
            strncmp(err.text, path, strlen(path)) != 0 || strchr(err.text, '\n'))
            fail_msg("%s: %d: %s", bad[i].name, rc, err.text);
        assert_int_equal(ffcl_tensor_file_open(&file, path, NULL), rc);
    }
}

static void expect_efile(const char *path, const char *text)
{
    ffcl_tensor_file *file;
    ffcl_error err = {0};
    assert_int_equal(ffcl_tensor_file_open(&file, path, &err), FFCL_EFILE);
    if (!strstr(err.text, path) || !strstr(err.text, text))
        fail_msg("%s", err.text);
}

static void test_no_file(void **state)
{
    (void)state;
    expect_efile(case_path("missing"), "No such file");
    expect_efile(folder, "is a folder");
    expect_efile("/dev/null", "not a regular file");
    assert_int_equal(mkfifo(case_path("fifo"), 0600), 0);
    expect_efile(case_path("fifo"), "not a regular file");
    ffcl_tensor_file *none = NULL;
    ffcl_tensor_file_close(&none);
}

static void test_good_files(void **state)
{
    static const char *const names[] = {"st_good", "pt_good", "pt_protocol4", "pt_no_crc",
                                        "pt_zip64"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ffcl_tensor_file *file = open_case(names[i]);
        assert_int_equal(ffcl_tensor_file_count(file), 2);
        assert_string_equal(ffcl_tensor_file_at(file, 0)->name, "a");
        assert_string_equal(ffcl_tensor_file_at(file, 1)->name, "b");
        expect_shape(file, "a", "(2, 3)");
        expect_shape(file, "b", "(4,)");
        expect_floats(file, "b", 4, 10);
        expect_floats(file, "a", 6, 0);
        expect_floats(file, "b", 4, 10);
        assert_null(ffcl_tensor_file_find(file, "c"));
        assert_null(ffcl_tensor_file_find(file, ""));
        assert_null(ffcl_tensor_file_metadata(file, "absent"));
        ffcl_tensor_file_close(&file);
        assert_null(file);
    }
    ffcl_tensor_file *file = open_case("st_good");
    assert_string_equal(ffcl_tensor_file_metadata(file, "format"), "pt");
    assert_string_equal(ffcl_tensor_file_metadata(file, "note"), "caf\xc3\xa9");
    ffcl_tensor_file_close(&file);
    file = open_case("st_no_tensors");
    assert_int_equal(ffcl_tensor_file_count(file), 0);
    assert_null(ffcl_tensor_file_find(file, "a"));
    ffcl_tensor_file_close(&file);
}

static void expect_ints(ffcl_tensor_file *file, const char *name, ffcl_dtype dtype, int64_t x,
                        int64_t y)
{
    int64_t got[2] = {0};
    ffcl_error err = {0};
    const ffcl_tensor_info *info = find(file, name);
    assert_int_equal(info->dtype, dtype);
    assert_int_equal(ffcl_tensor_file_read_i64(file, info, 0, 2, got, &err), 0);
    assert_true(got[0] == x && got[1] == y);
    assert_int_equal(ffcl_tensor_file_read_i64(file, info, 1, 1, got, &err), 0);
    assert_true(got[0] == y);
    expect_f32(file, name, 2, (float[]){(float)x, (float)y});
}

static void test_types(void **state)
{
    static const char *const names[] = {"st_types", "pt_types"};
    static const char *const floating[] = {"f32", "f16", "bf16", "f64"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        ffcl_tensor_file *file = open_case(names[i]);
        ffcl_error err = {0};
        assert_int_equal(ffcl_tensor_file_count(file), 12);
        for (size_t k = 0; k < 4; k++) {
            int64_t number;
            const ffcl_tensor_info *info = find(file, floating[k]);
            assert_int_equal(info->dtype, k);
            expect_f32(file, floating[k], 2, (float[]){1.5f, -2});
            assert_int_equal(ffcl_tensor_file_read_i64(file, info, 0, 1, &number, &err),
                             FFCL_EFORMAT);
            assert_non_null(strstr(err.text, floating[k]));
        }
        expect_ints(file, "i64", FFCL_I64, (int64_t)1 << 40, -1);
        expect_ints(file, "i32", FFCL_I32, 1 << 30, -1);
        expect_ints(file, "i16", FFCL_I16, 1 << 14, -1);
        expect_ints(file, "i8", FFCL_I8, 100, -1);
        expect_ints(file, "u8", FFCL_U8, 200, 1);
        expect_ints(file, "bool", FFCL_BOOL, 1, 0);
        expect_shape(file, "scalar", "()");
        expect_f32(file, "scalar", 1, (float[]){7.25f});
        expect_shape(file, "none", "(3, 0, 2)");
        expect_f32(file, "none", 0, NULL);
        ffcl_tensor_file_close(&file);
    }
}

/* Every bit pattern of both 16-bit types against arithmetic in double. */
static void test_halves(void **state)
{
    (void)state;
    ffcl_tensor_file *file = open_case("st_all_halves");
    float *half = read_all(file, find(file, "half")), *bf16 = read_all(file, find(file, "bf16"));
    for (uint32_t i = 0; i < 65536; i++) {
        int exponent = (int)(i >> 10 & 31), fraction = (int)(i & 1023);
        double sign = i & 0x8000 ? -1 : 1, want = ldexp(fraction, -24);
        if (exponent == 31)
            want = fraction ? NAN : INFINITY;
        else if (exponent)
            want = ldexp(1024 + fraction, exponent - 25);
        bool same = isnan(want) ? isnan(half[i]) : (double)half[i] == sign * want;
        if (!same || !signbit(half[i]) != !(i & 0x8000))
            fail_msg("half %04x is %g, not %g", i, (double)half[i], sign * want);
        uint32_t bits;
        memcpy(&bits, &bf16[i], 4);
        assert_int_equal(bits, i << 16);
    }
    free(half);
    free(bf16);
    ffcl_tensor_file_close(&file);
}

/* Each range of each tensor equals that part of the whole. */
static void check_ranges(const char *name)
{
    ffcl_tensor_file *file = open_case(name);
    for (size_t t = 0; t < ffcl_tensor_file_count(file); t++) {
        const ffcl_tensor_info *info = ffcl_tensor_file_at(file, t);
        float *whole = read_all(file, info), part[64];
        size_t count = ffcl_min(info->count, 48);
        for (size_t first = 0; first <= count; first++)
            for (size_t n = 0; n <= count - first; n++) {
                ffcl_error err = {0};
                part[n] = 12345;
                assert_int_equal(ffcl_tensor_file_read_f32(file, info, first, n, part, &err), 0);
                assert_memory_equal(part, whole + first, n * sizeof *part);
                assert_true(part[n] == 12345);
            }
        free(whole);
    }
    ffcl_tensor_file_close(&file);
}

static void test_ranges(void **state)
{
    static const char *const names[] = {"st_types", "pt_types", "pt_shared", "pt_strides",
                                        "pt_deflated", "pt_no_crc"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        check_ranges(names[i]);
}

static void test_strides(void **state)
{
    (void)state;
    ffcl_tensor_file *file = open_case("pt_strides");
    float want[24];
    for (int i = 0; i < 24; i++)
        want[i] = (float)(i % 4 * 6 + i / 4) / 4;
    expect_f32(file, "transposed", 24, want);
    for (int i = 0; i < 12; i++)
        want[i] = (float)(i % 4) / 4;
    expect_f32(file, "expanded", 12, want);
    for (int i = 0; i < 6; i++)
        want[i] = (float)(1 + i / 3 * 12 + i % 3 * 2) / 4;
    expect_f32(file, "sliced", 6, want);
    for (int i = 0; i < 24; i++)
        want[i] = (float)(i / 12 * 12 + i / 4 % 3 + i / 2 % 2 * 6 + i % 2 * 3) / 4;
    expect_shape(file, "last", "(2, 3, 2, 2)");
    expect_f32(file, "last", 24, want);
    expect_shape(file, "ones", "(1, 24, 1)");
    expect_floats(file, "ones", 24, 0);
    for (int i = 0; i < 6; i++)
        want[i] = (float)(i % 2 * 3 + i / 2) / 4;
    expect_f32(file, "half", 6, want);
    ffcl_tensor_file_close(&file);
}

static void test_shared_storage(void **state)
{
    (void)state;
    ffcl_tensor_file *file = open_case("pt_shared");
    expect_floats(file, "all", 24, 0);
    expect_floats(file, "tail", 6, 4.5f);
    expect_f32(file, "column", 4, (float[]){0.5f, 2, 3.5f, 5});
    ffcl_tensor_file_close(&file);
}

static void expect_single(const char *name, const char *tensor, size_t n, float k)
{
    ffcl_tensor_file *file = open_case(name);
    assert_int_equal(ffcl_tensor_file_count(file), 1);
    expect_floats(file, tensor, n, k);
    ffcl_tensor_file_close(&file);
}

static void test_wrappers(void **state)
{
    (void)state;
    expect_single("pt_ema", "w", 4, 200);
    expect_single("pt_state_dict", "w", 4, 200);
    expect_single("pt_model", "w", 4, 100);
    expect_single("pt_nested", "w", 4, 100);
    expect_single("pt_ema_none", "w", 4, 100);
    expect_single("pt_ema_model", "w", 4, 200);
    ffcl_tensor_file *file = open_case("pt_ema_model");
    assert_string_equal(ffcl_tensor_file_taken(file),
                        "ema_model (of model, optimizer, ema_model, step)");
    ffcl_tensor_file_close(&file);
    ffcl_error err = {0};
    char *path = ffcl_format("%s/pt_ema_list", folder);
    assert_int_equal(ffcl_tensor_file_open_as(&file, path, "model", 0, &err), 0);
    assert_string_equal(ffcl_tensor_file_taken(file), "model (of model, ema)");
    ffcl_tensor_file_close(&file);
    assert_int_equal(ffcl_tensor_file_open_as(&file, path, "ema.gone", 0, &err), FFCL_EFORMAT);
    assert_non_null(strstr(err.text, "no dict of tensors under ema.gone"));
    free(path);
    expect_single("pt_metadata", "w", 4, 1);
    expect_single("pt_protocol5", "a", 6, 0);
    expect_single("pt_folder", "a", 6, 0);
    expect_single("pt_old", "a", 6, 0);
}

static void test_prefixes(void **state)
{
    (void)state;
    ffcl_tensor_file *file = open_case("pt_prefixes");
    assert_int_equal(ffcl_tensor_file_count(file), 3);
    expect_floats(file, "a", 4, 1);
    expect_floats(file, "b", 4, 2);
    expect_floats(file, "c", 4, 3);
    ffcl_tensor_file_close(&file);
    file = open_case("st_prefixes");
    expect_floats(file, "c", 1, 0.5f);
    find(file, "a");
    find(file, "b");
    find(file, "module.");      /* nothing would remain of it */
    ffcl_tensor_file_close(&file);
}

static void test_constructors(void **state)
{
    static const char *const names[] = {"pt_rich", "pt_rich4"};
    (void)state;
    ffcl_tensor_file *file = open_case("pt_parameter");
    expect_floats(file, "parameter", 4, 4);
    expect_floats(file, "untyped", 3, 5.25f);
    expect_floats(file, "subclass", 4, 6);
    ffcl_tensor_file_close(&file);
    for (size_t i = 0; i < 2; i++) {
        file = open_case(names[i]);
        assert_int_equal(ffcl_tensor_file_count(file), 5);
        expect_floats(file, "all", 24, 0);
        expect_floats(file, "parameter", 4, 4);
        expect_floats(file, "untyped", 3, 0.25f);
        ffcl_tensor_file_close(&file);
    }
}

/* It is there, says what it is, and cannot be read in any way. */
static void expect_unread(ffcl_tensor_file *file, const char *name, const char *what)
{
    const ffcl_tensor_info *info = find(file, name);
    ffcl_error err = {0};
    const float *mapped = NULL;
    float numbers[4];
    int64_t integers[4];
    assert_string_equal(info->unread, what);
    assert_int_equal(ffcl_tensor_file_read_f32(file, info, 0, 4, numbers, &err), FFCL_EFORMAT);
    assert_non_null(strstr(err.text, what));
    assert_int_equal(ffcl_tensor_file_read_i64(file, info, 0, 4, integers, &err), FFCL_EFORMAT);
    assert_int_equal(ffcl_tensor_file_map(&mapped, file, info, &err), 0);
    assert_null(mapped);
}

/* What cannot be read is named, and hinders nobody who does not want it. */
static void test_unread(void **state)
{
    (void)state;
    ffcl_tensor_file *file = open_case("st_dtype");
    expect_unread(file, "a", "of type F8_E8M0");
    expect_unread(file, "c", "of type F4");
    expect_floats(file, "b", 1, 0);
    ffcl_tensor_file_close(&file);
    file = open_case("st_unknown_key");
    expect_unread(file, "a", "described by an unknown key, strides");
    expect_floats(file, "b", 1, 0);
    ffcl_tensor_file_close(&file);
    file = open_case("pt_complex");
    expect_unread(file, "a", "of type ComplexFloatStorage");
    expect_floats(file, "b", 4, 2);
    ffcl_tensor_file_close(&file);
    file = open_case("pt_forms");
    expect_unread(file, "quantized", "quantized");
    expect_unread(file, "negated", "negated or conjugated by a flag");
    expect_unread(file, "sparse", "sparse");
    expect_unread(file, "meta", "a meta tensor, without data");
    expect_unread(file, "parted", "a part of a tensor (a DTensor, say) or another wrapper");
    expect_unread(file, "object", "an object of somewhere.optim.Schedule");
    expect_floats(file, "plain", 4, 3);
    ffcl_tensor_file_close(&file);
    file = open_case("pt_all_quantized");       /* and not the model beside it */
    expect_unread(file, "w", "quantized");
    ffcl_tensor_file_close(&file);
    file = open_case("pt_attributes");
    expect_floats(file, "a", 4, 1);
    ffcl_tensor_file_close(&file);
}

/* A distributed checkpoint is a folder with .metadata, and its parts are zip archives. */
static void test_distributed(void **state)
{
    char path[300];
    ffcl_tensor_file *file = NULL;
    ffcl_error err = {0};
    (void)state;
    snprintf(path, sizeof path, "%s/parts", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(ffcl_tensor_file_open(&file, path, &err), FFCL_EFILE);
    assert_non_null(strstr(err.text, "is a folder, not a weight file"));
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/parts/%s", folder, i ? "__0_0.distcp" : ".metadata");
        FILE *part = fopen(path, "w");
        assert_non_null(part);
        fputs("PK\3\4", part);
        fclose(part);
        if (i == 0)
            *strrchr(path, '/') = '\0';
        assert_int_equal(ffcl_tensor_file_open(&file, path, &err), FFCL_EFORMAT);
        assert_non_null(strstr(err.text, "dcp_to_torch"));
    }
}

/* The file that the pickle would create if it were run (FFCL_EVIL) must not appear. */
static void test_nothing_is_run(void **state)
{
    (void)state;
    ffcl_tensor_file *file = open_case("pt_evil");
    expect_floats(file, "w", 4, 1);
    expect_unread(file, "args", "an object of posix.system");
    assert_true(find(file, "args")->is_object && find(file, "more")->is_object);
    ffcl_tensor_file_close(&file);
    assert_int_equal(access(case_path("evil-was-here"), F_OK), -1);
}

static void test_checksum(void **state)
{
    (void)state;
    ffcl_tensor_file *file = open_case("pt_crc");
    ffcl_error err = {0};
    float out[4];
    const ffcl_tensor_info *b = find(file, "b");
    expect_floats(file, "a", 6, 0);
    assert_int_equal(ffcl_tensor_file_read_f32(file, b, 0, 4, out, &err), FFCL_EFORMAT);
    assert_non_null(strstr(err.text, "the checksum of b is wrong"));
    /* In pieces too: the last one tells. */
    assert_int_equal(ffcl_tensor_file_read_f32(file, b, 0, 3, out, &err), 0);
    assert_int_equal(ffcl_tensor_file_read_f32(file, b, 3, 1, out, &err), FFCL_EFORMAT);
    expect_floats(file, "a", 6, 0);
    ffcl_tensor_file_close(&file);
}

static void test_deflated(void **state)
{
    (void)state;
    ffcl_tensor_file *file = open_case("pt_deflated");
    ffcl_error err = {0};
    float out;
    const ffcl_tensor_info *b = find(file, "b");
    expect_floats(file, "b", 40000, 10);
    for (size_t i = 0; i < 40000; i += 4999) {      /* forward, then back */
        assert_int_equal(ffcl_tensor_file_read_f32(file, b, i, 1, &out, &err), 0);
        assert_true(out == 10 + (float)i / 4);
        assert_int_equal(ffcl_tensor_file_read_f32(file, b, 39999 - i, 1, &out, &err), 0);
        assert_true(out == 10 + (float)(39999 - i) / 4);
    }
    ffcl_tensor_file_close(&file);
}

/* The file becomes shorter after it was opened. */
/* What is mapped is what is read; says how many tensors of the case are mapped. */
static size_t check_map(const char *name)
{
    ffcl_tensor_file *file = open_case(name);
    size_t mapped = 0;
    for (size_t i = 0; i < ffcl_tensor_file_count(file); i++) {
        const ffcl_tensor_info *info = ffcl_tensor_file_at(file, i);
        const float *at = NULL;
        assert_int_equal(ffcl_tensor_file_map(&at, file, info, NULL), 0);
        if (!at)
            continue;
        mapped++;
        assert_int_equal(info->dtype, FFCL_F32);
        assert_int_equal((uintptr_t)at % sizeof *at, 0);
        float *want = read_all(file, info);
        assert_memory_equal(at, want, info->count * sizeof *want);
        free(want);
    }
    ffcl_tensor_file_close(&file);
    return mapped;
}

static void test_map(void **state)
{
    static const char *const whole[] = {"st_good", "pt_good", "pt_protocol4", "pt_no_crc",
                                        "pt_zip64"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (strcmp(good[i], "pt_crc") != 0)     /* which cannot be read */
            check_map(good[i]);
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        assert_int_equal(check_map(whole[i]), 2);
    assert_int_equal(check_map("pt_deflated"), 0);
    assert_int_equal(check_map("st_all_halves"), 0);
    ffcl_tensor_file *file = open_path("tests/data/sit_h144_p2.pt");
    const ffcl_tensor_info *info = find(file, "blocks.0.mlp.fc1.weight");
    const float *mapped = NULL;
    assert_int_equal(ffcl_tensor_file_map(&mapped, file, info, NULL), 0);
    assert_non_null(mapped);
    ffcl_tensor_file_close(&file);
}

static void test_cut_while_open(void **state)
{
    static const char *const names[] = {"st_good", "pt_deflated"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char command[600];
        snprintf(command, sizeof command, "cp %s/%s %s/fifo-cut", folder, names[i], folder);
        assert_int_equal(system(command), 0);
        ffcl_tensor_file *file = open_case("fifo-cut");
        ffcl_error err = {0};
        static float out[40000];
        const ffcl_tensor_info *b = find(file, "b");
        assert_int_equal(truncate(case_path("fifo-cut"), 100), 0);
        int rc = ffcl_tensor_file_read_f32(file, b, 0, b->count, out, &err);
        assert_true(rc == FFCL_EFORMAT || rc == FFCL_EFILE);
        ffcl_tensor_file_close(&file);
        unlink(case_path("fifo-cut"));
    }
}

static void expect_same(const char *one, const char *other)
{
    ffcl_tensor_file *x = open_path(one), *y = open_path(other);
    assert_int_equal(ffcl_tensor_file_count(x), ffcl_tensor_file_count(y));
    for (size_t i = 0; i < ffcl_tensor_file_count(x); i++) {
        const ffcl_tensor_info *a = ffcl_tensor_file_at(x, i), *b = find(y, a->name);
        assert_int_equal(a->dtype, b->dtype);
        assert_int_equal(a->rank, b->rank);
        assert_memory_equal(a->shape, b->shape, sizeof a->shape);
        float *p = read_all(x, a), *q = read_all(y, b);
        assert_memory_equal(p, q, a->count * sizeof *p);
        free(p);
        free(q);
    }
    ffcl_tensor_file_close(&x);
    ffcl_tensor_file_close(&y);
}

static void test_pt_equals_safetensors(void **state)
{
    (void)state;
    static const char *const names[] = {"sit_h64_p2_sigma", "sit_h96_p4_bf16"};
    for (int i = 0; i < 2; i++) {
        char one[300], other[300], command[700];
        snprintf(one, sizeof one, "tests/data/%s.pt", names[i]);
        snprintf(other, sizeof other, "%s.safetensors", folder);
        snprintf(command, sizeof command, "python3 -B tests/edit_safetensors.py %s %s", one, other);
        assert_int_equal(system(command), 0);
        expect_same(one, other);
        unlink(other);
    }
}

/* Every weight file of the tree: all tensors can be read and are finite. */
static void read_whole(const char *path)
{
    ffcl_tensor_file *file = open_path(path);
    assert_true(ffcl_tensor_file_count(file) > 0);
    for (size_t i = 0; i < ffcl_tensor_file_count(file); i++) {
        const ffcl_tensor_info *info = ffcl_tensor_file_at(file, i);
        float *values = read_all(file, info);
        for (size_t k = 0; k < info->count; k++)
            if (!isfinite(values[k]))
                fail_msg("%s: %s[%zu] is %g", path, info->name, k, (double)values[k]);
        free(values);
        assert_ptr_equal(find(file, info->name), info);
    }
    ffcl_tensor_file_close(&file);
}

static void test_data(void **state)
{
    (void)state;
    DIR *dir = opendir("tests/data");
    size_t found = 0;
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        char path[600];
        const char *dot = strrchr(e->d_name, '.');
        if (!dot || (strcmp(dot, ".pt") != 0 && strcmp(dot, ".safetensors") != 0))
            continue;
        snprintf(path, sizeof path, "tests/data/%s", e->d_name);
        read_whole(path);
        found++;
    }
    closedir(dir);
    assert_true(found >= 3);
    read_whole("config/demo/freeflow-digits.pt");
    read_whole("config/demo/vae-digits/diffusion_pytorch_model.safetensors");
}

static void test_names_and_shapes(void **state)
{
    (void)state;
    ffcl_tensor_file *file = open_path("tests/data/sit_h144_p2.pt");
    assert_int_equal(ffcl_tensor_file_count(file), 32);
    expect_shape(file, "pos_embed", "(1, 256, 144)");
    expect_shape(file, "x_embedder.proj.weight", "(144, 4, 2, 2)");
    expect_shape(file, "blocks.0.attn.qkv.weight", "(432, 144)");
    ffcl_tensor_file_close(&file);
    file = open_path("tests/data/sit_h64_p2_sigma.pt");
    assert_int_equal(ffcl_tensor_file_count(file), 42);
    expect_shape(file, "pos_embed", "(1, 64, 64)");
    assert_null(ffcl_tensor_file_metadata(file, "format"));
    ffcl_tensor_file_close(&file);
    file = open_path("tests/data/sit_h96_p4_bf16.pt");
    assert_int_equal(find(file, "pos_embed")->dtype, FFCL_BF16);
    ffcl_tensor_file_close(&file);
    file = open_path("config/demo/freeflow-digits.pt");
    assert_int_equal(ffcl_tensor_file_count(file), 76);
    expect_shape(file, "x_embedder.proj.weight", "(144, 4, 2, 2)");
    ffcl_tensor_file_close(&file);
}

static void test_shape_text(void **state)
{
    char text[8];
    size_t shape[FFCL_MAX_RANK] = {12, 34, 56};
    (void)state;
    assert_string_equal(ffcl_shape_text(text, sizeof text, shape, 0), "()");
    assert_string_equal(ffcl_shape_text(text, sizeof text, shape, 1), "(12,)");
    assert_string_equal(ffcl_shape_text(text, sizeof text, shape, 3), "(12, 34");     /* cut */
}

static int make_cases(void **state)
{
    char command[200];
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(command, sizeof command, "FFCL_EVIL=%s/evil-was-here python3 -B "
             "tests/make_weights.py all", folder);
    return ffcl_seeds_make(folder, command);
}

static int remove_cases(void **state)
{
    (void)state;
    return ffcl_seeds_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_case_is_known), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_no_file), cmocka_unit_test(test_good_files),
        cmocka_unit_test(test_types), cmocka_unit_test(test_halves),
        cmocka_unit_test(test_ranges), cmocka_unit_test(test_strides),
        cmocka_unit_test(test_shared_storage), cmocka_unit_test(test_wrappers),
        cmocka_unit_test(test_prefixes), cmocka_unit_test(test_constructors),
        cmocka_unit_test(test_unread),
        cmocka_unit_test(test_distributed),
        cmocka_unit_test(test_nothing_is_run), cmocka_unit_test(test_checksum),
        cmocka_unit_test(test_deflated), cmocka_unit_test(test_map),
        cmocka_unit_test(test_cut_while_open),
        cmocka_unit_test(test_pt_equals_safetensors), cmocka_unit_test(test_data),
        cmocka_unit_test(test_names_and_shapes), cmocka_unit_test(test_shape_text),
    };
    return cmocka_run_group_tests(tests, make_cases, remove_cases);
}

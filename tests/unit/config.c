/* SPDX-License-Identifier: MIT
 * The INI file: defaults, every type's values, every error sentence, overrides, paths. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"
#include "config_presets.h"
#include "config_table.h"
#include "util.h"

/* What [sampler] classes may be, as errors say it. */
#define LABELS \
    "expected random, balanced, file:PATH, or numbers, ranges a-b and names of classes, " \
    "separated by commas"

#define NO_NAME \
    " is not a number, a range or a name of ImageNet's classes (ffcl classes lists them)"

/* A folder of its own for each test, which is the current one while the test runs. */
typedef struct fixture {
    char folder[64], home[4096];
} fixture;

static int enter(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    if (!f || !getcwd(f->home, sizeof f->home))
        return -1;
    strcpy(f->folder, "/tmp/ffcl-config-XXXXXX");
    *state = f;
    return mkdtemp(f->folder) && !chdir(f->folder) ? 0 : -1;
}

static int leave(void **state)
{
    fixture *f = *state;
    static const char *const files[] = {"a.ini", "x.pt", "sub/x.pt", "sub/y.pt", "sub/a.ini",
                                        "labels.txt"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlink(files[i]);
    rmdir("sub");
    int rc = chdir(f->home) || rmdir(f->folder);
    free(f);
    return rc;
}

static void write_bytes(const char *path, const char *text, size_t length)
{
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(text, 1, length, out), length);
    assert_int_equal(fclose(out), 0);
}

static ffcl_config *open_text(const char *text)
{
    ffcl_config *cfg;
    ffcl_error err = {0};
    write_bytes("a.ini", text, strlen(text));
    if (ffcl_config_open(&cfg, "a.ini", &err))
        fail_msg("%s", err.text);
    return cfg;
}

/* text does not open, with exactly this status and sentence. */
static void refuse_bytes(const char *text, size_t length, int status, const char *sentence)
{
    ffcl_config *cfg;
    ffcl_error err = {0};
    write_bytes("a.ini", text, length);
    assert_int_equal(ffcl_config_open(&cfg, "a.ini", &err), status);
    assert_int_equal(err.code, status);
    assert_string_equal(err.text, sentence);
    assert_null(cfg);
}

static void refuse(const char *text, const char *sentence)
{
    refuse_bytes(text, strlen(text), FFCL_ECONFIG, sentence);
}

static void set(ffcl_config *cfg, const char *assignment)
{
    ffcl_error err = {0};
    if (ffcl_config_set(cfg, assignment, &err))
        fail_msg("%s", err.text);
}

static void refuse_set(ffcl_config *cfg, const char *assignment, int status, const char *sentence)
{
    ffcl_error err = {0};
    assert_int_equal(ffcl_config_set(cfg, assignment, &err), status);
    assert_string_equal(err.text, sentence);
}

static const int64_t eight[] = {207, 360, 387, 974, 88, 979, 417, 279};

static void check_defaults(const ffcl_config *cfg)
{
    assert_string_equal(cfg->device.select, "auto");
    assert_string_equal(cfg->model.checkpoint, "FreeFlow-XL-2-256.pt");
    assert_int_equal(cfg->model.preset, FFCL_PRESET_AUTO);
    assert_int_equal(cfg->model.update, 1);
    assert_int_equal(cfg->model.heads, 0);
    assert_int_equal(cfg->n_conditions, 0);
    assert_string_equal(cfg->vae.weights, "sd-vae-ft-ema/diffusion_pytorch_model.safetensors");
    assert_true(isnan(cfg->vae.scale));
    assert_int_equal(cfg->sampler.seed, 0);
    assert_int_equal(cfg->sampler.rng, FFCL_RNG_TORCH_CPU);
    assert_int_equal(cfg->sampler.n_classes, 8);
    assert_memory_equal(cfg->sampler.classes, eight, sizeof eight);
    assert_int_equal(cfg->sampler.count, 0);
    assert_int_equal(cfg->sampler.batch, 0);
    assert_true(cfg->sampler.guidance == 1.5);
    assert_int_equal(cfg->precision.compute, FFCL_PRECISION_AUTO);
    assert_string_equal(cfg->blas.backend, "auto");
    assert_string_equal(cfg->output.grid, "sample.png");
    assert_int_equal(cfg->output.columns, 4);
    assert_null(cfg->output.folder);
    assert_null(cfg->output.npz);
    assert_int_equal(cfg->output.bytes, FFCL_BYTES_SIT);
}

static void test_defaults(void **state)
{
    (void)state;
    ffcl_config *cfg;
    ffcl_error err = {0};
    assert_int_equal(ffcl_config_open(&cfg, NULL, &err), 0);
    assert_null(cfg->path);
    check_defaults(cfg);
    ffcl_config_close(&cfg);
    assert_null(cfg);
    ffcl_config_close(&cfg);

    cfg = open_text("");
    assert_string_equal(cfg->path, "a.ini");
    check_defaults(cfg);
    ffcl_config_close(&cfg);
}

static void test_every_key(void **state)
{
    (void)state;
    ffcl_config *cfg = open_text(
        "\xef\xbb\xbf[device] ; a byte order mark before\r\n"
        "select = 0:1, gpu\r\n"
        "[model]\nupdate = minus\ncheckpoint = m.pt\npreset = freeflow\nheads = 7\n"
        "[condition]\nt_embedder = t\nx = -2.5\n"
        "[vae]\nweights = v/w.safetensors\nscale = 0.5\n"
        "# a comment\n  ; another\n"
        "[sampler]\nseed = 12 ; inline\nrng = torch-cuda\nclasses = 3\ncount = 9\nbatch = 2\n"
        "guidance = -1e1\n"
        "[precision]\ncompute = half\n[blas]\nbackend = clblast\n"
        "[output]\ngrid =\ncolumns = 10\nfolder = out dir\nnpz = a;b.npz\nbytes = repa\n");
    assert_string_equal(cfg->device.select, "0:1, gpu");
    assert_string_equal(cfg->model.checkpoint, "m.pt");
    assert_int_equal(cfg->model.update, -1);
    assert_int_equal(cfg->model.heads, 7);
    assert_int_equal(cfg->n_conditions, 2);
    assert_string_equal(cfg->vae.weights, "v/w.safetensors");
    assert_true(cfg->vae.scale == 0.5);
    assert_int_equal(cfg->sampler.seed, 12);
    assert_int_equal(cfg->sampler.rng, FFCL_RNG_TORCH_CUDA);
    assert_int_equal(cfg->sampler.n_classes, 1);
    assert_int_equal(cfg->sampler.classes[0], 3);
    assert_int_equal(cfg->sampler.count, 9);
    assert_int_equal(cfg->sampler.batch, 2);
    assert_true(cfg->sampler.guidance == -10);
    assert_int_equal(cfg->precision.compute, FFCL_PRECISION_HALF);
    assert_string_equal(cfg->blas.backend, "clblast");
    assert_null(cfg->output.grid);
    assert_int_equal(cfg->output.columns, 10);
    assert_string_equal(cfg->output.folder, "out dir");
    assert_string_equal(cfg->output.npz, "a;b.npz");
    assert_int_equal(cfg->output.bytes, FFCL_BYTES_REPA);
    ffcl_config_close(&cfg);
}

/* Every row takes its own default as an override, and names the key when the value is bad. */
static void test_every_row(void **state)
{
    (void)state;
    ffcl_error err;
    ffcl_config *cfg = open_text("");
    for (size_t i = 0; i < ffcl_config_n_rows; i++) {
        const ffcl_config_row *row = &ffcl_config_rows[i];
        char *good = ffcl_format("%s.%s=%s", row->section, row->key, row->initial);
        set(cfg, good);
        free(good);
        int is_text = row->type == FFCL_TYPE_TEXT || row->type == FFCL_TYPE_INPUT;
        if (row->type == FFCL_TYPE_OUTPUT)
            continue;
        char *bad = ffcl_format("%s.%s=%s", row->section, row->key, is_text ? "" : "?");
        char *cited = ffcl_format("%s: [%s] %s", bad, row->section, row->key);
        assert_int_equal(ffcl_config_set(cfg, bad, &err), FFCL_ECONFIG);
        assert_memory_equal(err.text, cited, strlen(cited));
        assert_non_null(strstr(err.text, "; expected "));
        free(bad);
        free(cited);
    }
    check_defaults(cfg);
    ffcl_config_close(&cfg);
}

static void test_bad_keys(void **state)
{
    (void)state;
    refuse("[sampler]\nsed = 1\n",
           "a.ini:2: unknown key [sampler] sed; did you mean seed?");
    refuse("[sampler]\nSEED = 1\n",
           "a.ini:2: unknown key [sampler] SEED; did you mean seed?");
    refuse("[model]\n\nseed = 1\n",
           "a.ini:3: unknown key [model] seed; it belongs in [sampler]");
    refuse("[model]\nguidanse = 1\n",
           "a.ini:2: unknown key [model] guidanse; did you mean [sampler] guidance?");
    refuse("[vae]\nfoobarbaz = 1\n",
           "a.ini:2: unknown key [vae] foobarbaz; known there: weights, wrapper, "
           "scale, shift, stats, groups");
    refuse("; c\n[smapler]\nseed = 1\n",
           "a.ini:3: unknown section [smapler]; did you mean [sampler]?");
    refuse("[everything]\nseed = 1\n",
           "a.ini:2: unknown section [everything]; key seed belongs in [sampler]");
    refuse("[everything]\nx = 1\n",
           "a.ini:2: unknown section [everything]; the sections are [device], [model], "
           "[condition], [vae], [sampler], [precision], [blas], [output], [eval]");
    refuse("[sampler]\nbatch_size = 1\n",
           "a.ini:2: unknown key [sampler] batch_size; did you mean [sampler] batch?");
    refuse("[device]\nindex = 1\n",
           "a.ini:2: unknown key [device] index; did you mean [device] select?");
    refuse("[precision]\ndtype = half\n",
           "a.ini:2: unknown key [precision] dtype; did you mean [precision] compute?");
    refuse("seed = 1\n", "a.ini:1: key seed stands before any [section]; it belongs in [sampler]");
    refuse("x = 1\n", "a.ini:1: key x stands before any [section]");
    refuse("[sampler]\nseed = 1\n[vae]\n[sampler]\nseed = 1\n",
           "a.ini:5: [sampler] seed is already set at line 2");
    refuse("[condition]\nx = 1\ny = 1\nx = 2\n",
           "a.ini:4: [condition] x is already set at line 2");
    refuse("[model]\npreset = freeflow\npreset = freeflow\n",
           "a.ini:3: [model] preset is already set at line 2");
    refuse("[sampler]\nseed 1\n",
           "a.ini:2: the line is neither a [section], nor key = value, nor a comment");
    refuse("[sampler\nseed = 1\n",
           "a.ini:1: the line is neither a [section], nor key = value, nor a comment");
}

static void test_bad_values(void **state)
{
    (void)state;
    refuse("[sampler]\nguidance = abc\n",
           "a.ini:2: [sampler] guidance = abc is not a number; expected a number from -1000 to "
           "1000");
    static const char *const no_numbers[] = {
        "1.5x", "nan", "inf", "-inf", "0x10", "1e", "1 2", "--1", ".", "1.2.3",
    };
    for (size_t i = 0; i < sizeof no_numbers / sizeof *no_numbers; i++) {
        char *text = ffcl_format("[vae]\nscale = %s\n", no_numbers[i]);
        char *sentence = ffcl_format("a.ini:2: [vae] scale = %s is not a number; expected auto or "
                                     "a number from 1e-06 to 1000000", no_numbers[i]);
        refuse(text, sentence);
        free(text);
        free(sentence);
    }
    refuse("[vae]\nscale = 0\n",
           "a.ini:2: [vae] scale = 0 is out of range; expected auto or a number "
           "from 1e-06 to 1000000");
    refuse("[sampler]\nguidance = 1e999\n",
           "a.ini:2: [sampler] guidance = 1e999 is out of range; expected a number from -1000 to "
           "1000");
    refuse("[vae]\nscale =\n",
           "a.ini:2: [vae] scale = is empty; expected auto or a number from 1e-06 to "
           "1000000");
    refuse("[output]\ncolumns = 0\n",
           "a.ini:2: [output] columns = 0 is out of range; expected a whole number from 1 to "
           "10000");
    refuse("[output]\ncolumns = auto\n",
           "a.ini:2: [output] columns = auto is not a whole number; expected a whole number from "
           "1 to 10000");
    refuse("[sampler]\ncount = 10000001\n",
           "a.ini:2: [sampler] count = 10000001 is out of range; expected auto or a whole number "
           "from 1 to 10000000");
    refuse("[sampler]\nbatch = -1\n",
           "a.ini:2: [sampler] batch = -1 is out of range; expected auto or a whole number from 1 "
           "to 65536");
    refuse("[model]\nheads = 4.0\n",
           "a.ini:2: [model] heads = 4.0 is not a whole number; expected auto or a whole number "
           "from 1 to 1024");
    refuse("[model]\nheads = 99999999999999999999999\n",
           "a.ini:2: [model] heads = 99999999999999999999999 is out of range; expected auto or a "
           "whole number from 1 to 1024");
    refuse("[sampler]\nrng = torch\n",
           "a.ini:2: [sampler] rng = torch is not known; expected one of torch-cpu, torch-cuda, "
           "per-image, per-image-42");
    refuse("[model]\npreset = meanfow\n",
           "a.ini:2: [model] preset = meanfow is not known; expected one of auto, freeflow, sit, "
           "repa, repae, meanflow, dmf, soflow, imf, pmf, lightningdit, facm, dit; did you mean "
           "meanflow?");
    refuse("[sampler]\ntimes = 1, 0.5\n",
           "a.ini:2: [sampler] times = 1, 0.5 does not lead from 1 to 0 or from 0 to 1; expected "
           "uniform, or two or more numbers from 0 to 1 with commas between them");
    refuse("[sampler]\ntimes = 1, 0.5, 0.7, 0\n",
           "a.ini:2: [sampler] times = 1, 0.5, 0.7, 0 does not lead from 1 to 0 or from 0 to 1; "
           "expected uniform, or two or more numbers from 0 to 1 with commas between them");
    refuse("[sampler]\ntimes = 2, 0\n",
           "a.ini:2: [sampler] times = 2, 0 is no list of times; expected uniform, or two or more "
           "numbers from 0 to 1 with commas between them");
    refuse("[model]\ncheckpoint =\n",
           "a.ini:2: [model] checkpoint = is empty; expected the path of a file");
    refuse("[device]\nselect = ; nothing\n",
           "a.ini:2: [device] select = is empty; expected text");
    refuse("[sampler]\nseed = 7 # lucky\n",
           "a.ini:2: [sampler] seed = 7 # lucky is not a whole number; expected a whole number "
           "from -9223372036854775808 to 18446744073709551615 (a comment after a value begins "
           "with ;)");
}

static void test_seed(void **state)
{
    (void)state;
    static const struct { const char *text; uint64_t seed; } good[] = {
        {"0", 0}, {"-1", UINT64_MAX}, {"18446744073709551615", UINT64_MAX},
        {"-9223372036854775808", (uint64_t)1 << 63}, {"007", 7}, {"-0", 0},
    };
    static const char *const bad[] = {
        "18446744073709551616", "-9223372036854775809", "99999999999999999999999",
        "1e3", "+-1", "--1", "-", "", "1.0", " ", "0x1",
    };
    ffcl_config *cfg = open_text("");
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char *text = ffcl_format("sampler.seed=%s", good[i].text);
        set(cfg, text);
        assert_true(cfg->sampler.seed == good[i].seed);
        free(text);
    }
    set(cfg, "sampler.seed=5");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *text = ffcl_format("sampler.seed=%s", bad[i]);
        ffcl_error err;
        assert_int_equal(ffcl_config_set(cfg, text, &err), FFCL_ECONFIG);
        assert_true(cfg->sampler.seed == 5);
        free(text);
    }
    ffcl_config_close(&cfg);
}

static void test_class_lists(void **state)
{
    (void)state;
    static const int64_t mixed[] = {5, 0, 1, 2, 3, 7, 9, 9};
    ffcl_config *cfg = open_text("[sampler]\nclasses = 5, 0-2 , 3 ; one\n  7 - 7, ; two\n\n"
                                 "; three\n\t9,9\nseed = 3\n");
    assert_int_equal(cfg->sampler.n_classes, 8);
    assert_memory_equal(cfg->sampler.classes, mixed, sizeof mixed);
    assert_int_equal(cfg->sampler.seed, 3);
    set(cfg, "sampler.classes = 5,0-2,3,7-7,9,9,");
    assert_int_equal(cfg->sampler.n_classes, 8);
    assert_memory_equal(cfg->sampler.classes, mixed, sizeof mixed);
    set(cfg, "sampler.classes=0-9999999");
    assert_int_equal(cfg->sampler.n_classes, 10000000);
    assert_int_equal(cfg->sampler.classes[9999999], 9999999);
    set(cfg, "sampler.classes=2147483647");
    refuse_set(cfg, "sampler.classes=0-9999999,3", FFCL_ECONFIG,
               "sampler.classes=0-9999999,3: [sampler] classes: 3 makes more than 10000000 "
               "entries; " LABELS);
    assert_int_equal(cfg->sampler.n_classes, 1);
    assert_int_equal(cfg->sampler.classes[0], 2147483647);
    ffcl_config_close(&cfg);

    cfg = open_text("[sampler]\nclasses =\n 1\n 2\n");
    assert_int_equal(cfg->sampler.n_classes, 2);
    ffcl_config_close(&cfg);

    static const char *const bad[][2] = {
        {"Random", "Random is not a number, a range or a name of ImageNet's classes (did you mean "
                   "random?)"},
        {"random, 3", "random stands alone, not in a list"},
        {"3, balanced", "balanced stands alone, not in a list"},
        {"file.txt", "file.txt" NO_NAME},
        {"1, tensch", "tensch is not a number, a range or a name of ImageNet's classes (did you "
                      "mean tench (0)?)"},
        {"1 2", "1 2 is not a number or range"},
        {"-5", "-5 is not a number or range"},
        {"1-2-3", "1-2-3 is not a number or range"},
        {"1-", "1- is not a number or range"},
        {"1,,2", ", has no number before it"},
        {",", ", has no number before it"},
        {"9-0", "9-0 runs backwards"},
        {"2147483648", "2147483648 is out of range (0 to 2147483647)"},
        {"0-99999999999999999999", "0-99999999999999999999 is out of range (0 to 2147483647)"},
        {"0-10000000", "0-10000000 makes more than 10000000 entries"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *text = ffcl_format("[sampler]\nclasses = %s\n", bad[i][0]);
        char *sentence = ffcl_format("a.ini:2: [sampler] classes: %s; " LABELS, bad[i][1]);
        refuse(text, sentence);
        free(text);
        free(sentence);
    }
    refuse("[sampler]\nclasses =\nseed = 1\n",
           "a.ini:2: [sampler] classes = is empty; " LABELS);
    refuse("[sampler]\nclasses = 1,\n  2,\n  x\n",
           "a.ini:4: [sampler] classes: x" NO_NAME "; " LABELS);
}

/* Words and files in place of a list, and keys that do not go together. */
static void test_class_kinds(void **state)
{
    (void)state;
    static const int64_t labels[] = {4, 1, 2, 3, 9};
    ffcl_error err;
    ffcl_config *copy, *cfg = open_text("[sampler]\nclasses = random\n");
    assert_int_equal(cfg->sampler.kind, FFCL_CLASSES_RANDOM);
    assert_int_equal(cfg->sampler.n_classes, 0);
    assert_int_equal(ffcl_config_check(cfg, &err), FFCL_ECONFIG);
    assert_non_null(strstr(err.text, "classes = random needs a number"));
    assert_int_equal(ffcl_config_copy(&copy, cfg, &err), 0);
    assert_int_equal(copy->sampler.kind, FFCL_CLASSES_RANDOM);
    ffcl_config_close(&copy);
    set(cfg, "sampler.count=5");
    assert_int_equal(ffcl_config_check(cfg, &err), 0);
    set(cfg, "sampler.classes=balanced");
    assert_int_equal(cfg->sampler.kind, FFCL_CLASSES_BALANCED);
    write_bytes("labels.txt", "4\n1-3,\n\n 9\n", 11);
    set(cfg, "sampler.classes=file:labels.txt");
    assert_int_equal(cfg->sampler.kind, FFCL_CLASSES_LIST);
    assert_int_equal(cfg->sampler.n_classes, 5);
    assert_memory_equal(cfg->sampler.classes, labels, sizeof labels);
    refuse_set(cfg, "sampler.classes=file:gone.txt", FFCL_EFILE,
               "cannot open gone.txt: No such file or directory");
    write_bytes("labels.txt", "4\n1-x\n", 6);
    refuse_set(cfg, "sampler.classes=file:labels.txt", FFCL_ECONFIG,
               "labels.txt: [sampler] classes: 1-x" NO_NAME "; " LABELS);
    write_bytes("labels.txt", "\n\n", 2);
    refuse_set(cfg, "sampler.classes=file:labels.txt", FFCL_ECONFIG,
               "labels.txt holds no class label");
    write_bytes("labels.txt", "1\0002", 3);
    refuse_set(cfg, "sampler.classes=file:labels.txt", FFCL_ECONFIG,
               "labels.txt is no text: it holds a zero byte");
    assert_int_equal(cfg->sampler.n_classes, 5);

    assert_true(cfg->sampler.rank == FFCL_ALL_RANKS);
    set(cfg, "sampler.rank=2");
    assert_int_equal(cfg->sampler.rank, 2);
    assert_int_equal(ffcl_config_check(cfg, &err), FFCL_ECONFIG);
    assert_non_null(strstr(err.text, "rank = 2 is none of world = 1"));
    set(cfg, "sampler.world=3");
    assert_int_equal(ffcl_config_check(cfg, &err), FFCL_ECONFIG);
    assert_non_null(strstr(err.text, "grid needs all images"));
    set(cfg, "output.grid=");
    set(cfg, "output.npz=a.npz");
    assert_int_equal(ffcl_config_check(cfg, &err), FFCL_ECONFIG);
    assert_non_null(strstr(err.text, "npz needs all images"));
    set(cfg, "output.folder=a");
    assert_int_equal(ffcl_config_check(cfg, &err), 0);
    set(cfg, "sampler.cuda_threads=300");
    assert_int_equal(ffcl_config_check(cfg, &err), FFCL_ECONFIG);
    assert_non_null(strstr(err.text, "no multiple of 256"));
    set(cfg, "sampler.rank=all");
    assert_true(cfg->sampler.rank == FFCL_ALL_RANKS);

    /* What one call of PyTorch makes. */
    set(cfg, "sampler.count=10");
    assert_int_equal(ffcl_config_draw_batch(cfg), 32);
    set(cfg, "sampler.rng=torch-cuda");
    assert_int_equal(ffcl_config_draw_batch(cfg), 4);
    set(cfg, "sampler.batch=2");
    assert_int_equal(ffcl_config_draw_batch(cfg), 2);
    set(cfg, "sampler.draw_batch=3");
    assert_int_equal(ffcl_config_draw_batch(cfg), 3);
    ffcl_config_close(&cfg);
}

/* A class list of 3000 lines in one file, and lines that inih would cut. */
static void test_long_lines(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    fputs("[sampler]\nclasses = 0\n", out);
    for (int i = 0; i < 3000; i++)
        fprintf(out, "  %d-%d,\n", i, i + 9);
    fclose(out);
    ffcl_config *cfg = open_text(text);
    free(text);
    assert_int_equal(cfg->sampler.n_classes, 30001);
    assert_int_equal(cfg->sampler.classes[30000], 3008);
    ffcl_config_close(&cfg);

    /* 198 characters are read whole, also without a newline at the end; 199 are refused. */
    char name[200];
    memset(name, 'x', sizeof name);
    for (int ending = 0; ending < 3; ending++) {
        const char *endings[] = {"", "\n", "\r\n"};
        text = ffcl_format("[output]\ngrid = %.191s%s", name, endings[ending]);
        cfg = open_text(text);
        assert_int_equal(strlen(cfg->output.grid), 191);
        ffcl_config_close(&cfg);
        free(text);
    }
    text = ffcl_format("[output]\ncolumns = 2\ngrid = %.192s\n", name);
    refuse(text, "a.ini:3: the line has 199 characters, at most 198 fit; a list of classes can "
                 "continue in the next line, which begins with a space");
    free(text);

    /* Only the value must fit; comments may be longer. */
    text = ffcl_format("; %.200s\n  # %.200s\n[output] ; %.199s\ngrid = a ; %.199s\nnpz = b\n",
                       name, name, name, name);
    cfg = open_text(text);
    assert_string_equal(cfg->output.grid, "a");
    assert_string_equal(cfg->output.npz, "b");
    ffcl_config_close(&cfg);
    free(text);
}

static void test_indented(void **state)
{
    (void)state;
    ffcl_config *cfg = open_text("[sampler]\n  seed = 4\n[sampler]\n  count = 2\n");
    assert_int_equal(cfg->sampler.seed, 4);
    assert_int_equal(cfg->sampler.count, 2);
    ffcl_config_close(&cfg);
    refuse("[sampler]\nseed = 4\n  count = 2\n",
           "a.ini:3: an indented line continues the key above it, and [sampler] seed has one "
           "line only; remove the blanks at its start");
    refuse("[condition]\nx = 4\n  [vae]\n",
           "a.ini:3: an indented line continues the key above it, and [condition] x has one "
           "line only; remove the blanks at its start");
    refuse("[sampler]\nclasses = 1\n[sampler]\n  classes = 2\n",
           "a.ini:4: [sampler] classes is already set at line 2");
    refuse("[sampler]\nclasses = 1\n  count = 2\n",
           "a.ini:3: [sampler] classes: count = 2" NO_NAME "; " LABELS);
}

static void test_files(void **state)
{
    (void)state;
    ffcl_config *cfg;
    ffcl_error err = {0};
    assert_int_equal(ffcl_config_open(&cfg, "none.ini", &err), FFCL_EFILE);
    assert_string_equal(err.text, "cannot open none.ini: No such file or directory");
    assert_null(cfg);
    assert_int_equal(ffcl_config_open(&cfg, "/", &err), FFCL_EFILE);
    assert_string_equal(err.text, "cannot read /: it is a folder, not a file");
    refuse_bytes("[vae]\nscale = 1\0 2\n", 19, FFCL_ECONFIG,
                 "a.ini:2: the line holds a zero byte; an INI file is UTF-8 text");
    assert_int_equal(ffcl_config_open(&cfg, "none.ini", NULL), FFCL_EFILE);
}

static void test_overrides(void **state)
{
    (void)state;
    ffcl_config *cfg = open_text("[sampler]\nseed = 1\n[model]\nupdate = minus\n");
    set(cfg, "sampler.seed=2");
    set(cfg, " sampler . seed = 3 ");
    assert_int_equal(cfg->sampler.seed, 3);
    set(cfg, "output.grid=a=b.png");
    assert_string_equal(cfg->output.grid, "a=b.png");
    set(cfg, "output.grid=");
    assert_null(cfg->output.grid);
    set(cfg, "condition.module.t_embedder=0.25");
    assert_string_equal(cfg->conditions[0].prefix, "module.t_embedder");
    /* The file's own update stays, whatever the preset stands for. */
    set(cfg, "model.preset=freeflow");
    assert_int_equal(cfg->model.update, -1);

    refuse_set(cfg, "seed=1", FFCL_EUSAGE,
               "seed=1 is not of the form section.key=value; did you mean sampler.seed=1?");
    refuse_set(cfg, "sampler.seed", FFCL_EUSAGE,
               "sampler.seed is not of the form section.key=value");
    refuse_set(cfg, "x=a.b", FFCL_EUSAGE, "x=a.b is not of the form section.key=value");
    refuse_set(cfg, "", FFCL_EUSAGE, " is not of the form section.key=value");
    refuse_set(cfg, "sampler.sed=1", FFCL_ECONFIG,
               "sampler.sed=1: unknown key [sampler] sed; did you mean seed?");
    refuse_set(cfg, "samplr.seed=1", FFCL_ECONFIG,
               "samplr.seed=1: unknown section [samplr]; did you mean [sampler]?");
    refuse_set(cfg, ".seed=1", FFCL_ECONFIG,
               ".seed=1: key seed stands before any [section]; it belongs in [sampler]");
    refuse_set(cfg, "sampler.guidance=abc", FFCL_ECONFIG,
               "sampler.guidance=abc: [sampler] guidance = abc is not a number; expected a number "
               "from -1000 to 1000");
    assert_int_equal(cfg->sampler.seed, 3);
    assert_true(cfg->sampler.guidance == 1.5);
    ffcl_config_close(&cfg);
}

static void test_preset_order(void **state)
{
    (void)state;
    ffcl_config *cfg = open_text("[model]\nupdate = minus\npreset = freeflow\n");
    assert_int_equal(cfg->model.update, -1);
    ffcl_config_close(&cfg);
    cfg = open_text("[model]\npreset = freeflow\nupdate = minus\n");
    assert_int_equal(cfg->model.update, -1);
    ffcl_config_close(&cfg);
    cfg = open_text("[model]\npreset = freeflow\n");
    assert_int_equal(cfg->model.update, 1);
    ffcl_config_close(&cfg);
}

static void test_paths(void **state)
{
    fixture *f = *state;
    ffcl_config *cfg;
    ffcl_error err;
    const char *ini = "[output]\nnpz = o.npz\n[vae]\nweights = /abs/w\n";
    assert_int_equal(mkdir("sub", 0700), 0);
    write_bytes("sub/a.ini", ini, strlen(ini));
    write_bytes("x.pt", "", 0);
    write_bytes("sub/x.pt", "", 0);
    write_bytes("sub/y.pt", "", 0);

    assert_int_equal(ffcl_config_open(&cfg, "sub/a.ini", &err), 0);
    assert_string_equal(cfg->model.checkpoint, "sub/FreeFlow-XL-2-256.pt");
    assert_string_equal(cfg->vae.weights, "/abs/w");
    assert_null(cfg->output.grid);          /* the npz stands for it, as none is named */
    assert_string_equal(cfg->output.npz, "o.npz");
    set(cfg, "model.checkpoint=x.pt");      /* here and beside the INI file: here */
    assert_string_equal(cfg->model.checkpoint, "x.pt");
    set(cfg, "model.checkpoint=y.pt");      /* beside the INI file only */
    assert_string_equal(cfg->model.checkpoint, "sub/y.pt");
    set(cfg, "model.checkpoint=z.pt");      /* nowhere: cited as typed */
    assert_string_equal(cfg->model.checkpoint, "z.pt");
    set(cfg, "output.grid=g.png");
    assert_string_equal(cfg->output.grid, "g.png");
    ffcl_config_close(&cfg);

    char *path = ffcl_format("%s/sub/a.ini", f->folder);
    char *expected = ffcl_format("%s/sub/FreeFlow-XL-2-256.pt", f->folder);
    assert_int_equal(ffcl_config_open(&cfg, path, &err), 0);
    assert_string_equal(cfg->model.checkpoint, expected);
    ffcl_config_close(&cfg);
    free(path);
    free(expected);
}

static void test_condition(void **state)
{
    (void)state;
    static const struct { const char *prefix; ffcl_input_kind kind; } usual[] = {
        {"t_embedder", FFCL_INPUT_DELTA}, {"delta_embedder", FFCL_INPUT_DELTA},
        {"dt_embedder", FFCL_INPUT_DELTA},
        {"w_embedder", FFCL_INPUT_GUIDANCE}, {"cfg_embedder", FFCL_INPUT_GUIDANCE},
        {"guidance_embedder", FFCL_INPUT_GUIDANCE}, {"omega_embedder", FFCL_INPUT_GUIDANCE},
    };
    ffcl_condition c;
    ffcl_config *cfg = open_text("[condition]\nt_embedder = t\na = delta\nb = r\nc = guidance\n"
                                 "d = 1e-3\n");
    assert_int_equal(ffcl_config_condition(cfg, "t_embedder", &c), 0);
    assert_int_equal(c.kind, FFCL_INPUT_T);
    assert_int_equal(ffcl_config_condition(cfg, "a", &c), 0);
    assert_int_equal(c.kind, FFCL_INPUT_DELTA);
    assert_int_equal(ffcl_config_condition(cfg, "b", &c), 0);
    assert_int_equal(c.kind, FFCL_INPUT_R);
    assert_int_equal(ffcl_config_condition(cfg, "c", &c), 0);
    assert_int_equal(c.kind, FFCL_INPUT_GUIDANCE);
    assert_int_equal(ffcl_config_condition(cfg, "d", &c), 0);
    assert_int_equal(c.kind, FFCL_INPUT_NUMBER);
    assert_string_equal(c.prefix, "d");
    assert_true(c.number == 1e-3);
    assert_int_equal(ffcl_config_condition(cfg, "e", &c), -1);
    set(cfg, "condition.d=delta");
    assert_int_equal(cfg->n_conditions, 5);
    assert_int_equal(ffcl_config_condition(cfg, "d", &c), 0);
    assert_int_equal(c.kind, FFCL_INPUT_DELTA);
    refuse_set(cfg, "condition.d=time", FFCL_ECONFIG,
               "condition.d=time: [condition] d = time is not known; expected delta, t, r, "
               "guidance, omega, t_min, t_max, goal, two of them as in t, r, or a number of "
               "float32");
    refuse_set(cfg, "condition.d=nan", FFCL_ECONFIG,
               "condition.d=nan: [condition] d = nan is not known; expected delta, t, r, "
               "guidance, omega, t_min, t_max, goal, two of them as in t, r, or a number of "
               "float32");
    refuse_set(cfg, "condition.d=1e999", FFCL_ECONFIG,
               "condition.d=1e999: [condition] d = 1e999 is not known; expected delta, t, r, "
               "guidance, omega, t_min, t_max, goal, two of them as in t, r, or a number of "
               "float32");
    refuse_set(cfg, "condition.d=1e39", FFCL_ECONFIG,
               "condition.d=1e39: [condition] d = 1e39 is not known; expected delta, t, r, "
               "guidance, omega, t_min, t_max, goal, two of them as in t, r, or a number of "
               "float32");
    refuse_set(cfg, "condition.=1", FFCL_ECONFIG,
               "condition.=1: [condition] a key is missing before =; expected the prefix of an "
               "embedder such as t_embedder");
    ffcl_config_close(&cfg);

    cfg = open_text("");
    set(cfg, "model.preset=freeflow");
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
        assert_int_equal(ffcl_config_condition(cfg, usual[i].prefix, &c), 0);
        assert_int_equal(c.kind, usual[i].kind);
        assert_string_equal(c.prefix, usual[i].prefix);
    }
    assert_int_equal(ffcl_config_condition(cfg, "y_embedder", &c), -1);
    ffcl_config_close(&cfg);
}

static void test_copy(void **state)
{
    (void)state;
    ffcl_error err;
    ffcl_config *copy, *cfg = open_text("[condition]\nx = 2\n[sampler]\nclasses = 1-3\n"
                                        "[output]\nnpz = o.npz\ngrid =\n");
    assert_int_equal(ffcl_config_copy(&copy, cfg, &err), 0);
    assert_ptr_not_equal(copy->output.npz, cfg->output.npz);
    set(cfg, "sampler.classes=9");
    set(cfg, "output.npz=");
    set(cfg, "condition.x=t");
    ffcl_config_close(&cfg);
    assert_string_equal(copy->path, "a.ini");
    assert_string_equal(copy->output.npz, "o.npz");
    assert_null(copy->output.grid);
    assert_int_equal(copy->sampler.n_classes, 3);
    assert_int_equal(copy->sampler.classes[2], 3);
    assert_int_equal(copy->n_conditions, 1);
    assert_true(copy->conditions[0].number == 2);
    set(copy, "condition.y=1");
    ffcl_config_close(&copy);
}

static void test_reference(void **state)
{
    (void)state;
    char *text = NULL;
    ffcl_error err;
    assert_int_equal(ffcl_config_reference(&text, &err), 0);
    for (size_t i = 0; i < ffcl_config_n_rows; i++) {
        const ffcl_config_row *row = &ffcl_config_rows[i];
        char *heading = ffcl_format("\n## [%s]\n", row->section);
        char *line = ffcl_format("\n| `%s` | ", row->key);
        const char *section = strstr(text, heading);
        assert_non_null(section);
        const char *found = strstr(section, line), *next = strstr(section + 4, "\n## [");
        assert_non_null(found);
        assert_true(!next || found < next);
        free(heading);
        free(line);
    }
    assert_non_null(strstr(text, "`t_embedder=t` `r_embedder=delta` |\n"));
    assert_non_null(strstr(text, "`omega_embedder=guidance` |\n"));
    assert_non_null(strstr(text, "to the folder of the INI file"));
    free(text);
}

/* The files of config/ that come with the program; the tests run in the root of the project. */
static void test_shipped(void **state)
{
    fixture *f = *state;
    static const char *const names[] = {"sample", "demo", "freeflow-xl2-256", "freeflow-xl2-512",
                                       "imf-b2-256", "pmf-h16-256", "lightningdit-xl1-256",
                                       "facm-xl1-256"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ffcl_config *cfg;
        ffcl_error err = {0};
        char *path = ffcl_format("%s/config/%s.ini", f->home, names[i]);
        if (ffcl_config_open(&cfg, path, &err))
            fail_msg("%s", err.text);
        if (i == 0) {
            /* It spells out the defaults; only its inputs lie in its own folder. */
            assert_int_equal(cfg->n_conditions, 0);
            set(cfg, "model.checkpoint=FreeFlow-XL-2-256.pt");
            set(cfg, "vae.weights=sd-vae-ft-ema/diffusion_pytorch_model.safetensors");
            check_defaults(cfg);
        }
        if (i == 1) {
            assert_int_equal(access(cfg->model.checkpoint, R_OK), 0);
            assert_int_equal(access(cfg->vae.weights, R_OK), 0);
            assert_int_equal(cfg->sampler.n_classes, 10);
            assert_int_equal(cfg->sampler.count, 40);
        }
        ffcl_config_close(&cfg);
        free(path);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_defaults), TEST(test_every_key), TEST(test_every_row), TEST(test_bad_keys),
        TEST(test_bad_values), TEST(test_seed), TEST(test_class_lists),
        TEST(test_class_kinds), TEST(test_long_lines),
        TEST(test_indented), TEST(test_files), TEST(test_overrides), TEST(test_preset_order),
        TEST(test_paths), TEST(test_condition), TEST(test_copy), TEST(test_reference),
        TEST(test_shipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

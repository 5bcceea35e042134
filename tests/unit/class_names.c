/* SPDX-License-Identifier: MIT
 * Names of classes in [sampler] classes: where they may stand, and which names count. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "class_names.h"
#include "open_config.h"

static int enter(void **state)
{
    static char folder[] = "/tmp/ffcl-names-XXXXXX";
    *state = folder;
    return mkdtemp(folder) && !chdir(folder) ? 0 : -1;
}

static int leave(void **state)
{
    unlink("a.ini");
    unlink("labels.txt");
    return chdir("/") || rmdir(*state);
}

static void write_text(const char *path, const char *text)
{
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

static ffcl_config *open_text(const char *text)
{
    ffcl_config *cfg;
    ffcl_error err = {0};
    write_text("a.ini", text);
    if (ffcl_config_open(&cfg, "a.ini", &err))
        fail_msg("%s", err.text);
    return cfg;
}

static void refuse_set(ffcl_config *cfg, const char *assignment, const char *sentence)
{
    ffcl_error err = {0};
    assert_int_equal(ffcl_config_set(cfg, assignment, &err), FFCL_ECONFIG);
    assert_string_equal(err.text, sentence);
}

/* Names among numbers, in an INI file before the names that it sets, in continued lines, in files,
 * and again where an override sets other names. */
static void test_class_names(void **state)
{
    (void)state;
    static const int64_t want[] = {207, 360, 281, 134, 517, 3, 4, 1};
    static const int64_t own[] = {1, 2};
    ffcl_config *cfg = open_text("[sampler]\nclasses = Golden_Retriever, 360, tabb?,\n"
                                 "  crane*, 3-4,\n  n01443537\n");
    assert_int_equal(cfg->sampler.n_classes, 8);
    assert_memory_equal(cfg->sampler.classes, want, sizeof want);
    assert_int_equal(cfg->sampler.n_named, 1000);
    set(cfg, "sampler.classes=1, 2");
    assert_null(cfg->sampler.class_text);
    ffcl_config_close(&cfg);

    write_text("labels.txt", "# ours\nnull, nought\neins\ntwo, twain\n");
    cfg = open_text("[sampler]\nclasses = eins, twain\nclass_names = labels.txt\n");
    assert_int_equal(cfg->sampler.n_classes, 2);
    assert_memory_equal(cfg->sampler.classes, own, sizeof own);
    assert_int_equal(cfg->sampler.n_named, 3);
    refuse_set(cfg, "sampler.class_names=imagenet", "sampler.class_names=imagenet: "
               "[sampler] classes: eins is not a number, a range or a name of ImageNet's classes "
               "(ffcl classes lists them); expected random, balanced, file:PATH, or numbers, "
               "ranges a-b and names of classes, separated by commas");
    write_text("labels.txt", "two\nthree\neins\ntwain\n");
    set(cfg, "sampler.class_names=labels.txt");
    assert_int_equal(cfg->sampler.classes[0], 2);
    assert_int_equal(cfg->sampler.classes[1], 3);
    write_text("labels.txt", "eins\neins\n");
    refuse_set(cfg, "sampler.class_names=labels.txt", "sampler.class_names="
               "labels.txt: [sampler] classes: eins is the name of 2 classes: 0 (eins), 1 (eins); "
               "give the number, or eins* for all");
    write_text("labels.txt", "eins\n ,\n");
    refuse_set(cfg, "sampler.class_names=labels.txt", "labels.txt:2: the line has "
               "no name");
    ffcl_config_close(&cfg);
}

/* Every class of ImageNet can be named: by a name that is its own, or by its synset. */
static void test_imagenet(void **state)
{
    (void)state;
    ffcl_class_names *names;
    ffcl_error err = {0};
    char list[600], first[200];
    assert_int_equal(ffcl_class_names_open(&names, FFCL_IMAGENET_NAMES, &err), 0);
    assert_int_equal(ffcl_class_names_count(names), 1000);
    assert_string_equal(ffcl_class_names_get(names, 0), "tench, Tinca tinca");
    for (size_t i = 0; i < 1000; i++) {
        ffcl_class_names_first(names, i, first, sizeof first);
        assert_true(ffcl_class_names_match(names, i, first, strlen(first)));
    }
    assert_true(ffcl_class_names_match(names, 281, "n02123045", 9));
    assert_false(ffcl_class_names_match(names, 281, "tab", 3));
    assert_true(ffcl_class_names_match(names, 281, "t*b*y", 5));
    assert_false(ffcl_class_names_match(names, 281, "t*bx*y", 6));
    ffcl_class_names_suggest(names, "tabyb", 5, list, sizeof list);
    assert_string_equal(list, "tabby (281)");
    ffcl_class_names_suggest(names, "cat", 3, list, sizeof list);
    assert_string_equal(list, "tabby (281), tiger cat (282), Persian cat (283)");
    ffcl_class_names_suggest(names, "x", 1, list, sizeof list);
    assert_string_equal(list, "");
    ffcl_class_names_close(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_class_names, enter, leave),
        cmocka_unit_test(test_imagenet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

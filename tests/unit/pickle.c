/* SPDX-License-Identifier: MIT
 * The restricted unpickler on streams written by hand: what it understands, what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "files/pickle.h"

/* A stream without its terminating zero. */
#define STREAM(text) text, sizeof(text) - 1

#define STORAGE "(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0" "0X\3\0\0\0cpuK\4tQ"
#define REBUILD "ctorch._utils\n_rebuild_tensor_v2\n"

static const struct {
    const char *bytes;
    size_t size;
    const char *text;           /* part of the message */
} malformed[] = {
    {STREAM(""), "end is missing"},
    {STREAM("\x80"), "end is missing"},
    {STREAM("\x80\x01N."), "protocol 0 or 1, which is not read"},
    {STREAM("(dp0\nS'a'\n."), "protocol 0 or 1, which is not read"},
    {STREAM("\x80\x09N."), "unknown protocol"},
    {STREAM("."), "stack is empty"},
    {STREAM("N"), "end is missing"},
    {STREAM("\xff"), "unknown opcode 0xff at byte 0"},
    {STREAM("NI1\n."), "protocol 0 or 1, which is not read"},
    {STREAM("0"), "stack is empty"},
    {STREAM("1"), "a mark is missing"},
    {STREAM("2"), "stack is empty"},
    {STREAM("N(2"), "stack is empty"},              /* below the mark is out of reach */
    {STREAM("N(\x85"), "stack is empty"},
    {STREAM("\x86"), "stack is empty"},
    {STREAM("NN\x87"), "stack is empty"},
    {STREAM("t"), "a mark is missing"},
    {STREAM("a"), "stack is empty"},
    {STREAM("Na"), "stack is empty"},
    {STREAM("e"), "a mark is missing"},
    {STREAM("NNs"), "stack is empty"},
    {STREAM("K\1K\2K\3s"), "set on no dict"},
    {STREAM("K\1(K\2K\3u"), "set on no dict"},
    {STREAM("}(Nu"), "a key without value"},
    {STREAM("(u"), "stack is empty"},
    {STREAM("\x90"), "a mark is missing"},
    {STREAM("\x91"), "a mark is missing"},
    {STREAM("K"), "end is missing"},
    {STREAM("M\1"), "end is missing"},
    {STREAM("J\1\0\0"), "end is missing"},
    {STREAM("G\0\0\0\0\0\0\0"), "end is missing"},
    {STREAM("\x8a\x09\1"), "end is missing"},
    {STREAM("\x8b\xff\xff\xff\xff"), "end is missing"},
    {STREAM("X\xff\xff\xff\x7fhello"), "end is missing"},
    {STREAM("\x8c\x05hell"), "end is missing"},
    {STREAM("\x8d\xff\xff\xff\xff\xff\xff\xff\xffhello"), "end is missing"},
    {STREAM("\x8e\xff\xff\xff\xff\xff\xff\xff\xffhello"), "end is missing"},
    {STREAM("\x96\0\0\0\0\0\0\0\x80hello"), "end is missing"},
    {STREAM("\x95\0\0\0"), "end is missing"},
    {STREAM("ctorch"), "end is missing"},
    {STREAM("ctorch\nFloat"), "end is missing"},
    {STREAM("K\1K\2\x93"), "a class without a name"},
    {STREAM("h\0."), "unknown memo number"},
    {STREAM("Nq\5h\4."), "unknown memo number"},
    {STREAM("j\0\0\0\0."), "unknown memo number"},
    {STREAM("q\0"), "stack is empty"},
    {STREAM("\x94"), "stack is empty"},
    {STREAM("Nr\xff\xff\xff\xff."), "memo number beyond reason"},
    {STREAM("R"), "stack is empty"},
    {STREAM(")R"), "stack is empty"},
    {STREAM("))\x92"), "stack is empty"},
    {STREAM("Nb"), "stack is empty"},
    {STREAM("NQ"), "unknown persistent id"},
    {STREAM(")Q"), "unknown persistent id"},
    {STREAM("(NNNNNtQ"), "unknown persistent id"},
    {STREAM("(X\7\0\0\0storageNX\1\0\0\0" "0NK\4tQ"), "unknown persistent id"},
    {STREAM("(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0" "0NJ\xff\xff\xff\xfftQ"),
     "unknown persistent id"},
    {STREAM(REBUILD ")R."), "arguments of a wrong kind"},
    {STREAM(REBUILD "(K\0K\0K\0K\0tR."), "arguments of a wrong kind"},
    {STREAM(REBUILD "(" STORAGE "J\xff\xff\xff\xff))tR."), "arguments of a wrong kind"},
    {STREAM(REBUILD "(" STORAGE "K\0K\4)tR."), "arguments of a wrong kind"},
    {STREAM("ctorch._utils\n_rebuild_tensor_v3\n(" STORAGE "K\0))NNNtR."),
     "arguments of a wrong kind"},
};

/* Good streams and the kind of their result. */
static const struct {
    const char *bytes;
    size_t size;
    ffcl_pickle_kind kind;
} understood[] = {
    {STREAM("\x80\x02N."), FFCL_PICKLE_PLAIN},
    {STREAM("}."), FFCL_PICKLE_DICT},
    {STREAM(")."), FFCL_PICKLE_TUPLE},
    {STREAM("K\7."), FFCL_PICKLE_INT},
    {STREAM("\x8a\x09\1\2\3\4\5\6\7\x08\x09."), FFCL_PICKLE_OTHER},
    {STREAM("U\2ab."), FFCL_PICKLE_STRING},
    {STREAM("C\2ab."), FFCL_PICKLE_OTHER},
    {STREAM("](K\1K\2eK\3a."), FFCL_PICKLE_OTHER},
    {STREAM("\x8f(K\1\x90."), FFCL_PICKLE_OTHER},
    {STREAM("(K\1\x91."), FFCL_PICKLE_OTHER},
    {STREAM("}(K\1" "1K\1K\2s."), FFCL_PICKLE_DICT},
    {STREAM("}(0K\1K\2s."), FFCL_PICKLE_DICT},              /* POP takes the mark */
    {STREAM("}N0."), FFCL_PICKLE_DICT},
    {STREAM("ccollections\nOrderedDict\n)R}b."), FFCL_PICKLE_DICT},
    {STREAM("ccollections\ndefaultdict\n(NtR."), FFCL_PICKLE_DICT},
    {STREAM("ccollections\nCounter\n)R(K\1K\2u."), FFCL_PICKLE_OBJECT},
    {STREAM("cposix\nsystem\n(X\4\0\0\0truetR."), FFCL_PICKLE_OBJECT},
    {STREAM("cposix\nsystem\n."), FFCL_PICKLE_GLOBAL},
    {STREAM("\x8c\5posix\x8c\6system\x93."), FFCL_PICKLE_GLOBAL},
    {STREAM("cargparse\nNamespace\n)\x81}(K\1K\2ub."), FFCL_PICKLE_OBJECT},
    {STREAM("cargparse\nNamespace\n)}\x92."), FFCL_PICKLE_OBJECT},
    {STREAM("NNR."), FFCL_PICKLE_OBJECT},
    {STREAM(STORAGE "."), FFCL_PICKLE_STORAGE},
    {STREAM(REBUILD "(" STORAGE "K\0))tR."), FFCL_PICKLE_TENSOR},
    {STREAM("ctorch._utils\n_rebuild_parameter\n)R."), FFCL_PICKLE_OTHER},
    {STREAM("ctorch._utils\n_rebuild_from_type_v2\n)R."), FFCL_PICKLE_OBJECT},
    {STREAM("ctorch._utils\n_rebuild_from_type_v2\n(" REBUILD "N(" STORAGE "K\0))tNtR."),
     FFCL_PICKLE_TENSOR},
    {STREAM("ctorch._tensor\n_rebuild_from_type_v2\n(" REBUILD "N(" STORAGE "K\0))tNtR."),
     FFCL_PICKLE_TENSOR},
    {STREAM("ctorch._tensor\n_rebuild_from_type\n(" REBUILD "N(" STORAGE "K\0))tNtR."),
     FFCL_PICKLE_TENSOR},
    {STREAM(REBUILD "(" STORAGE "K\0))\x89}}tR."), FFCL_PICKLE_TENSOR},
    {STREAM(REBUILD "(" STORAGE "K\0))\x89}}X\3\0\0\0neg\x88stR."), FFCL_PICKLE_OBJECT},
    {STREAM("ctorch._utils\n_rebuild_qtensor\n)R."), FFCL_PICKLE_OBJECT},
    {STREAM("ctorch._utils\n_rebuild_of_tomorrow\n)R."), FFCL_PICKLE_OBJECT},
};

static ffcl_pickle *open_stream(const char *bytes, size_t size, int want, const char *text)
{
    /* A copy of exact size, so that the sanitizer sees a read past the end. */
    char *copy = malloc(size ? size : 1);
    ffcl_pickle *pickle = (void *)1;
    ffcl_error err = {0};
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    int rc = ffcl_pickle_open(&pickle, copy, size, "x.pt", &err);
    if (rc != want || (text && !strstr(err.text, text)))
        fail_msg("%zu bytes: %d: %s (wanted %s)", size, rc, err.text, text ? text : "success");
    if (rc) {
        assert_null(pickle);
        assert_memory_equal(err.text, "x.pt", 4);
    }
    free(copy);         /* kinds and numbers stay valid, texts do not */
    return pickle;
}

static void test_malformed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++)
        open_stream(malformed[i].bytes, malformed[i].size, FFCL_EFORMAT, malformed[i].text);
}

static void test_understood(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof understood / sizeof *understood; i++) {
        ffcl_pickle *pickle = open_stream(understood[i].bytes, understood[i].size, 0, NULL);
        if (ffcl_pickle_root(pickle)->kind != understood[i].kind)
            fail_msg("stream %zu gives kind %d", i, ffcl_pickle_root(pickle)->kind);
        ffcl_pickle_close(&pickle);
        assert_null(pickle);
    }
}

/* Every prefix of every good stream is refused or good, never a crash. */
static void test_prefixes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof understood / sizeof *understood; i++)
        for (size_t n = 0; n < understood[i].size; n++) {
            ffcl_pickle *pickle = NULL;
            ffcl_error err = {0};
            int rc = ffcl_pickle_open(&pickle, understood[i].bytes, n, "x.pt", &err);
            assert_true(rc == 0 || rc == FFCL_EFORMAT);
            ffcl_pickle_close(&pickle);
        }
}

static void expect_int(const char *bytes, size_t size, int64_t want)
{
    ffcl_pickle *pickle = open_stream(bytes, size, 0, NULL);
    assert_int_equal(ffcl_pickle_root(pickle)->kind, FFCL_PICKLE_INT);
    assert_true(ffcl_pickle_root(pickle)->as.integer == want);
    ffcl_pickle_close(&pickle);
}

static void test_integers(void **state)
{
    (void)state;
    expect_int(STREAM("K\xff."), 255);
    expect_int(STREAM("M\xff\xff."), 65535);
    expect_int(STREAM("J\xff\xff\xff\xff."), -1);
    expect_int(STREAM("J\xff\xff\xff\x7f."), INT32_MAX);
    expect_int(STREAM("\x8a\0."), 0);
    expect_int(STREAM("\x8a\1\xff."), -1);
    expect_int(STREAM("\x8a\2\0\x80."), -32768);
    expect_int(STREAM("\x8a\5\0\0\0\0\1."), (int64_t)1 << 32);
    expect_int(STREAM("\x8a\x08\0\0\0\0\0\0\0\x80."), INT64_MIN);
    expect_int(STREAM("\x8b\1\0\0\0\x7f."), 127);
    expect_int(STREAM("K\5q\3K\6h\3."), 5);             /* memo */
    expect_int(STREAM("K\5\x94K\6\x94h\0."), 5);
    expect_int(STREAM("K\5r\3\0\0\0K\6j\3\0\0\0."), 5);
}

static void test_dict(void **state)
{
    static const char stream[] = "\x80\x02}q\0(X\1\0\0\0aK\1X\1\0\0\0bK\2uX\1\0\0\0aK\3s.";
    (void)state;
    ffcl_pickle *pickle = NULL;
    ffcl_error err = {0};
    assert_int_equal(ffcl_pickle_open(&pickle, stream, sizeof stream - 1, "x.pt", &err), 0);
    const ffcl_pickle_value *root = ffcl_pickle_root(pickle);
    assert_int_equal(ffcl_pickle_get(root, "a")->as.integer, 3);      /* the last one counts */
    assert_int_equal(ffcl_pickle_get(root, "b")->as.integer, 2);
    assert_null(ffcl_pickle_get(root, "c"));
    assert_null(ffcl_pickle_get(ffcl_pickle_get(root, "a"), "a"));
    ffcl_pickle_close(&pickle);
}

/* n times opcode, then end: memory stays bounded whatever the stream asks for. */
static void flood(const char *opcode, size_t n, const char *end, int want, const char *text)
{
    size_t step = strlen(opcode), size = n * step + strlen(end);
    char *bytes = malloc(size);
    ffcl_pickle *pickle = NULL;
    ffcl_error err = {0};
    assert_non_null(bytes);
    for (size_t i = 0; i < n; i++)
        memcpy(bytes + i * step, opcode, step);
    memcpy(bytes + n * step, end, strlen(end));
    int rc = ffcl_pickle_open(&pickle, bytes, size, "x.pt", &err);
    if (rc != want || (text && !strstr(err.text, text)))
        fail_msg("%s...: %d: %s", opcode, rc, err.text);
    ffcl_pickle_close(&pickle);
    free(bytes);
}

static void test_floods(void **state)
{
    (void)state;
    flood("}", 6 << 20, ".", FFCL_EFORMAT, "beyond reason");
    flood("(", 1 << 20, ".", FFCL_EFORMAT, "stack is empty");
    flood("N", 1 << 20, ".", 0, NULL);
    flood("]", 1 << 20, "(e.", 0, NULL);
    flood("N\x85", 1 << 20, ".", 0, NULL);              /* tuples, one in the other */
    flood("2", 1 << 20, ".", FFCL_EFORMAT, "stack is empty");
}

/* What Python would call is named, once, and nothing that it may write to a terminal. */
static void test_foreign(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *names;
    } cases[] = {
        {STREAM("}."), ""},
        {STREAM("(1N."), ""},
        {STREAM("cos\nsystem\n."), ""},                     /* named, not called */
        {STREAM("cos\nsystem\n)R."), "os.system"},
        {STREAM("cos\nsystem\n)\x81."), "os.system"},
        {STREAM("cos\nsystem\n)Rcos\nsystem\n)R."), "os.system"},
        {STREAM("cos\nsystemx\n)Rcos\nsystem\n)R."), "os.systemx, os.system"},
        {STREAM("ccollections\nOrderedDict\n)R."), ""},
        {STREAM("ccollections\nCounter\n)R."), "collections.Counter"},
        {STREAM("ctorch._utils\n_rebuild_parameter\nN\x85R."), ""},
        {STREAM("ctorch._utils\n_other\nN\x85R."), "torch._utils._other"},
        {STREAM("ca\033[\nb\xc2\x9b\n)R."), "a?[.b?"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ffcl_pickle *pickle = NULL;
        ffcl_error err = {0};
        assert_int_equal(ffcl_pickle_open(&pickle, cases[i].bytes, cases[i].size, "x", &err), 0);
        assert_string_equal(ffcl_pickle_foreign(pickle), cases[i].names);
        ffcl_pickle_close(&pickle);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malformed), cmocka_unit_test(test_understood),
        cmocka_unit_test(test_prefixes), cmocka_unit_test(test_integers),
        cmocka_unit_test(test_dict), cmocka_unit_test(test_floods),
        cmocka_unit_test(test_foreign),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

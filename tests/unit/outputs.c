/* SPDX-License-Identifier: MIT
 *
 * The writers of images and arrays: what they write reads back, and what goes wrong leaves the
 * old file and no temporary one. */
#include <dirent.h>
#include <errno.h>
#include <png.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "selfcheck/result.h"
#include "files/atomic.h"
#include "files/npz.h"
#include "files/png.h"

enum { SIDE = 160, BYTES = SIDE * SIDE * 3, TEXT = 512 };

static const char OLD[] = "the old contents";

/* What a failing writer must leave alone. */
typedef struct scene {
    char folder[TEXT], path[TEXT];
    uint8_t noise[BYTES];           /* does not compress, so every writer needs the space */
} scene;

/* ---- The scene ---- */

static void put_file(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* The whole file; *n its bytes.  The caller frees it. */
static uint8_t *get_file(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    *n = (size_t)ftell(f);
    rewind(f);
    uint8_t *bytes = malloc(*n + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *n, f), *n);
    fclose(f);
    return bytes;
}

/* Entries of a folder, hidden ones too; with remove they go. */
static size_t entries(const char *folder, int remove)
{
    size_t n = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        n++;
        if (remove)
            assert_int_equal(unlinkat(dirfd(dir), e->d_name, 0), 0);
    }
    closedir(dir);
    return n;
}

static int setup(void **state)
{
    scene *s = calloc(1, sizeof *s);
    if (!s)
        return -1;
    *state = s;
    snprintf(s->folder, sizeof s->folder, "/tmp/ffcl-outputs-XXXXXX");
    if (!mkdtemp(s->folder))
        return -1;
    snprintf(s->path, sizeof s->path, "%.*s/target", TEXT - 8, s->folder);
    unsigned random = 1;
    for (size_t i = 0; i < BYTES; i++)
        s->noise[i] = (uint8_t)(128.0f * ffcl_selfcheck_noise(&random) + 128.0f);
    return 0;
}

static int teardown(void **state)
{
    scene *s = *state;
    umount2(s->folder, MNT_DETACH);     /* where test_full_disk ended early */
    entries(s->folder, 1);
    int status = rmdir(s->folder);
    free(s);
    return status;
}

/* ---- Every writer meets every failure ---- */

typedef int writer(const scene *s, const char *path, ffcl_error *err);

static int write_plain(const scene *s, const char *path, ffcl_error *err)
{
    ffcl_atomic_file file;
    int status = ffcl_atomic_open(&file, path, err);
    if (!status)
        status = ffcl_atomic_write(&file, s->noise, BYTES, err);
    if (!status)
        status = ffcl_atomic_commit(&file, err);
    ffcl_atomic_discard(&file);
    return status;
}

/* Fits stdio's buffer, so only the commit meets the disk. */
static int write_short(const scene *s, const char *path, ffcl_error *err)
{
    ffcl_atomic_file file;
    int status = ffcl_atomic_open(&file, path, err);
    if (!status)
        status = ffcl_atomic_write(&file, s->noise, 100, err);
    if (!status)
        status = ffcl_atomic_commit(&file, err);
    ffcl_atomic_discard(&file);
    return status;
}

static int write_picture(const scene *s, const char *path, ffcl_error *err)
{
    return ffcl_png_write(path, s->noise, SIDE, SIDE, err);
}

static int write_array(const scene *s, const char *path, ffcl_error *err)
{
    ffcl_npz *npz = NULL;
    int status = ffcl_npz_open(&npz, path, 1, SIDE, SIDE, NULL, 0, err);
    if (!status)
        status = ffcl_npz_put(npz, 0, s->noise, err);
    if (!status)
        status = ffcl_npz_commit(npz, err);
    ffcl_npz_close(&npz, 0);
    return status;
}

static writer *const WRITERS[] = { write_plain, write_short, write_picture, write_array };
enum { WRITER_COUNT = sizeof WRITERS / sizeof *WRITERS };

static void check_error(int status, const ffcl_error *err, const char *path, const char *reason)
{
    assert_int_equal(status, FFCL_EOUTPUT);
    assert_int_equal(err->code, FFCL_EOUTPUT);
    if (!strstr(err->text, path) || !strstr(err->text, reason))
        fail_msg("'%s' lacks '%s' or '%s'", err->text, path, reason);
}

/* All writers fail at path for that reason. */
static void all_fail(const scene *s, const char *path, const char *reason)
{
    for (size_t i = 0; i < WRITER_COUNT; i++) {
        ffcl_error err = { 0 };
        check_error(WRITERS[i](s, path, &err), &err, path, reason);
    }
}

static void check_untouched(const scene *s)
{
    size_t n;
    uint8_t *bytes = get_file(s->path, &n);
    assert_int_equal(n, sizeof OLD);
    assert_memory_equal(bytes, OLD, sizeof OLD);
    free(bytes);
    assert_int_equal(entries(s->folder, 0), 1);
}

static void test_bad_paths(void **state)
{
    const scene *s = *state;
    char path[TEXT + 32];
    put_file(s->path, OLD, sizeof OLD);
    snprintf(path, sizeof path, "%s/no/such.png", s->folder);
    all_fail(s, path, "/no does not exist");
    all_fail(s, s->folder, "it is a folder");
    snprintf(path, sizeof path, "%s/", s->path);
    all_fail(s, path, "names no file");
    all_fail(s, "", "names no file");
    snprintf(path, sizeof path, "%s/below.png", s->path);
    all_fail(s, path, "is a file, not a folder");
    check_untouched(s);
    entries(s->folder, 1);
    assert_int_equal(mkfifo(s->path, 0600), 0);
    all_fail(s, s->path, "not a regular file");
    assert_int_equal(entries(s->folder, 1), 1);
}

/* Permissions do not bind root, but nobody can make files in /proc. */
static void test_read_only(void **state)
{
    const scene *s = *state;
    if (geteuid() == 0) {
        if (access("/proc/self", F_OK)) {
            print_message("no /proc: nothing that root may not write\n");
            skip();
        }
        all_fail(s, "/proc/ffcl.png", "cannot write");
        return;
    }
    put_file(s->path, OLD, sizeof OLD);
    assert_int_equal(chmod(s->path, 0400), 0);
    all_fail(s, s->path, "Permission denied");
    assert_int_equal(chmod(s->path, 0600), 0);
    assert_int_equal(chmod(s->folder, 0500), 0);
    all_fail(s, s->path, "Permission denied");
    check_untouched(s);
    assert_int_equal(chmod(s->folder, 0700), 0);
}

/* A limit on file sizes stands for a disk that fills early, midway or at the last bytes. */
static void test_size_limit(void **state)
{
    const scene *s = *state;
    static const rlim_t limits[] = { 10, 5000, BYTES - 1 };
    struct rlimit before;
    put_file(s->path, OLD, sizeof OLD);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    for (size_t l = 0; l < sizeof limits / sizeof *limits; l++)
        for (size_t i = 0; i < WRITER_COUNT; i++) {
            if (WRITERS[i] == write_short && limits[l] > 100)
                continue;
            ffcl_error err = { 0 };
            struct rlimit limit = { limits[l], before.rlim_max };
            assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
            int status = WRITERS[i](s, s->path, &err);
            setrlimit(RLIMIT_FSIZE, &before);   /* before anything is printed */
            check_error(status, &err, s->path, "File too large");
            check_untouched(s);
        }
    signal(SIGXFSZ, handler);
}

/* A file system of 16 KiB in a mount namespace of our own, first with room, then with none. */
static void test_full_disk(void **state)
{
    const scene *s = *state;
    char filler[TEXT + 32];
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)
        || mount("ffcl", s->folder, "tmpfs", 0, "size=16k")) {
        print_message("cannot mount a tmpfs: %s\n", strerror(errno));
        skip();
    }
    put_file(s->path, OLD, sizeof OLD);
    for (size_t i = 0; i < WRITER_COUNT; i++) {
        ffcl_error err = { 0 };
        int status = WRITERS[i](s, s->path, &err);
        if (WRITERS[i] == write_short) {
            assert_int_equal(status, 0);
            put_file(s->path, OLD, sizeof OLD);
            continue;
        }
        check_error(status, &err, s->path, "disk full");
        check_untouched(s);
    }
    snprintf(filler, sizeof filler, "%s/filler", s->folder);
    FILE *f = fopen(filler, "wb");
    assert_non_null(f);
    while (fputc('x', f) != EOF && !fflush(f))
        continue;
    fclose(f);
    all_fail(s, s->path, "disk full");
    assert_int_equal(unlink(filler), 0);
    check_untouched(s);
    assert_int_equal(umount(s->folder), 0);
}

/* ---- Files that appear ---- */

static void test_appears_whole(void **state)
{
    const scene *s = *state;
    ffcl_error err = { 0 };
    for (size_t i = 0; i < WRITER_COUNT; i++) {
        put_file(s->path, OLD, sizeof OLD);
        if (WRITERS[i](s, s->path, &err))
            fail_msg("%s", err.text);
        size_t n;
        free(get_file(s->path, &n));
        assert_int_not_equal(n, sizeof OLD);
        assert_int_equal(entries(s->folder, 1), 1);
    }
    ffcl_atomic_file a, b;
    put_file(s->path, OLD, sizeof OLD);
    assert_int_equal(ffcl_atomic_open(&a, s->path, &err), 0);
    assert_int_equal(ffcl_atomic_open(&b, s->path, &err), 0);
    assert_int_equal(ffcl_atomic_write(&a, "first", 5, &err), 0);
    assert_int_equal(ffcl_atomic_write(&b, "second", 6, &err), 0);
    assert_int_equal(entries(s->folder, 0), 3);
    assert_int_equal(ffcl_atomic_commit(&b, &err), 0);
    ffcl_atomic_discard(&a);
    ffcl_atomic_discard(&b);
    size_t n;
    uint8_t *bytes = get_file(s->path, &n);
    assert_int_equal(n, 6);
    assert_memory_equal(bytes, "second", 6);
    free(bytes);
    assert_int_equal(entries(s->folder, 1), 1);
}

static void test_symbolic_link(void **state)
{
    const scene *s = *state;
    char link[TEXT + 32];
    ffcl_error err = { 0 };
    struct stat st;
    snprintf(link, sizeof link, "%s/link", s->folder);
    put_file(s->path, OLD, sizeof OLD);
    assert_int_equal(symlink("target", link), 0);
    assert_int_equal(write_short(s, link, &err), 0);
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(stat(s->path, &st), 0);
    assert_int_equal(st.st_size, 100);
    assert_int_equal(entries(s->folder, 1), 2);
}

/* ---- PNG ---- */

static void test_png_round_trip(void **state)
{
    const scene *s = *state;
    static const size_t sizes[][2] = { { 1, 1 }, { 5, 7 }, { 33, 64 }, { SIDE, SIDE } };
    ffcl_error err = { 0 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint8_t *rgb = NULL;
        size_t height = 0, width = 0;
        if (ffcl_png_write(s->path, s->noise, sizes[i][0], sizes[i][1], &err)
            || ffcl_png_read(s->path, &rgb, &height, &width, &err))
            fail_msg("%s", err.text);
        assert_int_equal(height, sizes[i][0]);
        assert_int_equal(width, sizes[i][1]);
        assert_memory_equal(rgb, s->noise, height * width * 3);
        free(rgb);
    }
    size_t n;                       /* RGB, 8 bits, and no chunk but the three needed */
    uint8_t *bytes = get_file(s->path, &n);
    assert_memory_equal(bytes + 12, "IHDR", 4);
    assert_memory_equal(bytes + 24, "\x08\x02\0\0\0", 5);
    for (size_t at = 8; at < n;) {
        const uint8_t *b = bytes + at;
        assert_true(!memcmp(b + 4, "IHDR", 4) || !memcmp(b + 4, "IDAT", 4)
                    || !memcmp(b + 4, "IEND", 4));
        at += 12 + ((size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3]);
    }
    free(bytes);
    assert_int_equal(ffcl_png_write(s->path, s->noise, 0, 4, &err), FFCL_EOUTPUT);
    assert_int_equal(entries(s->folder, 1), 1);
}

/* Writes rows of 2 x 2 pixels in another kind of PNG. */
static void put_png(const char *path, int type, int depth, uint8_t rows[2][16])
{
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    assert_non_null(png);
    png_infop info = png_create_info_struct(png);
    FILE *f = fopen(path, "wb");
    assert_true(info && f);
    png_bytep pointers[2] = { rows[0], rows[1] };
    png_color palette[2] = { { 1, 2, 3 }, { 4, 5, 6 } };
    png_init_io(png, f);
    png_set_IHDR(png, info, 2, 2, depth, type, PNG_INTERLACE_ADAM7, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    if (type == PNG_COLOR_TYPE_PALETTE)
        png_set_PLTE(png, info, palette, 2);
    png_write_info(png, info);
    png_write_image(png, pointers);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    fclose(f);
}

static void test_png_kinds(void **state)
{
    const scene *s = *state;
    static struct { int type, depth; uint8_t rows[2][16], rgb[12]; } kinds[] = {
        { PNG_COLOR_TYPE_GRAY, 8, { { 7, 9 }, { 0, 255 } },
          { 7, 7, 7, 9, 9, 9, 0, 0, 0, 255, 255, 255 } },
        { PNG_COLOR_TYPE_RGBA, 8, { { 1, 2, 3, 0, 4, 5, 6, 9 }, { 7, 8, 9, 1, 3, 2, 1, 255 } },
          { 1, 2, 3, 4, 5, 6, 7, 8, 9, 3, 2, 1 } },
        { PNG_COLOR_TYPE_PALETTE, 8, { { 0, 1 }, { 1, 0 } },
          { 1, 2, 3, 4, 5, 6, 4, 5, 6, 1, 2, 3 } },
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        ffcl_error err = { 0 };
        uint8_t *rgb = NULL;
        size_t height, width;
        put_png(s->path, kinds[i].type, kinds[i].depth, kinds[i].rows);
        if (ffcl_png_read(s->path, &rgb, &height, &width, &err))
            fail_msg("%s", err.text);
        assert_true(height == 2 && width == 2);
        assert_memory_equal(rgb, kinds[i].rgb, sizeof kinds[i].rgb);
        free(rgb);
    }
    uint8_t wide[2][16] = { { 0 } }, *rgb = NULL;
    size_t height, width;
    ffcl_error err = { 0 };
    put_png(s->path, PNG_COLOR_TYPE_RGB, 16, wide);
    assert_int_equal(ffcl_png_read(s->path, &rgb, &height, &width, &err), FFCL_EFORMAT);
    assert_non_null(strstr(err.text, "16 bits"));
    assert_null(rgb);
    entries(s->folder, 1);
}

static void test_png_damaged(void **state)
{
    const scene *s = *state;
    ffcl_error err = { 0 };
    uint8_t *rgb = NULL;
    size_t height, width, n;
    assert_int_equal(ffcl_png_read(s->path, &rgb, &height, &width, &err), FFCL_EFILE);
    assert_int_equal(ffcl_png_read(s->folder, &rgb, &height, &width, &err), FFCL_EFILE);
    put_file(s->path, OLD, sizeof OLD);
    assert_int_equal(ffcl_png_read(s->path, &rgb, &height, &width, &err), FFCL_EFORMAT);
    assert_int_equal(ffcl_png_write(s->path, s->noise, 9, 9, &err), 0);
    uint8_t *bytes = get_file(s->path, &n);
    for (size_t length = 0; length < n - 12; length += 7) {     /* all but IEND is needed */
        put_file(s->path, bytes, length);
        assert_int_equal(ffcl_png_read(s->path, &rgb, &height, &width, &err), FFCL_EFORMAT);
        assert_non_null(strstr(err.text, "truncated"));
        assert_null(rgb);
    }
    bytes[n - 12 - 6] ^= 1;         /* in the compressed data: its CRC shows it */
    put_file(s->path, bytes, n);
    assert_int_equal(ffcl_png_read(s->path, &rgb, &height, &width, &err), FFCL_EFORMAT);
    assert_non_null(strstr(err.text, s->path));
    free(bytes);
    entries(s->folder, 1);
}

/* ---- npz ---- */

static uint64_t field(const uint8_t *p, size_t bytes)
{
    uint64_t v = 0;
    while (bytes--)
        v = v << 8 | p[bytes];
    return v;
}

enum { COUNT = 3, HEIGHT = 4, WIDTH = 5, IMAGE = HEIGHT * WIDTH * 3, NPY = 128,
       MEMBER = NPY + COUNT * IMAGE };

static void put_npz(const scene *s)
{
    ffcl_error err = { 0 };
    ffcl_npz *npz = NULL;
    uint8_t bytes[COUNT * IMAGE];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7 + 1);
    int status = ffcl_npz_open(&npz, s->path, COUNT, HEIGHT, WIDTH, NULL, 0, &err);
    for (size_t i = COUNT; i-- > 0 && !status;)         /* any order will do */
        status = ffcl_npz_put(npz, i, bytes + i * IMAGE, &err);
    if (!status)
        status = ffcl_npz_commit(npz, &err);
    ffcl_npz_close(&npz, 0);
    if (status)
        fail_msg("%s", err.text);
}

/* Every zip64 field is there however small the array, so a large one takes no other path. */
static void test_npz_records(void **state)
{
    const scene *s = *state;
    size_t n;
    put_npz(s);
    uint8_t *bytes = get_file(s->path, &n);
    const uint8_t *local = bytes, *npy = bytes + 30 + 9 + 20, *central = npy + MEMBER;
    const uint8_t *end64 = central + 46 + 9 + 20, *locator = end64 + 56, *end = locator + 20;
    assert_int_equal(n, (size_t)(end - bytes) + 22);
    assert_memory_equal(local, "PK\3\4\x2d\0\0\0\0\0\0\0", 12);
    assert_int_equal(field(local + 18, 8), UINT64_MAX);
    assert_memory_equal(local + 26, "\x09\0\x14\0arr_0.npy\1\0\x10\0", 17);
    assert_int_equal(field(local + 43, 8), MEMBER);
    assert_int_equal(field(local + 51, 8), MEMBER);
    assert_memory_equal(npy, "\x93NUMPY\1\0\x76\0{'descr': '|u1', 'fortran_order': False, "
                        "'shape': (3, 4, 5, 3), } ", 74);
    assert_int_equal(npy[NPY - 1], '\n');
    assert_memory_equal(central, "PK\1\2\x2d\3\x2d\0\0\0\0\0", 12);
    assert_int_equal(field(central + 16, 4), field(local + 14, 4));
    assert_int_equal(field(central + 20, 8), UINT64_MAX);
    assert_int_equal(field(central + 42, 4), 0);
    assert_memory_equal(central + 46, "arr_0.npy\1\0\x10\0", 13);
    assert_int_equal(field(central + 59, 8), MEMBER);
    assert_int_equal(field(central + 67, 8), MEMBER);
    assert_memory_equal(end64, "PK\6\6", 4);
    assert_int_equal(field(end64 + 4, 8), 44);
    assert_int_equal(field(end64 + 32, 8), 1);
    assert_int_equal(field(end64 + 40, 8), 75);
    assert_int_equal(field(end64 + 48, 8), central - bytes);
    assert_memory_equal(locator, "PK\6\7", 4);
    assert_int_equal(field(locator + 8, 8), end64 - bytes);
    assert_memory_equal(end, "PK\5\6", 4);
    assert_int_equal(field(end + 16, 4), UINT32_MAX);
    free(bytes);
    assert_int_equal(entries(s->folder, 1), 1);
}

static const char SCRIPT[] =
    "import ast, struct, sys, zipfile\n"
    "want = bytes((i * 7 + 1) & 255 for i in range(180))\n"
    "z = zipfile.ZipFile(sys.argv[1])\n"
    "assert z.testzip() is None and z.namelist() == ['arr_0.npy'], z.namelist()\n"
    "b = z.read('arr_0.npy')\n"
    "assert b[:8] == b'\\x93NUMPY\\x01\\x00'\n"
    "n, = struct.unpack('<H', b[8:10])\n"
    "h = ast.literal_eval(b[10:10 + n].decode('latin1'))\n"
    "assert h == {'descr': '|u1', 'fortran_order': False, 'shape': (3, 4, 5, 3)}, h\n"
    "assert b[10 + n:] == want\n"
    "try:\n"
    "    import numpy\n"
    "except ImportError:\n"
    "    print('read by zipfile (numpy is not installed)')\n"
    "    sys.exit(0)\n"
    "a = numpy.load(sys.argv[1])['arr_0']\n"
    "assert a.shape == (3, 4, 5, 3) and a.dtype == numpy.uint8 and a.tobytes() == want\n"
    "print('read by zipfile and numpy')\n";

static void test_npz_python(void **state)
{
    const scene *s = *state;
    char command[3 * TEXT];
    put_npz(s);
    if (system("python3 -c '' 2>/dev/null")) {
        print_message("python3 is not installed\n");
        entries(s->folder, 1);
        skip();
    }
    snprintf(command, sizeof command, "%s/check.py", s->folder);
    put_file(command, SCRIPT, sizeof SCRIPT - 1);
    snprintf(command, sizeof command, "python3 %s/check.py %s", s->folder, s->path);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof command, "unzip -tq %s", s->path);
    int status = system(command);
    assert_true(status == 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 127));
    entries(s->folder, 1);
}

static void test_npz_incomplete(void **state)
{
    const scene *s = *state;
    ffcl_error err = { 0 };
    ffcl_npz *npz = NULL;
    put_file(s->path, OLD, sizeof OLD);
    assert_int_equal(ffcl_npz_open(&npz, s->path, 2, SIDE, SIDE, NULL, 0, &err), 0);
    assert_int_equal(ffcl_npz_put(npz, 1, s->noise, &err), 0);
    check_error(ffcl_npz_commit(npz, &err), &err, s->path, "1 of the array's 2 images");
    check_error(ffcl_npz_put(npz, 2, s->noise, &err), &err, s->path, "beyond the 2");
    ffcl_npz_close(&npz, 0);
    assert_null(npz);
    ffcl_npz_close(&npz, 0);
    check_untouched(s);
    check_error(ffcl_npz_open(&npz, s->path, SIZE_MAX / 2, SIDE, SIDE, NULL, 0, &err), &err,
                s->path, "too many");
    assert_null(npz);
    check_untouched(s);
    entries(s->folder, 1);
}

/* ---- an npz that another process resumes ---- */

enum { RESUMED = 5 };

static ffcl_npz *resume_npz(const scene *s)
{
    ffcl_npz *npz = NULL;
    ffcl_error err = { 0 };
    if (ffcl_npz_open(&npz, s->path, RESUMED, HEIGHT, WIDTH, NULL, 1, &err))
        fail_msg("%s", err.text);
    return npz;
}

static void put_pictures(const scene *s, ffcl_npz *npz, size_t first, size_t n)
{
    ffcl_error err = { 0 };
    for (size_t i = first; i < first + n; i++)
        assert_int_equal(ffcl_npz_put(npz, i, s->noise + i * IMAGE, &err), 0);
}

/* Which of the images are there, as a row of bits. */
static unsigned found(const scene *s, ffcl_npz *npz)
{
    unsigned bits = 0;
    uint8_t rgb[IMAGE];
    for (size_t i = 0; i < RESUMED; i++)
        if (ffcl_npz_get(npz, i, rgb)) {
            assert_memory_equal(rgb, s->noise + i * IMAGE, IMAGE);
            bits |= 1u << i;
        }
    return bits;
}

/* Writes a byte of a file beside the target. */
static void change_byte(const scene *s, const char *suffix, long at)
{
    char name[TEXT + 32];
    snprintf(name, sizeof name, "%s/.target.%s", s->folder, suffix);
    FILE *f = fopen(name, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, at, SEEK_SET), 0);
    int c = getc(f);
    assert_int_equal(fseek(f, at, SEEK_SET), 0);
    assert_int_equal(putc(c ^ 1, f), c ^ 1);
    assert_int_equal(fclose(f), 0);
}

static void test_npz_resume(void **state)
{
    const scene *s = *state;
    ffcl_error err = { 0 };
    char part[TEXT + 32];
    size_t n, m;
    ffcl_npz *npz = resume_npz(s), *other = NULL;
    put_pictures(s, npz, 0, 4);
    assert_int_equal(ffcl_npz_open(&other, s->path, RESUMED, HEIGHT, WIDTH, NULL, 1, &err),
                     FFCL_EBUSY);
    assert_non_null(strstr(err.text, "another run"));
    ffcl_npz_close(&npz, 1);
    assert_int_equal(entries(s->folder, 0), 2);
    npz = resume_npz(s);                            /* all that was put is there */
    assert_int_equal(found(s, npz), 0xf);
    ffcl_npz_close(&npz, 1);
    change_byte(s, "part", 30 + 9 + 20 + NPY + 1 * IMAGE + 7);    /* image 1 */
    change_byte(s, "crc", 32 + 2 * 8 + 5);          /* the record of image 2 */
    npz = resume_npz(s);
    assert_int_equal(found(s, npz), 0x9);
    ffcl_npz_close(&npz, 1);
    snprintf(part, sizeof part, "%s/.target.part", s->folder);
    assert_int_equal(truncate(part, 30 + 9 + 20 + NPY + IMAGE + 1), 0);
    npz = resume_npz(s);
    assert_int_equal(found(s, npz), 0x1);
    assert_int_equal(ffcl_npz_blank(npz, 4, &err), 0);      /* not remembered */
    ffcl_npz_close(&npz, 1);
    npz = resume_npz(s);
    assert_int_equal(found(s, npz), 0x1);
    put_pictures(s, npz, 1, 4);
    assert_int_equal(ffcl_npz_commit(npz, &err), 0);
    ffcl_npz_close(&npz, 1);
    assert_int_equal(entries(s->folder, 0), 1);
    uint8_t *pieced = get_file(s->path, &n);
    npz = resume_npz(s);                            /* finished: nothing needs to be done */
    assert_true(ffcl_npz_is_whole(npz));
    assert_int_equal(found(s, npz), 0x1f);
    ffcl_npz_close(&npz, 1);
    assert_int_equal(entries(s->folder, 1), 1);
    npz = resume_npz(s);                            /* in one go: the same file */
    put_pictures(s, npz, 0, RESUMED);
    assert_int_equal(ffcl_npz_commit(npz, &err), 0);
    ffcl_npz_close(&npz, 1);
    uint8_t *whole = get_file(s->path, &m);
    assert_int_equal(n, m);
    assert_memory_equal(whole, pieced, n);
    free(whole);
    free(pieced);
    assert_int_equal(truncate(s->path, (off_t)n - 1), 0);   /* damaged: it begins anew */
    npz = resume_npz(s);
    assert_false(ffcl_npz_is_whole(npz));
    assert_int_equal(found(s, npz), 0);
    ffcl_npz_close(&npz, 1);
    assert_int_equal(entries(s->folder, 1), 1);     /* a part without an image is not kept */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_bad_paths),       TEST(test_read_only),    TEST(test_size_limit),
        TEST(test_appears_whole),   TEST(test_symbolic_link), TEST(test_png_round_trip),
        TEST(test_png_kinds),       TEST(test_png_damaged),  TEST(test_npz_records),
        TEST(test_npz_python),      TEST(test_npz_incomplete), TEST(test_npz_resume),
        TEST(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

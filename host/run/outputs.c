/* SPDX-License-Identifier: MIT */
#include "run/outputs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "files/atomic.h"
#include "files/npz.h"
#include "files/png.h"
#include "run/home.h"
#include "run/records.h"
#include "sample/image.h"
#include "util.h"

enum { MOST_GRID = 65500 };         /* pixels of a side of the grid */

struct ffcl_outputs {
    const ffcl_config *cfg;     /* borrowed */
    int has_folder;
    ffcl_records *records;      /* of the folder */
    size_t count, height, width;
    size_t only;                /* the only image, which is the grid; FFCL_ALL_RANKS: all are */
    const ffcl_metadata *metadata;  /* borrowed; NULL: none */
    uint8_t *grid;              /* (grid_height, grid_width, 3) or NULL */
    size_t grid_height, grid_width;
    ffcl_npz *npz;
    ffcl_npz *before;           /* the npz of a smaller sample set, or one without labels; NULL */
};

/* Can a file be written at path?  Tried with a temporary one. */
static int probe(const char *path, ffcl_error *err)
{
    ffcl_atomic_file file = {0};
    int rc = ffcl_atomic_open(&file, path, err);
    ffcl_atomic_discard(&file);
    return rc;
}

int ffcl_outputs_check_grid(const ffcl_config *cfg, size_t side, ffcl_error *err)
{
    const size_t count = cfg->sampler.index == FFCL_ALL_RANKS ? ffcl_config_count(cfg) : 1;
    size_t height, width;
    if (!cfg->output.grid)
        return 0;
    ffcl_grid_size(count, cfg->output.columns, side, side, &height, &width);
    if (height <= MOST_GRID && width <= MOST_GRID)
        return 0;
    return ffcl_fail(err, FFCL_ECONFIG, "a grid of %zu images would be %zu x %zu pixels: set "
                     "[output] grid = (empty) and use folder or npz", count, width, height);
}

static void look_for_ffcl(void *is_own, const char *key, const char *text)
{
    *(int *)is_own |= !strcmp(key, "Software") && !strncmp(text, "ffcl ", 5);
}

int ffcl_outputs_check_own(const ffcl_config *cfg, ffcl_error *err)
{
    const char *path = cfg->output.grid;
    struct stat st;
    ffcl_error why;
    int is_own = 0;
    if (!path || cfg->output.overwrite || stat(path, &st) || !S_ISREG(st.st_mode) || !st.st_size)
        return 0;
    const int rc = ffcl_png_texts(path, look_for_ffcl, &is_own, &why);
    if (rc == FFCL_ENOMEM)
        return ffcl_fail(err, rc, "%s", why.text);
    /* What cannot be read is said where it is to be written. */
    if (is_own || rc == FFCL_EFILE || (rc == 0 && !ffcl_config_has_metadata(cfg)))
        return 0;
    return ffcl_fail(err, FFCL_ESETTINGS, "%s is there, and nothing in it says that ffcl made it: "
                     "choose another name, or --overwrite replaces it", path);
}

static int open_grid(ffcl_outputs *o, ffcl_error *err)
{
    size_t bytes;
    const int rc = ffcl_outputs_check_grid(o->cfg, o->height, err);
    if (rc)
        return rc;
    ffcl_grid_size(o->only == FFCL_ALL_RANKS ? o->count : 1, o->cfg->output.columns, o->height,
                   o->width, &o->grid_height, &o->grid_width);
    bytes = o->grid_height * o->grid_width * 3;
    o->grid = calloc(1, bytes);
    if (!o->grid)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for a grid of %zu x %zu pixels",
                         o->grid_width, o->grid_height);
    return 0;
}

static int probe_folder(const char *folder, ffcl_error *err)
{
    int made, rc = ffcl_home_make_folder(folder, &made, err);
    if (rc)
        return rc;
    char *path = ffcl_path_join(folder, "000000.png");
    rc = path ? probe(path, err) : ffcl_fail(err, FFCL_ENOMEM, "out of memory for a path");
    free(path);
    return rc;
}

/* The npz as it was, where that is another array: fewer images, or the same without labels.  Its
 * images go into the new one. */
static int open_before(ffcl_outputs *o, const ffcl_outputs_spec *s, ffcl_error *err)
{
    const char *path = s->cfg->output.npz;
    const size_t older = s->older && s->older < s->count ? s->older : s->count;
    int rc = 1;
    if (!s->resume || ffcl_npz_is_whole(o->npz) || access(path, F_OK))
        return 0;
    if (s->labels && older < s->count)
        rc = ffcl_npz_open(&o->before, path, older, s->height, s->width, s->labels, FFCL_NPZ_WHOLE,
                           err);
    if (rc == 1)
        rc = ffcl_npz_open(&o->before, path, older, s->height, s->width, NULL, FFCL_NPZ_WHOLE,
                           err);
    return rc == 1 ? 0 : rc;
}

int ffcl_outputs_open(ffcl_outputs **out, const ffcl_outputs_spec *s, ffcl_error *err)
{
    const ffcl_config *cfg = s->cfg;
    *out = NULL;
    ffcl_outputs *o = calloc(1, sizeof *o);
    if (!o)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the outputs");
    *o = (ffcl_outputs){.cfg = cfg, .count = s->count, .height = s->height, .width = s->width,
                         .only = cfg->sampler.index, .metadata = s->metadata};
    int rc = 0;
    o->has_folder = (s->which & FFCL_OUT_FOLDER) && cfg->output.folder;
    if (o->has_folder)
        rc = probe_folder(cfg->output.folder, err);
    if (rc == 0 && o->has_folder)
        rc = ffcl_records_open(&o->records, cfg->output.folder, s->resume, s->is_client, err);
    if (rc == 0 && (s->which & FFCL_OUT_GRID) && cfg->output.grid)
        rc = ffcl_outputs_check_own(cfg, err);
    if (rc == 0 && (s->which & FFCL_OUT_GRID) && cfg->output.grid)
        rc = probe(cfg->output.grid, err);
    if (rc == 0 && (s->which & FFCL_OUT_GRID) && cfg->output.grid)
        rc = open_grid(o, err);
    if (rc == 0 && (s->which & FFCL_OUT_NPZ) && cfg->output.npz)
        rc = ffcl_npz_open(&o->npz, cfg->output.npz, s->count, s->height, s->width, s->labels,
                           s->resume ? FFCL_NPZ_RESUME : FFCL_NPZ_NEW, err);
    if (rc == 0 && o->npz)
        rc = open_before(o, s, err);
    if (rc)
        ffcl_outputs_close(&o, 1);
    *out = o;
    return rc;
}

static uint32_t crc_of(const ffcl_outputs *o, const uint8_t *rgb)
{
    return (uint32_t)crc32_z(crc32(0, NULL, 0), rgb, o->height * o->width * 3);
}

static char *file_path(const ffcl_outputs *o, size_t index)
{
    return ffcl_format("%s/%06zu.png", o->cfg->output.folder, index);
}

/* A PNG with its texts. */
static int write_png(const ffcl_outputs *o, size_t index, const char *path, const uint8_t *rgb,
                     ffcl_error *err)
{
    const int is_grid = index == FFCL_METADATA_GRID;
    const int has_texts = o->metadata &&
                          (is_grid || o->cfg->output.metadata == FFCL_METADATA_ALL);
    ffcl_metadata_texts texts = {.list = {{NULL, NULL}}};
    const ffcl_png_options options = {.level = is_grid ? -1 : (int)o->cfg->output.png_level,
                                      .is_of_many = !is_grid, .texts = texts.list};
    int rc = has_texts ? ffcl_metadata_get(o->metadata, index, &texts, err) : 0;
    if (rc == 0)
        rc = ffcl_png_write_as(path, rgb, is_grid ? o->grid_height : o->height,
                               is_grid ? o->grid_width : o->width, &options, err);
    ffcl_metadata_free(&texts);
    return rc;
}

static void place(const ffcl_outputs *o, size_t index, const uint8_t *rgb)
{
    const int is_only = o->only != FFCL_ALL_RANKS;
    if (o->grid)
        ffcl_grid_place(o->grid, is_only ? 1 : o->count, o->cfg->output.columns, o->height,
                        o->width, is_only ? 0 : index, rgb);
}

int ffcl_outputs_put_file(ffcl_outputs *o, size_t index, const uint8_t *rgb, ffcl_error *err)
{
    if (!o->has_folder)
        return 0;
    char *path = file_path(o, index);
    /* The record comes first: a file without one would be somebody else's. */
    int rc = path ? ffcl_records_put(o->records, index, crc_of(o, rgb), err)
                  : ffcl_fail(err, FFCL_ENOMEM, "out of memory for a path");
    if (rc == 0)
        rc = write_png(o, index, path, rgb, err);
    free(path);
    return rc;
}

int ffcl_outputs_put_whole(ffcl_outputs *o, size_t index, const uint8_t *rgb, ffcl_error *err)
{
    place(o, index, rgb);
    return o->npz ? ffcl_npz_put(o->npz, index, rgb, err) : 0;
}

int ffcl_outputs_put(ffcl_outputs *o, size_t index, const uint8_t *rgb, ffcl_error *err)
{
    int rc = ffcl_outputs_put_file(o, index, rgb, err);
    return rc ? rc : ffcl_outputs_put_whole(o, index, rgb, err);
}

int ffcl_outputs_skip(ffcl_outputs *o, size_t index, ffcl_error *err)
{
    if (o->has_folder) {        /* one of another run may be there */
        char *path = file_path(o, index);
        if (!path)
            return ffcl_fail(err, FFCL_ENOMEM, "out of memory for a path");
        unlink(path);
        free(path);
    }
    return o->npz ? ffcl_npz_blank(o->npz, index, err) : 0;
}

/* A sound image of the folder: 1 where it is the one that ffcl wrote there, 0 where it may be
 * replaced, or FFCL_ESETTINGS. */
static int recognise(const ffcl_outputs *o, size_t index, const uint8_t *rgb, ffcl_error *err)
{
    const uint32_t crc = crc_of(o, rgb);
    const ffcl_record_match match = ffcl_records_match(o->records, index, crc);
    if (match == FFCL_RECORD_SAME)
        return 1;
    if (match == FFCL_RECORD_NONE && ffcl_records_adopts(o->records)) {
        const int rc = ffcl_records_adopt(o->records, index, crc, err);
        return rc ? rc : 1;
    }
    if (o->cfg->output.overwrite)
        return 0;
    return ffcl_fail(err, FFCL_ESETTINGS, "%s/%06zu.png is not the image that ffcl wrote there "
                     "(" FFCL_RECORDS_NAME " beside it has another checksum, or none): move it "
                     "away, or --overwrite replaces it", o->cfg->output.folder, index);
}

/* The image of the folder, 1 where it is sound and of the right size. */
static int read_file(const ffcl_outputs *o, size_t index, uint8_t *rgb, ffcl_error *err)
{
    ffcl_error why = {0};
    char *path = file_path(o, index);
    if (!path)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for a path");
    int rc = ffcl_png_read_as(path, rgb, o->height, o->width, &why);
    free(path);
    if (rc == 0)
        return recognise(o, index, rgb, err);
    return rc == FFCL_ENOMEM ? ffcl_fail(err, rc, "%s", why.text) : 0;
}

/* The image of the npz as it is, or as it was. */
static int get_npz(const ffcl_outputs *o, size_t index, uint8_t *rgb, ffcl_error *err)
{
    if (ffcl_npz_get(o->npz, index, rgb))
        return 1;
    if (!o->before || !ffcl_npz_get(o->before, index, rgb))
        return 0;
    const int rc = ffcl_npz_put(o->npz, index, rgb, err);
    return rc ? rc : 1;
}

int ffcl_outputs_keep(ffcl_outputs *o, size_t index, uint8_t *rgb, ffcl_error *err)
{
    const size_t bytes = o->height * o->width * 3;
    int rc = o->has_folder ? read_file(o, index, rgb, err) : 0;
    if (rc < 0 || (o->has_folder && !rc))
        return rc;
    if (o->has_folder && o->npz) {
        uint8_t *other = malloc(bytes);
        if (!other)
            return ffcl_fail(err, FFCL_ENOMEM, "out of memory for an image");
        int has = ffcl_npz_get(o->npz, index, other), equal = has && !memcmp(rgb, other, bytes);
        free(other);
        if (has && !equal)      /* one of them is wrong, and no one knows which */
            return 0;
        rc = has ? 0 : ffcl_npz_put(o->npz, index, rgb, err);
        if (rc)
            return rc;
    } else if (!o->has_folder) {
        rc = o->npz ? get_npz(o, index, rgb, err) : 0;
        if (rc <= 0)
            return rc;
    }
    place(o, index, rgb);
    return 1;
}

size_t ffcl_outputs_adopted(const ffcl_outputs *o)
{
    return o->records ? ffcl_records_adopted(o->records) : 0;
}

int ffcl_outputs_has_file(const ffcl_outputs *o, size_t index, ffcl_error *err)
{
    char *path = file_path(o, index);
    if (!path)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for a path");
    int there = access(path, F_OK) == 0;
    free(path);
    return there;
}

int ffcl_outputs_commit(ffcl_outputs *o, ffcl_error *err)
{
    int rc = o->records ? ffcl_records_cut(o->records, o->count, err) : 0;
    if (rc == 0 && o->grid)
        rc = write_png(o, FFCL_METADATA_GRID, o->cfg->output.grid, o->grid, err);
    if (rc == 0 && o->npz)
        rc = ffcl_npz_commit(o->npz, err);
    if (rc == 0 && o->has_folder)
        rc = ffcl_atomic_flush_all(o->cfg->output.folder, err);
    return rc;
}

void ffcl_outputs_close(ffcl_outputs **outputs, int keep)
{
    if (!*outputs)
        return;
    ffcl_records_close(&(*outputs)->records);
    ffcl_npz_close(&(*outputs)->before, 1);
    ffcl_npz_close(&(*outputs)->npz, keep);
    free((*outputs)->grid);
    free(*outputs);
    *outputs = NULL;
}

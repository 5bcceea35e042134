/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "config_presets.h"
#include "config_table.h"
#include "config_value.h"
#include "files/atomic.h"
#include "files/ending.h"
#include "files/input.h"
#include "util.h"

enum { MOST_BYTES = 64 << 20 };     /* of an INI file: lists of classes may be long */

/* One key = value of the file.  Values are stored after the whole file is read. */
typedef struct ini_entry {
    char *section, *key, *value;
    int line;
    int continues;              /* a further line of the entry before it */
} ini_entry;

/* What inih reads from and reports to.  Its handler gets no line numbers, so the reader
 * counts lines and keeps the current one. */
typedef struct ini_source {
    FILE *stream;
    const char *path;
    char *text;                 /* the current line */
    size_t capacity, bytes;
    int line, header_line;      /* of the current line and of the last [section] */
    ini_entry *entries;
    size_t n_entries, capacity_entries;
    int status;                 /* of the reader or the handler; stops the reading */
    ffcl_error *err;
} ini_source;

static const char *skip_blanks(const char *text)
{
    return text + strspn(text, " \t\r\n\v\f");
}

/* inih's rule: an indented line continues the key before it in the section, if there is one. */
static int is_continuation(const ini_source *src)
{
    return src->n_entries && src->entries[src->n_entries - 1].line > src->header_line &&
           skip_blanks(src->text) > src->text;
}

/* Where an inline comment of text begins (a blank and ;), or its end. */
static size_t comment_start(const char *text)
{
    for (size_t i = 1; text[0] && text[i]; i++)
        if (text[i] == ';' && strchr(" \t", text[i - 1]))
            return i;
    return strlen(text);
}

/* What inih would pass over without a word: text behind a [section], and all behind a carriage
 * return, which old editors end lines with.  0, or -1 with *problem. */
static int check_unread(const char *text, const char *first, int continues, const char **problem)
{
    const char *end = *first == '[' && !continues ? strchr(first, ']') : NULL;
    *problem = NULL;
    if (strchr(text, '\r'))
        *problem = "the line has a carriage return in it: lines end with a line feed, or with both";
    else if (end && !strchr(";#", *skip_blanks(end + 1)))
        *problem = "there is something behind the [section]: a key has a line of its own";
    return *problem ? -1 : 0;
}

/* The fgets of inih: one line of the file into out (size bytes).  inih would silently split a
 * line that does not fit, hence the error here. */
static char *read_line(char *out, int size, void *user)
{
    ini_source *src = user;
    if (src->status)
        return NULL;
    ssize_t n = getline(&src->text, &src->capacity, src->stream);
    src->bytes += n > 0 ? (size_t)n : 0;
    if (src->bytes > MOST_BYTES) {          /* of standard input, whose size nobody knows before */
        src->status = ffcl_fail(src->err, FFCL_EFORMAT, "%s is too large for an INI file",
                                src->path);
        return NULL;
    }
    if (n < 0) {
        if (ferror(src->stream))
            src->status = ffcl_fail(src->err, FFCL_EFILE, "cannot read %s: %s", src->path,
                                    strerror(errno));
        else if (!feof(src->stream))
            src->status = ffcl_fail(src->err, FFCL_ENOMEM, "%s: host memory does not suffice",
                                    src->path);
        return NULL;
    }
    src->line++;
    size_t length = (size_t)n;
    while (length && strchr("\r\n", src->text[length - 1]) && src->text[length - 1])
        length--;
    if (memchr(src->text, '\0', length)) {
        src->status = ffcl_fail(src->err, FFCL_ECONFIG, "%s:%d: the line holds a zero byte; an INI "
                                "file is UTF-8 text", src->path, src->line);
        return NULL;
    }
    src->text[length] = '\0';
    const char *first = skip_blanks(src->text);
    if (*first == '[' && !is_continuation(src))
        src->header_line = src->line;

    const char *problem;
    if (check_unread(src->text, first, is_continuation(src), &problem)) {
        src->status = ffcl_fail(src->err, FFCL_ECONFIG, "%s:%d: %s", src->path, src->line,
                                problem);
        return NULL;
    }

    size_t room = (size_t)size - 2;     /* for the newline and the end */
    size_t kept = *first && strchr(";#", *first) ? 0 : comment_start(src->text);
    if (length > room && kept > room) {
        src->status = ffcl_fail(src->err, FFCL_ECONFIG, "%s:%d: the line has %zu characters, at "
                                "most %zu fit; a list of classes can continue in the next line, "
                                "which begins with a space", src->path, src->line, kept, room);
        return NULL;
    }
    if (length > room)
        length = kept;
    memcpy(out, src->text, length);
    memcpy(out + length, "\n", 2);
    return out;
}

/* The handler of inih: keeps the entry for later.  Returns 1, or 0 on failure. */
static int keep_entry(void *user, const char *section, const char *key, const char *value)
{
    ini_source *src = user;
    if (src->status || !key)
        return !src->status;
    if (src->n_entries == src->capacity_entries) {
        size_t capacity = src->capacity_entries ? src->capacity_entries * 2 : 32, bytes;
        ini_entry *list = NULL;
        if (!ffcl_mul(&bytes, capacity, sizeof *list))
            list = realloc(src->entries, bytes);
        if (!list)
            goto out;
        src->entries = list;
        src->capacity_entries = capacity;
    }
    ini_entry *e = &src->entries[src->n_entries];
    value = value ? value : "";
    e->line = src->line;
    e->continues = is_continuation(src);
    e->section = ffcl_format("%s", section);
    e->key = ffcl_format("%s", key);
    /* inih leaves comments in such lines. */
    size_t length = e->continues ? comment_start(value) : strlen(value);
    while (length && strchr(" \t", value[length - 1]))
        length--;
    e->value = ffcl_format("%.*s", (int)length, value);
    src->n_entries++;
    if (e->section && e->key && e->value)
        return 1;
out:
    src->status = ffcl_fail(src->err, FFCL_ENOMEM, "%s: host memory does not suffice", src->path);
    return 0;
}

static void close_source(ini_source *src)
{
    for (size_t i = 0; i < src->n_entries; i++) {
        free(src->entries[i].section);
        free(src->entries[i].key);
        free(src->entries[i].value);
    }
    free(src->entries);
    free(src->text);
    if (src->stream)
        fclose(src->stream);
}

static int read_entries(ini_source *src)
{
    int rc = 0;
    if (strcmp(src->path, "-")) {
        rc = ffcl_input_stream(&src->stream, src->path, MOST_BYTES, src->err);
        if (rc == FFCL_EFILE && ffcl_input_is_pipe(src->path))
            rc = ffcl_fail(src->err, rc, "cannot read %s: it is a pipe; ffcl - reads an INI file "
                           "from standard input", src->path);
    } else {
        src->path = "standard input";
        src->stream = fdopen(dup(STDIN_FILENO), "r");
        if (!src->stream)
            rc = ffcl_fail(src->err, FFCL_EFILE, "cannot read standard input: %s",
                           strerror(errno));
    }
    if (rc)
        return rc;
    int line = ini_parse_stream(read_line, src, keep_entry, src);
    if (src->status)
        return src->status;
    if (line > 0)
        return ffcl_fail(src->err, FFCL_ECONFIG, "%s:%d: the line is neither a [section], nor "
                         "key = value, nor a comment", src->path, line);
    if (line < 0)
        return ffcl_fail(src->err, FFCL_ENOMEM, "%s: host memory does not suffice", src->path);
    return 0;
}

/* Stores one "section.key=value" of a preset, unless somebody set the key. */
static int apply_preset_value(ffcl_config *cfg, const char *line, ffcl_error *err)
{
    const ffcl_config_source source = {.where = "preset", .folder = ""};
    char section[32], key[64];
    int at = 0;
    if (sscanf(line, "%31[^.].%63[^=]=%n", section, key, &at) != 2 || at == 0)
        return ffcl_fail(err, FFCL_ECONFIG, "preset: %s is no section.key=value", line);
    const ffcl_config_row *row = ffcl_config_find(section, key);
    if (!row)
        return ffcl_config_unknown("preset", section, key, err);
    unsigned char *origin = &cfg->origin[row - ffcl_config_rows];
    if (*origin > FFCL_BY_PRESET)
        return 0;
    *origin = FFCL_BY_PRESET;
    return ffcl_config_store(cfg, row, line + at, &source, err);
}

int ffcl_config_take_preset(ffcl_config *cfg, int preset, ffcl_error *err)
{
    const ffcl_config_source source = {.where = "default", .folder = ""};
    int rc = 0;
    /* One that is found by the tensors was given by nobody, whatever says auto. */
    if (cfg->model.preset == FFCL_PRESET_AUTO && preset != FFCL_PRESET_AUTO)
        cfg->origin[ffcl_config_find("model", "preset") - ffcl_config_rows] = FFCL_BY_DEFAULT;
    cfg->model.preset = preset;
    for (size_t i = 0; rc == 0 && i < ffcl_config_n_rows; i++) {
        if (cfg->origin[i] != FFCL_BY_PRESET)
            continue;
        cfg->origin[i] = FFCL_BY_DEFAULT;
        rc = ffcl_config_store(cfg, &ffcl_config_rows[i], ffcl_config_rows[i].initial, &source,
                               err);
    }
    const ffcl_preset *p = ffcl_preset_of(cfg);
    for (size_t i = 0; rc == 0 && p && p->values[i]; i++)
        rc = apply_preset_value(cfg, p->values[i], err);
    return rc;
}

static int is_preset(const ffcl_config_row *row)
{
    return row && row->offset == offsetof(struct ffcl_config, model.preset);
}

/* An earlier entry of the same key, or NULL. */
static const ini_entry *earlier(const ini_source *src, const ini_entry *e)
{
    for (const ini_entry *other = src->entries; other < e; other++)
        if (!other->continues && !strcmp(other->key, e->key) &&
            !strcmp(other->section, e->section))
            return other;
    return NULL;
}

static int apply_entry(ffcl_config *cfg, const ini_source *src, const ini_entry *e,
                       ffcl_config_source *source, ffcl_error *err)
{
    const ini_entry *next = e + 1 < src->entries + src->n_entries ? e + 1 : NULL;
    int is_condition = !strcmp(e->section, FFCL_CONFIG_CONDITION);
    const ffcl_config_row *row = ffcl_config_find(e->section, e->key);
    source->continues = e->continues;
    source->is_continued = next && next->continues;
    if (!row && !is_condition)
        return ffcl_config_unknown(source->where, e->section, e->key, err);
    if (e->continues && (is_condition || row->type != FFCL_TYPE_CLASSES))
        return ffcl_fail(err, FFCL_ECONFIG, "%s: an indented line continues the key above it, "
                         "and [%s] %s has one line only; remove the blanks at its start",
                         source->where, e->section, e->key);
    const ini_entry *first = e->continues ? NULL : earlier(src, e);
    if (first)
        return ffcl_fail(err, FFCL_ECONFIG, "%s: [%s] %s is already set at line %d",
                         source->where, e->section, e->key, first->line);
    if (is_condition)
        return ffcl_config_store_condition(cfg, e->key, e->value, source, err);
    cfg->origin[row - ffcl_config_rows] = FFCL_BY_FILE;
    return ffcl_config_store(cfg, row, e->value, source, err);
}

static int is_class_names(const ini_entry *e)
{
    const ffcl_config_row *row = ffcl_config_find(e->section, e->key);
    return row && row->offset == offsetof(struct ffcl_config, sampler.class_names);
}

/* Stores the entries of the file, the names of classes before what may use them, then what the
 * preset stands for. */
static int apply_entries(ffcl_config *cfg, const ini_source *src, const char *folder,
                         ffcl_error *err)
{
    int rc = 0;
    for (size_t k = 0; k < 2 * src->n_entries && !rc; k++) {
        const ini_entry *e = &src->entries[k % src->n_entries];
        if (is_class_names(e) != (k < src->n_entries))
            continue;
        ffcl_config_source source = {.folder = folder};
        char *where = ffcl_format("%s:%d", src->path, e->line);
        if (!where)
            return ffcl_fail(err, FFCL_ENOMEM, "%s: host memory does not suffice", src->path);
        source.where = where;
        rc = apply_entry(cfg, src, e, &source, err);
        free(where);
    }
    return rc ? rc : ffcl_config_take_preset(cfg, cfg->model.preset, err);
}

static int apply_defaults(ffcl_config *cfg, const char *folder, ffcl_error *err)
{
    const ffcl_config_source source = {.where = "default", .folder = folder};
    for (size_t i = 0; i < ffcl_config_n_rows; i++) {
        int rc = ffcl_config_store(cfg, &ffcl_config_rows[i], ffcl_config_rows[i].initial, &source,
                                   err);
        if (rc)
            return rc;
    }
    return 0;
}

/* The folder of the INI file, or "" for the current one, so that its files are cited as
 * "a.pt" and not as "./a.pt".  NULL when memory is short. */
static char *ini_folder(const char *path)
{
    return path && strchr(path, '/') ? ffcl_path_dir(path) : ffcl_format("%s", "");
}

int ffcl_config_open(ffcl_config **out, const char *path, ffcl_error *err)
{
    int rc;
    ini_source src = {.path = path, .err = err};
    char *folder = ini_folder(path);
    ffcl_config *cfg = calloc(1, sizeof *cfg);
    *out = NULL;
    if (cfg && path)
        cfg->path = ffcl_format("%s", path);
    if (!folder || !cfg || (path && !cfg->path)) {
        rc = ffcl_fail(err, FFCL_ENOMEM, "host memory does not suffice for the configuration");
        goto out;
    }
    rc = apply_defaults(cfg, folder, err);
    if (!rc && path)
        rc = read_entries(&src);
    if (!rc)
        rc = apply_entries(cfg, &src, folder, err);
out:
    close_source(&src);
    free(folder);
    if (rc)
        ffcl_config_close(&cfg);
    *out = cfg;
    return rc;
}

/* A copy of the length bytes at text without blanks around them. */
static char *trimmed(const char *text, size_t length)
{
    while (length && strchr(" \t", *text)) {
        text++;
        length--;
    }
    while (length && strchr(" \t", text[length - 1]))
        length--;
    return ffcl_format("%.*s", (int)length, text);
}

/* "x=y" has no section: says the form, and the section where x is known. */
static int bad_assignment(const char *assignment, ffcl_error *err)
{
    size_t length = strcspn(assignment, "=");
    for (size_t i = 0; assignment[length] && i < ffcl_config_n_rows; i++) {
        const ffcl_config_row *row = &ffcl_config_rows[i];
        if (strlen(row->key) == length && !strncmp(row->key, assignment, length))
            return ffcl_fail(err, FFCL_EUSAGE, "%.80s is not of the form section.key=value; did "
                             "you mean %s.%.80s?", assignment, row->section, assignment);
    }
    return ffcl_fail(err, FFCL_EUSAGE, "%.80s is not of the form section.key=value", assignment);
}

int ffcl_config_set(ffcl_config *cfg, const char *assignment, ffcl_error *err)
{
    int rc;
    const char *equals = strchr(assignment, '=');
    const char *dot = equals ? memchr(assignment, '.', (size_t)(equals - assignment)) : NULL;
    if (!dot)
        return bad_assignment(assignment, err);
    /* A long value (a list of classes) would bury the sentence. */
    char *where = ffcl_format("%.80s%s", assignment, strlen(assignment) > 80 ? "..." : "");
    char *section = trimmed(assignment, (size_t)(dot - assignment));
    char *key = trimmed(dot + 1, (size_t)(equals - dot - 1));
    char *value = trimmed(equals + 1, strlen(equals + 1));
    char *folder = ini_folder(cfg->path);
    if (!where || !section || !key || !value || !folder) {
        rc = ffcl_fail(err, FFCL_ENOMEM, "host memory does not suffice for an override");
        goto out;
    }
    const ffcl_config_source source = {.where = where, .folder = folder, .is_override = 1};
    const ffcl_config_row *row = ffcl_config_find(section, key);
    if (row) {
        rc = ffcl_config_store(cfg, row, value, &source, err);
        if (!rc)
            cfg->origin[row - ffcl_config_rows] = FFCL_BY_COMMAND;
    }
    else if (!strcmp(section, FFCL_CONFIG_CONDITION))
        rc = ffcl_config_store_condition(cfg, key, value, &source, err);
    else
        rc = ffcl_config_unknown(where, section, key, err);
    if (!rc && is_preset(row))
        rc = ffcl_config_take_preset(cfg, cfg->model.preset, err);
out:
    free(where);
    free(section);
    free(key);
    free(value);
    free(folder);
    return rc;
}

size_t ffcl_config_count(const ffcl_config *cfg)
{
    return cfg->sampler.count ? cfg->sampler.count : cfg->sampler.n_classes;
}

int ffcl_config_keeps_samples(const ffcl_config *cfg)
{
    return cfg->output.folder || cfg->output.npz;
}

int ffcl_config_evaluates(const ffcl_config *cfg)
{
    return strcmp(cfg->eval.reference, "off") != 0;
}

int ffcl_config_has_metadata(const ffcl_config *cfg)
{
    return (cfg->output.grid && cfg->output.metadata != FFCL_METADATA_NONE) ||
           (cfg->output.folder && cfg->output.metadata == FFCL_METADATA_ALL);
}

int ffcl_config_is_invariant(const ffcl_config *cfg)
{
    return ffcl_config_keeps_samples(cfg) || ffcl_config_evaluates(cfg) ||
           cfg->output.metadata == FFCL_METADATA_ALL;
}

size_t ffcl_config_threads(const ffcl_config *cfg)
{
    enum { MOST = 1024 };
    return cfg->output.threads ? cfg->output.threads : ffcl_min(ffcl_cores(), MOST);
}

int ffcl_config_feeds_interval(const ffcl_config *cfg)
{
    const ffcl_preset *preset = ffcl_preset_of(cfg);
    for (const char *const *line = preset ? preset->embedders : NULL; line && *line; line++)
        if (strstr(*line, "=t_min") || strstr(*line, "=t_max"))
            return 1;
    for (size_t i = 0; i < cfg->n_conditions; i++)
        if (cfg->conditions[i].kind == FFCL_INPUT_T_MIN ||
            cfg->conditions[i].kind == FFCL_INPUT_T_MAX)
            return 1;
    return 0;
}

int ffcl_config_draws_later(const ffcl_config *cfg)
{
    const ffcl_solver solver = cfg->sampler.solver;
    return solver == FFCL_SOLVER_SDE || solver == FFCL_SOLVER_SDE_HEUN ||
           (solver == FFCL_SOLVER_RENOISE && (cfg->sampler.steps > 1 ||
                                              strcmp(cfg->sampler.times, "uniform")));
}

size_t ffcl_config_draw_batch(const ffcl_config *cfg)
{
    enum { SCRIPTS_OWN = 32 };  /* sample_ddp.py's default */
    if (cfg->sampler.draw_batch)
        return cfg->sampler.draw_batch;
    if (cfg->sampler.rng != FFCL_RNG_TORCH_CUDA)
        return cfg->sampler.kind == FFCL_CLASSES_RANDOM || !ffcl_config_draws_later(cfg)
                   ? SCRIPTS_OWN : ffcl_min(SCRIPTS_OWN, ffcl_max(ffcl_config_count(cfg), 1));
    return cfg->sampler.batch ? cfg->sampler.batch
                              : ffcl_div_up(ffcl_config_count(cfg), cfg->sampler.world);
}

int ffcl_config_check(const ffcl_config *cfg, ffcl_error *err)
{
    const struct {
        const char *key, *path, *ending, *format;
    } files[] = {
        {"[output] grid =", cfg->output.grid, ".png", "a PNG"},
        {"[output] folder =", cfg->output.folder, NULL, ""},
        {"[output] npz =", cfg->output.npz, ".npz", "a NumPy archive"},
        {"[eval] save_stats =", cfg->eval.save_stats, ".npz", "a NumPy archive"},
    };
    int rc = 0;
    for (size_t i = 0; !rc && i < sizeof files / sizeof *files; i++)
        rc = ffcl_check_ending(files[i].key, files[i].path, files[i].ending, files[i].format,
                               FFCL_ECONFIG, err);
    if (rc)
        return rc;
    const int shared = cfg->sampler.rank != FFCL_ALL_RANKS;
    if (!ffcl_config_count(cfg))
        return ffcl_fail(err, FFCL_ECONFIG, "[sampler] classes = %s needs a number of images: "
                         "set [sampler] count", cfg->sampler.kind == FFCL_CLASSES_RANDOM
                         ? "random" : "balanced");
    if (shared && cfg->sampler.rank >= cfg->sampler.world)
        return ffcl_fail(err, FFCL_ECONFIG, "[sampler] rank = %zu is none of world = %zu, which "
                         "has ranks 0 to %zu", cfg->sampler.rank, cfg->sampler.world,
                         cfg->sampler.world - 1);
    if (cfg->sampler.cuda_threads % 256)
        return ffcl_fail(err, FFCL_ECONFIG, "[sampler] cuda_threads = %zu is no multiple of 256",
                         cfg->sampler.cuda_threads);
    if (cfg->eval.save_stats && !ffcl_config_evaluates(cfg))
        return ffcl_fail(err, FFCL_ECONFIG, "[eval] save_stats needs [eval] reference, which is "
                         "off: none has statistics computed that are compared with nothing");
    if (shared && cfg->sampler.world > 1 && cfg->output.grid)
        return ffcl_fail(err, FFCL_ECONFIG, "[output] grid needs all images, and [sampler] rank "
                         "makes a share of them: leave grid empty");
    if (shared && cfg->sampler.world > 1 && cfg->output.npz && !cfg->output.folder)
        return ffcl_fail(err, FFCL_ECONFIG, "[output] npz needs all images, and [sampler] rank "
                         "makes a share of them: set [output] folder, which the ranks share, and "
                         "the last of them makes the npz");
    if (shared && cfg->sampler.world > 1 && ffcl_config_evaluates(cfg) && !cfg->output.folder)
        return ffcl_fail(err, FFCL_ECONFIG, "[eval] reference needs all images, and [sampler] rank "
                         "makes a share of them: set [output] folder, which the ranks share, and "
                         "the last of them evaluates it");
    const size_t index = cfg->sampler.index;
    if (index != FFCL_ALL_RANKS && (shared || ffcl_config_keeps_samples(cfg) ||
                                    ffcl_config_evaluates(cfg) ||
                                    strcmp(cfg->output.compare, "none") != 0))
        return ffcl_fail(err, FFCL_ECONFIG, "[sampler] index = %zu makes a grid of one image: "
                         "leave [output] folder and npz empty, compare = none, [eval] reference "
                         "off and rank = all", index);
    if (index != FFCL_ALL_RANKS && index >= ffcl_config_count(cfg))
        return ffcl_fail(err, FFCL_ECONFIG, "[sampler] index = %zu is out of range (0 to %zu): "
                         "count says how many images there are", index,
                         ffcl_config_count(cfg) - 1);
    return 0;
}

int ffcl_config_profile(ffcl_config *cfg, ffcl_profile_mode mode, const char *trace,
                        ffcl_error *err)
{
    ffcl_atomic_file trial = {0};
    int rc = trace ? ffcl_atomic_open(&trial, trace, err) : 0;
    ffcl_atomic_discard(&trial);
    if (rc)
        return rc;
    char *copy = trace ? ffcl_format("%s", trace) : NULL;
    if (trace && !copy)
        return ffcl_fail(err, FFCL_ENOMEM, "host memory does not suffice for the configuration");
    free(cfg->profile.trace);
    cfg->profile.trace = copy;
    cfg->profile.mode = mode;
    return 0;
}

void ffcl_config_dry_run(ffcl_config *cfg)
{
    cfg->is_dry = 1;
}

int ffcl_config_trials(ffcl_config *cfg, const char *program, ffcl_error *err)
{
    char *copy = program ? ffcl_format("%s", program) : NULL;
    if (program && !copy)
        return ffcl_fail(err, FFCL_ENOMEM, "host memory does not suffice for the configuration");
    free(cfg->trial_program);
    cfg->trial_program = copy;
    return 0;
}

int ffcl_config_copy(ffcl_config **out, const ffcl_config *cfg, ffcl_error *err)
{
    int bad = 0;
    ffcl_config *copy = malloc(sizeof *copy);
    *out = NULL;
    if (!copy)
        return ffcl_fail(err, FFCL_ENOMEM, "host memory does not suffice for the configuration");
    /* Every pointer is replaced before any failure is acted on: close must not see cfg's. */
    *copy = *cfg;
    copy->path = cfg->path ? ffcl_format("%s", cfg->path) : NULL;
    copy->profile.trace = cfg->profile.trace ? ffcl_format("%s", cfg->profile.trace) : NULL;
    copy->trial_program = cfg->trial_program ? ffcl_format("%s", cfg->trial_program) : NULL;
    bad |= cfg->trial_program && !copy->trial_program;
    bad |= (cfg->path && !copy->path) || (cfg->profile.trace && !copy->profile.trace);
    for (size_t i = 0; i < ffcl_config_n_rows; i++) {
        char **text = ffcl_config_string(copy, &ffcl_config_rows[i]);
        if (!text || !*text)
            continue;
        *text = ffcl_format("%s", *text);
        bad |= !*text;
    }
    copy->sampler.class_text = cfg->sampler.class_text ? ffcl_format("%s", cfg->sampler.class_text)
                                                       : NULL;
    bad |= cfg->sampler.class_text && !copy->sampler.class_text;
    copy->sampler.classes = NULL;
    if (cfg->sampler.n_classes) {
        copy->sampler.classes = malloc(cfg->sampler.n_classes * sizeof *cfg->sampler.classes);
        bad |= !copy->sampler.classes;
    }
    copy->conditions = calloc(cfg->n_conditions + 1, sizeof *copy->conditions);
    if (bad || !copy->conditions) {
        copy->n_conditions = 0;
        ffcl_config_close(&copy);
        return ffcl_fail(err, FFCL_ENOMEM, "host memory does not suffice for the configuration");
    }
    if (cfg->sampler.n_classes)
        memcpy(copy->sampler.classes, cfg->sampler.classes,
               cfg->sampler.n_classes * sizeof *cfg->sampler.classes);
    for (size_t i = 0; i < cfg->n_conditions; i++) {
        copy->conditions[i] = cfg->conditions[i];
        copy->conditions[i].prefix = ffcl_format("%s", cfg->conditions[i].prefix);
        bad |= !copy->conditions[i].prefix;
    }
    if (bad) {
        ffcl_config_close(&copy);
        return ffcl_fail(err, FFCL_ENOMEM, "host memory does not suffice for the configuration");
    }
    *out = copy;
    return 0;
}

void ffcl_config_close(ffcl_config **cfg)
{
    ffcl_config *c = *cfg;
    if (!c)
        return;
    for (size_t i = 0; i < ffcl_config_n_rows; i++) {
        char **text = ffcl_config_string(c, &ffcl_config_rows[i]);
        if (text)
            free(*text);
    }
    for (size_t i = 0; i < c->n_conditions; i++)
        free(c->conditions[i].prefix);
    free(c->conditions);
    free(c->sampler.classes);
    free(c->sampler.class_text);
    free(c->path);
    free(c->profile.trace);
    free(c->trial_program);
    free(c);
    *cfg = NULL;
}

const ffcl_condition *ffcl_config_given_condition(const ffcl_config *cfg, const char *prefix)
{
    for (size_t i = 0; i < cfg->n_conditions; i++)
        if (!strcmp(cfg->conditions[i].prefix, prefix))
            return &cfg->conditions[i];
    return NULL;
}

int ffcl_config_condition(const ffcl_config *cfg, const char *prefix, ffcl_condition *out)
{
    const ffcl_condition *given = ffcl_config_given_condition(cfg, prefix);
    const ffcl_preset *preset = ffcl_preset_of(cfg);
    const char *text = preset ? ffcl_preset_embedder(preset, prefix, NULL) : NULL;
    if (given) {
        *out = *given;
        return 0;
    }
    /* The prefix is lent, as that of an entry is. */
    *out = (ffcl_condition){.prefix = (char *)prefix, .origin = FFCL_BY_PRESET};
    return text ? ffcl_config_parse_input(text, out) : -1;
}

/* SPDX-License-Identifier: MIT */
#include "tuning.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/atomic.h"
#include "files/input.h"
#include "os/paths.h"
#include "util.h"

#define NONE FFCL_TUNING_NO_CHOICE

/* Names and values as CLBlast's kernels have them; its own tuners try about the same. */
const ffcl_tuning_row ffcl_tuning_rows[FFCL_TUNING_ROWS] = {
    {"Xgemm", "GEMMK", 1, {0, 1, NONE}},
    {"Xgemm", "KREG", 0, {1, 2, 4, 8, 16, NONE}},
    {"Xgemm", "KWG", 0, {1, 8, 16, 32, 64, NONE}},
    {"Xgemm", "KWI", 0, {1, 2, 4, 8, NONE}},
    {"Xgemm", "MDIMA", 0, {1, 2, 4, 8, 16, 32, NONE}},
    {"Xgemm", "MDIMC", 0, {1, 2, 4, 8, 16, 32, NONE}},
    {"Xgemm", "MWG", 0, {16, 32, 64, 128, 256, NONE}},
    {"Xgemm", "NDIMB", 0, {1, 2, 4, 8, 16, 32, NONE}},
    {"Xgemm", "NDIMC", 0, {1, 2, 4, 8, 16, 32, NONE}},
    {"Xgemm", "NWG", 0, {16, 32, 64, 128, 256, NONE}},
    {"Xgemm", "SA", 1, {0, 1, NONE}},
    {"Xgemm", "SB", 1, {0, 1, NONE}},
    {"Xgemm", "STRM", 1, {0, 1, NONE}},
    {"Xgemm", "STRN", 1, {0, 1, NONE}},
    {"Xgemm", "VWM", 1, {1, 2, 4, 8, 16, NONE}},
    {"Xgemm", "VWN", 1, {1, 2, 4, 8, 16, NONE}},
    {"XgemmDirect", "KWID", 0, {1, 2, 4, 8, 16, NONE}},
    {"XgemmDirect", "MDIMAD", 0, {1, 2, 4, 8, 16, 32, NONE}},
    {"XgemmDirect", "MDIMCD", 0, {1, 2, 4, 8, 16, 32, NONE}},
    {"XgemmDirect", "NDIMBD", 0, {1, 2, 4, 8, 16, 32, NONE}},
    {"XgemmDirect", "NDIMCD", 0, {1, 2, 4, 8, 16, 32, NONE}},
    {"XgemmDirect", "PADA", 1, {0, 1, NONE}},
    {"XgemmDirect", "PADB", 1, {0, 1, NONE}},
    {"XgemmDirect", "VWMD", 1, {1, 2, 4, 8, NONE}},
    {"XgemmDirect", "VWND", 1, {1, 2, 4, 8, NONE}},
    {"XgemmDirect", "WGD", 0, {8, 16, 32, 64, NONE}},
    {"Copy", "COPY_DIMX", 0, {8, 16, 32, NONE}},
    {"Copy", "COPY_DIMY", 0, {1, 4, 8, 16, 32, NONE}},
    {"Copy", "COPY_VW", 1, {1, 2, 4, 8, NONE}},
    {"Copy", "COPY_WPT", 0, {1, 2, 4, 8, NONE}},
    {"Pad", "PAD_DIMX", 0, {8, 16, 32, NONE}},
    {"Pad", "PAD_DIMY", 0, {1, 4, 8, 16, 32, NONE}},
    {"Pad", "PAD_WPTX", 0, {1, 2, 4, NONE}},
    {"Pad", "PAD_WPTY", 0, {1, 2, 4, NONE}},
    {"Transpose", "TRA_DIM", 0, {4, 8, 16, 32, NONE}},
    {"Transpose", "TRA_PAD", 1, {0, 1, NONE}},
    {"Transpose", "TRA_SHUFFLE", 1, {0, 1, NONE}},
    {"Transpose", "TRA_WPT", 1, {1, 2, 4, 8, NONE}},
    {"Padtranspose", "PADTRA_PAD", 1, {0, 1, NONE}},
    {"Padtranspose", "PADTRA_TILE", 0, {4, 8, 16, 32, NONE}},
    {"Padtranspose", "PADTRA_WPT", 0, {1, 2, 4, 8, NONE}},
    {"GemmRoutine", "XGEMM_MIN_INDIRECT_SIZE", 0, {1, NONE}},
};

void ffcl_tuning_clear(ffcl_tuning *t)
{
    for (size_t i = 0; i < FFCL_TUNING_ROWS; i++)
        t->value[i] = FFCL_TUNING_UNSET;
}

size_t ffcl_tuning_find(const char *name)
{
    size_t i = 0;
    while (i < FFCL_TUNING_ROWS && strcmp(ffcl_tuning_rows[i].name, name) != 0)
        i++;
    return i;
}

size_t ffcl_tuning_end(size_t first)
{
    size_t end = first;
    while (end < FFCL_TUNING_ROWS &&
           strcmp(ffcl_tuning_rows[end].kernel, ffcl_tuning_rows[first].kernel) == 0)
        end++;
    return end;
}

void ffcl_tuning_merge(ffcl_tuning *to, const ffcl_tuning *from)
{
    for (size_t i = 0; i < FFCL_TUNING_ROWS; i++)
        if (from->value[i] != FFCL_TUNING_UNSET)
            to->value[i] = from->value[i];
}

int ffcl_tuning_is_empty(const ffcl_tuning *t)
{
    for (size_t i = 0; i < FFCL_TUNING_ROWS; i++)
        if (t->value[i] != FFCL_TUNING_UNSET)
            return 0;
    return 1;
}

char *ffcl_tuning_line(const ffcl_tuning *t)
{
    char *line = ffcl_format("%s", "");
    for (size_t i = 0; line && i < FFCL_TUNING_ROWS; i++) {
        if (t->value[i] == FFCL_TUNING_UNSET)
            continue;
        char *longer = ffcl_format("%s%s%s=%zu", line, *line ? " " : "", ffcl_tuning_rows[i].name,
                                   t->value[i]);
        free(line);
        line = longer;
    }
    return line;
}

void ffcl_tuning_id(const ffcl_tuning *t, char id[9])
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < FFCL_TUNING_ROWS; i++)
        for (int k = 0; k < 4; k++)
            h = (h ^ (uint32_t)(t->value[i] >> 8 * k & 255)) * 16777619u;
    snprintf(id, 9, "%08x", (unsigned)h);
}

/* ---- which sets are legal ------------------------------------------------------------------ */

static size_t get(const ffcl_tuning *t, const char *name)
{
    return t->value[ffcl_tuning_find(name)];
}

/* a must be a multiple of b * c / d; absent names count as 1. */
typedef struct rule {
    const char *a, *b, *c, *d;
    int only_gemmk;             /* for that GEMMK alone; -1: always */
} rule;

static const rule rules[] = {
    {"KWG", "KWI", NULL, NULL, -1},
    {"MWG", "MDIMC", "VWM", NULL, -1},
    {"NWG", "NDIMC", "VWN", NULL, -1},
    {"MWG", "MDIMA", "VWM", NULL, -1},
    {"NWG", "NDIMB", "VWN", NULL, -1},
    {"KWG", "MDIMC", "NDIMC", "MDIMA", 0},
    {"KWG", "MDIMC", "NDIMC", "NDIMB", 0},
    {"KREG", "VWN", NULL, NULL, 1},
    {"MDIMC", "MDIMA", NULL, NULL, 1},
    {"MDIMA", "MDIMC", NULL, NULL, 1},
    {"NDIMC", "NDIMB", NULL, NULL, 1},
    {"NDIMB", "NDIMC", NULL, NULL, 1},
    {"WGD", "KWID", NULL, NULL, -1},
    {"WGD", "MDIMCD", "VWMD", NULL, -1},
    {"WGD", "NDIMCD", "VWND", NULL, -1},
    {"WGD", "MDIMAD", "VWMD", NULL, -1},
    {"WGD", "NDIMBD", "VWND", NULL, -1},
    {"WGD", "MDIMCD", "NDIMCD", "MDIMAD", -1},
    {"WGD", "MDIMCD", "NDIMCD", "NDIMBD", -1},
};

static size_t get_or_1(const ffcl_tuning *t, const char *name)
{
    return name ? get(t, name) : 1;
}

static int check_rules(const ffcl_tuning *t, const char *kernel, ffcl_error *err)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        const rule *r = &rules[i];
        if (strcmp(ffcl_tuning_rows[ffcl_tuning_find(r->a)].kernel, kernel) != 0 ||
            (r->only_gemmk >= 0 && get(t, "GEMMK") != (size_t)r->only_gemmk))
            continue;
        size_t divisor = get_or_1(t, r->b) * get_or_1(t, r->c), by = get_or_1(t, r->d);
        if (divisor % by || divisor < by || get(t, r->a) % (divisor / by))
            return ffcl_fail(err, FFCL_ECONFIG, "%s: %s = %zu is no multiple of %s%s%s%s%s", kernel,
                             r->a, get(t, r->a), r->b, r->c ? " * " : "", r->c ? r->c : "",
                             r->d ? " / " : "", r->d ? r->d : "");
    }
    return 0;
}

/* Work-items of a work-group and bytes of local memory. */
static void needs(const ffcl_tuning *t, const char *kernel, size_t *items, size_t *bytes)
{
    *items = *bytes = 0;
    if (strcmp(kernel, "Xgemm") == 0) {
        *items = get(t, "MDIMC") * get(t, "NDIMC");
        *bytes = 4 * get(t, "KWG") * (get(t, "SA") * get(t, "MWG") + get(t, "SB") * get(t, "NWG"));
    } else if (strcmp(kernel, "XgemmDirect") == 0) {
        *items = get(t, "MDIMCD") * get(t, "NDIMCD");
        *bytes = 4 * get(t, "WGD") * (2 * get(t, "WGD") + get(t, "PADA") + get(t, "PADB"));
    } else if (strcmp(kernel, "Copy") == 0) {
        *items = get(t, "COPY_DIMX") * get(t, "COPY_DIMY");
    } else if (strcmp(kernel, "Pad") == 0) {
        *items = get(t, "PAD_DIMX") * get(t, "PAD_DIMY");
    } else if (strcmp(kernel, "Transpose") == 0) {
        size_t dim = get(t, "TRA_DIM"), each = get(t, "TRA_WPT");
        *items = dim * dim;
        *bytes = 4 * each * each * dim * (dim + get(t, "TRA_PAD"));
    } else if (strcmp(kernel, "Padtranspose") == 0) {
        size_t side = get(t, "PADTRA_WPT") * get(t, "PADTRA_TILE");
        *items = get(t, "PADTRA_TILE") * get(t, "PADTRA_TILE");
        *bytes = 4 * side * (side + get(t, "PADTRA_PAD"));
    }
}

static int is_choice(const ffcl_tuning_row *row, size_t value)
{
    for (size_t i = 0; row->choices[i] != NONE; i++)
        if (row->choices[i] == value)
            return 1;
    return 0;
}

int ffcl_tuning_check(const ffcl_tuning *t, size_t first, const ffcl_caps *caps, ffcl_error *err)
{
    const char *kernel = ffcl_tuning_rows[first].kernel;
    size_t items, bytes;
    for (size_t i = first; i < ffcl_tuning_end(first); i++) {
        const ffcl_tuning_row *row = &ffcl_tuning_rows[i];
        if (t->value[i] == FFCL_TUNING_UNSET)
            return ffcl_fail(err, FFCL_ECONFIG, "%s has no value for %s", kernel, row->name);
        if (row->is_strict ? !is_choice(row, t->value[i])
                           : t->value[i] == 0 || t->value[i] > 65534)
            return ffcl_fail(err, FFCL_ECONFIG, "%s: %s = %zu is no value that CLBlast has", kernel,
                             row->name, t->value[i]);
    }
    int rc = check_rules(t, kernel, err);
    if (rc || !caps)
        return rc;
    needs(t, kernel, &items, &bytes);
    if (items > caps->max_work_group)
        return ffcl_fail(err, FFCL_ECONFIG, "%s needs work-groups of %zu, and %s has at most %zu",
                         kernel, items, caps->name, caps->max_work_group);
    if (bytes > caps->local_bytes)
        return ffcl_fail(err, FFCL_ECONFIG, "%s needs %zu bytes of local memory, and %s has %llu",
                         kernel, bytes, caps->name, (unsigned long long)caps->local_bytes);
    return 0;
}

/* ---- where a set is at home ---------------------------------------------------------------- */

void ffcl_tuning_home_of(ffcl_tuning_home *home, const ffcl_device *device, const char *library)
{
    const ffcl_caps *c = &device->caps;
    snprintf(home->device, sizeof home->device, "%s, %s", c->name, c->version);
    snprintf(home->platform, sizeof home->platform, "%s, %.127s", c->platform, c->platform_version);
    snprintf(home->driver, sizeof home->driver, "%s", c->driver);
    snprintf(home->library, sizeof home->library, "%s", library);
}

typedef struct place {
    const char *name;
    size_t at, size;
} place;

static const place places[] = {
    {"device", offsetof(ffcl_tuning_home, device), sizeof((ffcl_tuning_home *)0)->device},
    {"platform", offsetof(ffcl_tuning_home, platform), sizeof((ffcl_tuning_home *)0)->platform},
    {"driver", offsetof(ffcl_tuning_home, driver), sizeof((ffcl_tuning_home *)0)->driver},
    {"library", offsetof(ffcl_tuning_home, library), sizeof((ffcl_tuning_home *)0)->library},
};
enum { PLACES = sizeof places / sizeof *places };

static const char *text_at(const ffcl_tuning_home *home, const place *p)
{
    return (const char *)home + p->at;
}

void ffcl_tuning_home_differs(const ffcl_tuning_home *file, const ffcl_tuning_home *here,
                              char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < PLACES && used < size; i++) {
        const char *a = text_at(file, &places[i]), *b = text_at(here, &places[i]);
        if (*a && strcmp(a, b) != 0)
            used += (size_t)snprintf(text + used, size - used, "%s%s is \"%s\", not \"%s\"",
                                     used ? "; " : "", places[i].name, b, a);
    }
}

char *ffcl_tuning_path(const ffcl_tuning_home *home, const char *ending)
{
    char slug[41] = "";
    size_t n = 0;
    uint64_t h = 1469598103934665603u;
    for (size_t i = 0; i < PLACES; i++)
        for (const char *p = text_at(home, &places[i]);; p++) {
            h = (h ^ (unsigned char)*p) * 1099511628211u;
            if (!*p)
                break;
        }
    for (const char *p = home->device; *p && *p != ',' && n + 1 < sizeof slug; p++)
        if (isalnum((unsigned char)*p))
            slug[n++] = (char)tolower((unsigned char)*p);
        else if (n && slug[n - 1] != '-')
            slug[n++] = '-';
    const char *xdg = getenv("XDG_CONFIG_HOME"), *user = getenv("HOME");
    int has_xdg = xdg && ffcl_path_is_absolute(xdg);
    if (!has_xdg && (!user || !*user))
        return NULL;
    return ffcl_format("%s%s/ffcl/tuning/%s-%08llx%s", has_xdg ? xdg : user,
                       has_xdg ? "" : "/.config", slug, (unsigned long long)(h >> 32), ending);
}

/* ---- files --------------------------------------------------------------------------------- */

/* A file being read. */
typedef struct reader {
    ffcl_tuning *t;
    ffcl_tuning_home *home;
    const char *path;
    int line;
    int is_home;                /* in [for] */
    size_t first;               /* of the kernel whose section this is; ROWS: none yet */
    int begun[FFCL_TUNING_ROWS];    /* line of the section that begins with this row; 0: none */
    ffcl_error *err;
} reader;

static int bad_line(const reader *r, const char *sentence, const char *what)
{
    return ffcl_fail(r->err, FFCL_ECONFIG, "%s:%d: %s%s%.80s", r->path, r->line, sentence,
                     *what ? " " : "", what);
}

static int begin_section(reader *r, char *text)
{
    char *end = strchr(text, ']');
    if (!end || end[1])
        return bad_line(r, "the line is neither a [section] nor name = value", "");
    *end = '\0';
    r->is_home = strcmp(text + 1, "for") == 0;
    r->first = 0;
    while (!r->is_home && r->first < FFCL_TUNING_ROWS &&
           strcmp(ffcl_tuning_rows[r->first].kernel, text + 1) != 0)
        r->first++;
    if (r->first == FFCL_TUNING_ROWS)
        return bad_line(r, "CLBlast has no GEMM kernel called", text + 1);
    if (!r->is_home && r->begun[r->first])
        return bad_line(r, "a second section of", text + 1);
    if (!r->is_home)
        r->begun[r->first] = r->line;
    return 0;
}

static int take_home(const reader *r, const char *name, const char *value)
{
    for (size_t i = 0; i < PLACES; i++)
        if (strcmp(places[i].name, name) == 0) {
            snprintf((char *)r->home + places[i].at, places[i].size, "%s", value);
            return 0;
        }
    return bad_line(r, "[for] has device, platform, driver and library, and not", name);
}

static int take_value(reader *r, const char *name, const char *value)
{
    char *end = NULL;
    size_t row = ffcl_tuning_find(name);
    if (r->first == FFCL_TUNING_ROWS)
        return bad_line(r, "before the first [section] stands", name);
    if (row < r->first || row >= ffcl_tuning_end(r->first)) {
        char sentence[80];
        snprintf(sentence, sizeof sentence, "%s has no parameter",
                 ffcl_tuning_rows[r->first].kernel);
        return bad_line(r, sentence, name);
    }
    if (r->t->value[row] != FFCL_TUNING_UNSET)
        return bad_line(r, "a second value for", name);
    unsigned long number = isdigit((unsigned char)*value) ? strtoul(value, &end, 10) : 0;
    if (!end || *end || number > 65534)
        return bad_line(r, "a whole number from 0 to 65534 is wanted, not", value);
    r->t->value[row] = number;
    return 0;
}

static char *trim(char *text)
{
    size_t n = strlen(text);
    while (n && isspace((unsigned char)text[n - 1]))
        text[--n] = '\0';
    return text + strspn(text, " \t");
}

static int take_line(reader *r, char *line)
{
    char *text = trim(line);
    if (!*text || *text == '#' || *text == ';')
        return 0;
    if (*text == '[')
        return begin_section(r, text);
    char *equals = strchr(text, '=');
    if (!equals)
        return bad_line(r, "the line is neither a [section] nor name = value", "");
    *equals = '\0';
    const char *name = trim(text), *value = trim(equals + 1);
    return r->is_home ? take_home(r, name, value) : take_value(r, name, value);
}

/* Every section that was begun must be whole and legal. */
static int check_sections(reader *r)
{
    for (size_t i = 0; i < FFCL_TUNING_ROWS; i++) {
        ffcl_error why = {0, ""};
        if (!r->begun[i] || !ffcl_tuning_check(r->t, i, NULL, &why))
            continue;
        r->line = r->begun[i];
        return ffcl_fail(r->err, FFCL_ECONFIG, "%s:%d: %.400s", r->path, r->line, why.text);
    }
    return 0;
}

/* The most bytes of a file; ffcl tune writes less than one in a hundred of them. */
enum { MOST_BYTES = 1 << 20 };

int ffcl_tuning_read(ffcl_tuning *t, ffcl_tuning_home *home, const char *path, ffcl_error *err)
{
    reader r = {.t = t, .home = home, .path = path, .first = FFCL_TUNING_ROWS, .err = err};
    char *line = NULL;
    size_t room = 0;
    int rc = 0;
    ffcl_tuning_clear(t);
    memset(home, 0, sizeof *home);
    FILE *f = NULL;
    rc = ffcl_input_stream(&f, path, MOST_BYTES, err);
    if (rc)
        return rc;
    while (rc == 0 && getline(&line, &room, f) >= 0) {
        r.line++;
        rc = take_line(&r, line);
    }
    if (rc == 0 && ferror(f))
        rc = ffcl_fail(err, FFCL_EFILE, "cannot read %s: %s", path, strerror(errno));
    free(line);
    fclose(f);
    return rc ? rc : check_sections(&r);
}

int ffcl_tuning_scan(ffcl_tuning *t, const char *line, ffcl_error *err)
{
    char name[64];
    size_t value;
    int used = 0;
    ffcl_tuning_clear(t);
    for (const char *p = line; *p; p += used) {
        size_t row = FFCL_TUNING_ROWS;
        if (sscanf(p, " %63[A-Z0-9_]=%zu%n ", name, &value, &used) == 2)
            row = ffcl_tuning_find(name);
        if (row == FFCL_TUNING_ROWS)
            return ffcl_fail(err, FFCL_ECONFIG, "\"%.80s\" is no list of parameters", p);
        t->value[row] = value;
    }
    return 0;
}

static int put(ffcl_atomic_file *file, ffcl_error *err, const char *name, const char *value)
{
    char *line = ffcl_format("%s = %s\n", name, value);
    int rc = line ? ffcl_atomic_write(file, line, strlen(line), err)
                  : ffcl_fail(err, FFCL_ENOMEM, "out of memory for %s", file->path);
    free(line);
    return rc;
}

static int put_section(ffcl_atomic_file *file, ffcl_error *err, const char *name)
{
    char line[80];
    int n = snprintf(line, sizeof line, "\n[%s]\n", name);
    return ffcl_atomic_write(file, line, (size_t)n, err);
}

int ffcl_tuning_write(const ffcl_tuning *t, const ffcl_tuning_home *home, const char *comment,
                      const char *path, ffcl_error *err)
{
    ffcl_atomic_file file = {0};
    char number[24];
    ffcl_make_folders(path);
    int rc = ffcl_atomic_open(&file, path, err);
    if (rc == 0)
        rc = ffcl_atomic_write(&file, comment, strlen(comment), err);
    if (rc == 0)
        rc = put_section(&file, err, "for");
    for (size_t i = 0; rc == 0 && i < PLACES; i++)
        rc = put(&file, err, places[i].name, text_at(home, &places[i]));
    for (size_t i = 0; rc == 0 && i < FFCL_TUNING_ROWS; i++) {
        if (t->value[i] == FFCL_TUNING_UNSET)
            continue;
        if (i == 0 || strcmp(ffcl_tuning_rows[i].kernel, ffcl_tuning_rows[i - 1].kernel) != 0)
            rc = put_section(&file, err, ffcl_tuning_rows[i].kernel);
        snprintf(number, sizeof number, "%zu", t->value[i]);
        if (rc == 0)
            rc = put(&file, err, ffcl_tuning_rows[i].name, number);
    }
    if (rc == 0)
        rc = ffcl_atomic_commit(&file, err);
    ffcl_atomic_discard(&file);
    return rc;
}

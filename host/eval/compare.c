/* SPDX-License-Identifier: MIT */
#include "eval/compare.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/check_outputs.h"
#include "files/input.h"
#include "files/json.h"
#include "table.h"
#include "text.h"
#include "util.h"

static const struct {
    const char *key, *name;
} values[] = {
    {"fid", "FID"}, {"sfid", "sFID"}, {"inception_score", "Inception Score"},
    {"inception_score_deviation", "  deviation"}, {"precision", "precision"}, {"recall", "recall"},
};
enum { VALUES = sizeof values / sizeof *values, MOST = 1 << 20 };

static double number_of(const cJSON *o, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(o, key);
    return cJSON_IsNumber(item) ? item->valuedouble : NAN;
}

static void text_of(char *to, size_t size, const cJSON *o, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(o, key);
    snprintf(to, size, "%s", cJSON_IsString(item) ? item->valuestring : "");
    ffcl_text_clean(to, 0);
}

/* What is of another kind would count as missing. */
static int check_kinds(const cJSON *e, const char *path, ffcl_error *err)
{
    static const char *const others[] = {"count", "reference_count"};
    static const char *const texts[] = {"like", "network", "reference", "computed"};
    for (size_t k = 0; k < VALUES + 2; k++) {
        const char *key = k < VALUES ? values[k].key : others[k - VALUES];
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(e, key);
        if (item && !cJSON_IsNumber(item) && !cJSON_IsNull(item))
            return ffcl_fail(err, FFCL_EFORMAT, "%s: %s is neither a number nor null", path, key);
    }
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(e, texts[k]);
        if (item && !cJSON_IsString(item))
            return ffcl_fail(err, FFCL_EFORMAT, "%s: %s is no text", path, texts[k]);
    }
    return 0;
}

/* FOLDER of FOLDER/evaluation.json, A.npz of A.npz.evaluation.json, else the file's name. */
static void name_of(char *to, size_t size, const char *path)
{
    static const char own[] = "evaluation.json";
    const char *base = ffcl_base_name(path);
    const size_t length = strlen(base), end = sizeof own - 1;
    snprintf(to, size, "%s", base);
    if (length > end + 1 && strcmp(base + length - end - 1, ".evaluation.json") == 0) {
        snprintf(to, ffcl_min(size, length - end), "%s", base);
    } else if (strcmp(base, own) == 0 && base > path + 1) {
        const char *folder = base - 1;
        while (folder > path && folder[-1] != '/')
            folder--;
        snprintf(to, ffcl_min(size, (size_t)(base - folder)), "%s", folder);
    }
    ffcl_text_clean(to, 0);
}

static int read_one(ffcl_compared *c, const char *path, ffcl_error *err)
{
    char *text = NULL;
    size_t n = 0, at = 0;
    cJSON *o = NULL;
    *c = (ffcl_compared){.path = path};
    name_of(c->name, sizeof c->name, path);
    err->text[0] = '\0';
    int rc = ffcl_input_read(&text, &n, path, MOST, err);
    if (rc == 0)
        rc = ffcl_json_parse(&o, text, n, &at, path, err);
    if (rc == FFCL_EFORMAT && !err->text[0])
        ffcl_fail(err, rc, "%s is no JSON object, see byte %zu", path, at);
    /* The manifest of a run has it inside. */
    const cJSON *inner = rc ? NULL : cJSON_GetObjectItemCaseSensitive(o, "evaluation");
    const cJSON *e = cJSON_IsObject(inner) ? inner : o;
    if (rc == 0 && !cJSON_GetObjectItemCaseSensitive(e, "fid"))
        rc = ffcl_fail(err, FFCL_EFORMAT, "%s holds no evaluation: ffcl eval --json writes one",
                       path);
    if (rc == 0)
        rc = check_kinds(e, path, err);
    for (size_t k = 0; rc == 0 && k < VALUES; k++)
        c->values[k] = number_of(e, values[k].key);
    if (rc == 0) {
        c->count = number_of(e, "count");
        text_of(c->like, sizeof c->like, e, "like");
        text_of(c->network, sizeof c->network, e, "network");
        text_of(c->reference, sizeof c->reference, e, "reference");
        c->reference_count = number_of(e, "reference_count");
        text_of(c->precision, sizeof c->precision, e, "computed");
        c->precision[strcspn(c->precision, " ")] = '\0';
        const cJSON *point, *curve = cJSON_GetObjectItemCaseSensitive(e, "curve");
        cJSON_ArrayForEach(point, curve) {
            const double count = number_of(point, "count"), fid = number_of(point, "fid");
            if (c->n_curve == FFCL_EVAL_CURVE || !isfinite(count) || !isfinite(fid))
                continue;
            c->curve[c->n_curve].count = count;
            c->curve[c->n_curve++].fid = fid;
        }
    }
    cJSON_Delete(o);
    free(text);
    return rc;
}

/* How wide columns are. */
enum { FIRST = 16, NARROW = 14, WIDE = 40 };

/* A number of the table, or of its summary. */
typedef char cell[WIDE + 1];
enum { SHOWN = 3, ROWS = VALUES + 1, COLUMNS = SHOWN + 2 };

static void put_value(cell to, double value)
{
    snprintf(to, sizeof(cell), isfinite(value) ? "%.6g" : "-", value);
}

/* Of two the difference, of more the mean and the deviation; around the first one, so that equal
 * numbers are apart by nothing. */
static void summarize(cell *to, const ffcl_compared *c, size_t n, size_t k)
{
    const double first = c[0].values[k];
    double sum = 0.0, squares = 0.0;
    if (n == 2) {
        put_value(to[0], c[1].values[k] - first);
        return;
    }
    for (size_t i = 0; i < n; i++)
        sum += c[i].values[k] - first;
    for (size_t i = 0; i < n; i++) {
        const double apart = c[i].values[k] - first - sum / (double)n;
        squares += apart * apart;
    }
    put_value(to[0], first + sum / (double)n);
    put_value(to[1], sqrt(squares / (double)(n - 1)));
}

/* The counts of many files. */
static void put_counts(cell to, const ffcl_compared *c, size_t n)
{
    double least = HUGE_VAL, most = -HUGE_VAL;
    for (size_t i = 0; i < n; i++) {
        least = fmin(least, c[i].count);
        most = fmax(most, c[i].count);
    }
    if (least < most)
        snprintf(to, sizeof(cell), "%.0f to %.0f", least, most);
    else
        put_value(to, least);
}

static void visit_lines(char *text, ffcl_line_visitor *visit, void *user)
{
    for (char *line = text, *end; line; line = end) {
        end = strchr(line, '\n');
        if (end)
            *end++ = '\0';
        visit(user, line);
    }
}

/* The columns, each as wide as its cells; numbers stand for names where those have no room. */
static void lay_out(ffcl_table *t, cell heads[COLUMNS], cell cells[ROWS][COLUMNS],
                    size_t columns, size_t n)
{
    const size_t shown = n <= SHOWN ? n : 0;
    size_t file = NARROW;       /* files have columns of one width */
    for (size_t i = 0; i < shown; i++)
        file = ffcl_max(file, strlen(heads[i]));
    for (size_t i = 0; i < columns; i++) {
        ffcl_column *c = &t->column[1 + i];
        const size_t usual = i < shown ? file : NARROW;
        size_t width = strlen(heads[i]);
        for (size_t k = 0; k < ROWS; k++)
            width = ffcl_max(width, strlen(cells[k][i]));
        *c = (ffcl_column){.head = heads[i], .width = (int)width,
                           .rank = n == SHOWN && i >= shown ? (int)i : 0};
        c->gap = 1 + (int)(width < usual ? usual - width : 0);
    }
}

/* One file a column for up to three; of more, how they lie. */
static void print_table(const ffcl_compared *c, size_t n, int most, ffcl_line_visitor *visit,
                        void *user)
{
    static const cell numbers[SHOWN] = {"1", "2", "3"};
    const size_t shown = n <= SHOWN ? n : 0, columns = shown + (n == 2 ? 1 : 2);
    cell heads[COLUMNS], cells[ROWS][COLUMNS] = {{{0}}};
    char text[600];
    ffcl_table t;
    for (size_t k = 0; k < VALUES; k++) {
        for (size_t i = 0; i < shown; i++)
            put_value(cells[k][i], c[i].values[k]);
        summarize(&cells[k][shown], c, n, k);
    }
    for (size_t i = 0; i < shown; i++) {
        put_value(cells[VALUES][i], c[i].count);
        snprintf(heads[i], sizeof heads[i], "%s", c[i].name);
    }
    if (!shown)
        put_counts(cells[VALUES][0], c, n);
    snprintf(heads[shown], sizeof heads[shown], "%s", n == 2 ? "difference" : "mean");
    snprintf(heads[shown + 1], sizeof heads[shown + 1], "deviation");
    for (int is_named = 1; is_named >= 0; is_named--) {
        t = (ffcl_table){.n = columns + 1, .n_names = 1, .most = most};
        t.column[0] = (ffcl_column){.head = "", .width = FIRST, .is_left = 1};
        lay_out(&t, heads, cells, columns, n);
        ffcl_table_fit(&t);
        if (!t.is_stacked || !shown)
            break;
        for (size_t i = 0; is_named && i < shown; i++)
            memcpy(heads[i], numbers[i], sizeof heads[i]);
    }
    for (size_t i = 0; i < shown && strcmp(heads[0], numbers[0]) == 0; i++) {
        snprintf(text, sizeof text, "%s: %s", numbers[i], c[i].name);
        visit(user, text);
    }
    ffcl_table_head(&t, text, sizeof text);
    visit_lines(text, visit, user);
    for (size_t k = 0; k < ROWS; k++) {
        const char *row[1 + COLUMNS] = {k < VALUES ? values[k].name : "images"};
        for (size_t i = 0; i < columns; i++)
            row[1 + i] = cells[k][i];
        ffcl_table_line(&t, row, text, sizeof text);
        visit_lines(text, visit, user);
    }
}

/* Where both are known. */
static int differ(double a, double b)
{
    return isfinite(a) && isfinite(b) && a != b;
}

/* What makes numbers of two evaluations no comparison. */
static void print_notes(const ffcl_compared *c, size_t n, ffcl_line_visitor *visit, void *user)
{
    char line[900];
    for (size_t i = 1; i < n; i++) {
        /* Of statistics alone no network is known. */
        const int is_known = *c[i].network && *c[0].network;
        const char *what = is_known && strcmp(c[i].network, c[0].network) ? "networks"
                           : strcmp(c[i].like, c[0].like)           ? "habits (--like)"
                           : strcmp(c[i].reference, c[0].reference) ? "references"
                           : differ(c[i].reference_count, c[0].reference_count)
                               ? "numbers of images in the reference"
                           : c[i].count != c[0].count               ? "numbers of images"
                                                                    : NULL;
        snprintf(line, sizeof line, "note: %.200s and %.200s have different %s, so their numbers "
                 "do not compare", c[0].name, c[i].name,
                 what ? what : "");
        if (what)
            visit(user, line);
        if (what || !*c[i].precision || !*c[0].precision ||
            !strcmp(c[i].precision, c[0].precision))
            continue;
        snprintf(line, sizeof line, "note: %.200s was computed in %s and %.200s in %s: features in "
                 "half are off by 0.1 %%", c[0].name, c[0].precision, c[i].name, c[i].precision);
        visit(user, line);
    }
}

int ffcl_eval_compare_within(int columns, const char *const *paths, size_t n, const char *plot,
                             ffcl_line_visitor *visit, void *user, ffcl_error *err)
{
    if (n < 2 || n > FFCL_COMPARED)
        return ffcl_fail(err, FFCL_EUSAGE, "from 2 to %d JSON files are compared, not %zu",
                         FFCL_COMPARED, n);
    if (plot && ffcl_eval_keeps(plot, paths, n, err))
        return err->code;
    ffcl_compared *c = calloc(n, sizeof *c);
    int rc = c ? 0 : ffcl_fail(err, FFCL_ENOMEM, "out of memory for %zu evaluations", n);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = read_one(&c[i], paths[i], err);
    if (rc == 0) {
        print_table(c, n, columns, visit, user);
        print_notes(c, n, visit, user);
    }
    if (rc == 0 && plot)
        rc = ffcl_compare_plot(plot, c, n, err);
    free(c);
    return rc;
}

int ffcl_eval_compare(const char *const *paths, size_t n, const char *plot,
                      ffcl_line_visitor *visit, void *user, ffcl_error *err)
{
    return ffcl_eval_compare_within(INT_MAX, paths, n, plot, visit, user, err);
}

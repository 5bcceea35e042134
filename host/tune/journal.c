/* SPDX-License-Identifier: MIT */
#include "tune/journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/atomic.h"
#include "files/input.h"
#include "util.h"

enum { MOST_BYTES = 64 << 20 };

/* Raise the number when timing changes: older times are then void. */
static const char FORMAT[] =
    "# ffcl tune, journal 1: how it ended, seconds, ms a shape: parameters";

static int no_memory(const ffcl_journal *j, ffcl_error *err)
{
    return ffcl_fail(err, FFCL_ENOMEM, "out of memory for %s", j->path);
}

static char *head_of(const ffcl_tune_shape *shapes, size_t n)
{
    char *head = ffcl_format("%s\n# shapes:", FORMAT);
    for (size_t i = 0; head && i < n; i++) {
        char shape[100];
        ffcl_tune_shape_text(&shapes[i], shape, sizeof shape);
        char *longer = ffcl_format("%s%s %s", head, i ? "," : "", shape);
        free(head);
        head = longer;
    }
    return head;
}

static ffcl_journal_entry *new_entry(ffcl_journal *j, const char *parameters)
{
    ffcl_journal_entry *longer = realloc(j->entries, (j->n + 1) * sizeof *longer);
    if (longer)
        j->entries = longer;
    char *copy = longer ? ffcl_format("%s", parameters) : NULL;
    if (!copy)
        return NULL;
    longer[j->n] = (ffcl_journal_entry){.parameters = copy};
    return &longer[j->n++];
}

/* "timed 2.1 3.2 4.3: GEMMK=0 ...".  Any other line is ignored, and its set will be tried
 * again. */
static int take_line(ffcl_journal *j, char *line)
{
    ffcl_tune_result r = {.n = 0};
    char *colon = strchr(line, ':'), *p = line;
    if (!colon)
        return 0;
    *colon = '\0';
    size_t word = strcspn(line, " ");
    int end = FFCL_TUNE_TIMED;
    while (end <= FFCL_TUNE_HUNG && (strlen(ffcl_tune_end_name((ffcl_tune_end)end)) != word ||
                                     strncmp(ffcl_tune_end_name((ffcl_tune_end)end), line, word)))
        end++;
    if (end > FFCL_TUNE_HUNG)
        return 0;
    r.end = (ffcl_tune_end)end;
    r.seconds = strtod(line + word, &p);
    while (r.n < FFCL_TUNE_SHAPES && *p) {
        char *next = p;
        r.ms[r.n] = strtod(p, &next);
        if (next == p)
            break;
        r.n++;
        p = next;
    }
    ffcl_journal_entry *e = new_entry(j, colon + 1 + (colon[1] == ' '));
    if (!e)
        return -1;
    e->result = r;
    return 0;
}

int ffcl_journal_open(ffcl_journal *j, const char *path, const ffcl_tune_shape *shapes, size_t n,
                      ffcl_error *err)
{
    char *line = NULL, *head = NULL;
    size_t room = 0;
    int rc = 0;
    *j = (ffcl_journal){.path = ffcl_format("%s", path), .head = head_of(shapes, n)};
    if (!j->path || !j->head)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for %s", path);
    FILE *f = NULL;
    if (!ffcl_input_is_absent(path))
        rc = ffcl_input_stream(&f, path, MOST_BYTES, err);
    for (int i = 0; f && rc == 0 && getline(&line, &room, f) >= 0; i++) {
        line[strcspn(line, "\n")] = '\0';
        if (i == 0)
            head = ffcl_format("%s", line);
        else if (i == 1 && head) {
            char *whole = ffcl_format("%s\n%s", head, line);
            if (whole && strcmp(whole, j->head) != 0)
                j->discarded = ffcl_format("%s is of other shapes and begun anew", path);
            free(whole);
            if (j->discarded)
                break;
        } else if (take_line(j, line)) {
            rc = no_memory(j, err);
        }
    }
    if (f)
        fclose(f);
    free(line);
    free(head);
    return rc;
}

void ffcl_journal_close(ffcl_journal *j)
{
    for (size_t i = 0; i < j->n; i++)
        free(j->entries[i].parameters);
    free(j->entries);
    free(j->path);
    free(j->head);
    free(j->discarded);
    *j = (ffcl_journal){.path = NULL};
}

const ffcl_journal_entry *ffcl_journal_find(const ffcl_journal *j, const ffcl_tuning *t)
{
    const ffcl_journal_entry *found = NULL;
    char *line = ffcl_tuning_line(t);
    for (size_t i = 0; line && !found && i < j->n; i++)
        if (strcmp(j->entries[i].parameters, line) == 0)
            found = &j->entries[i];
    free(line);
    return found;
}

static int write_all(const ffcl_journal *j, ffcl_atomic_file *file)
{
    int good = fprintf(file->stream, "%s\n", j->head) > 0;
    for (size_t i = 0; i < j->n; i++) {
        const ffcl_tune_result *r = &j->entries[i].result;
        good &= fprintf(file->stream, "%s %.1f", ffcl_tune_end_name(r->end), r->seconds) > 0;
        for (size_t k = 0; k < r->n; k++)
            good &= fprintf(file->stream, " %.6g", r->ms[k]) > 0;
        good &= fprintf(file->stream, ": %s\n", j->entries[i].parameters) > 0;
    }
    return good ? 0 : -1;
}

int ffcl_journal_add(ffcl_journal *j, const ffcl_tuning *t, const ffcl_tune_result *result,
                     ffcl_error *err)
{
    ffcl_atomic_file file = {0};
    char *line = ffcl_tuning_line(t);
    ffcl_journal_entry *e = line ? new_entry(j, line) : NULL;
    free(line);
    if (!e)
        return no_memory(j, err);
    e->result = *result;
    ffcl_make_folders(j->path);
    int rc = ffcl_atomic_open(&file, j->path, err);
    file.unflushed = 1;
    if (rc == 0 && write_all(j, &file))
        rc = ffcl_write_error(j->path, errno, err);
    if (rc == 0)
        rc = ffcl_atomic_commit(&file, err);
    ffcl_atomic_discard(&file);
    return rc;
}

/* SPDX-License-Identifier: MIT
 * What ffcl tune has tried, as a readable file beside its result, from which it resumes. */
#ifndef FFCL_TUNE_JOURNAL_H
#define FFCL_TUNE_JOURNAL_H

#include "tune/candidate.h"

typedef struct ffcl_journal_entry {
    char *parameters;           /* as ffcl_tuning_line writes them */
    ffcl_tune_result result;
} ffcl_journal_entry;

typedef struct ffcl_journal {
    char *path, *head;          /* head: the lines that say what the times are of */
    ffcl_journal_entry *entries;
    size_t n;
    char *discarded;            /* why a file that was there does not count, or NULL */
} ffcl_journal;

/* Reads path where it is there and its times are of these shapes.  FFCL_ENOMEM, FFCL_EFILE. */
int ffcl_journal_open(ffcl_journal *j, const char *path, const ffcl_tune_shape *shapes, size_t n,
                      ffcl_error *err);
void ffcl_journal_close(ffcl_journal *j);

/* The entry of a set, or NULL; until the next one is added. */
const ffcl_journal_entry *ffcl_journal_find(const ffcl_journal *j, const ffcl_tuning *t);

/* Adds an entry and writes the file.  FFCL_EOUTPUT, FFCL_ENOMEM. */
int ffcl_journal_add(ffcl_journal *j, const ffcl_tuning *t, const ffcl_tune_result *result,
                     ffcl_error *err);

#endif

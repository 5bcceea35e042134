/* SPDX-License-Identifier: MIT
 * JSON texts of files, as cJSON reads them, without what it passes over in silence. */
#ifndef FFCL_FILES_JSON_H
#define FFCL_FILES_JSON_H

#include <cjson/cJSON.h>

#include "../error.h"

/* The object in text, whose n bytes a '\0' follows.  Refused beside what is no JSON: a zero
 * character in a string, at which cJSON would cut it, and anything behind the object.  *at, which
 * may be NULL: near which byte.  FFCL_EFORMAT without a sentence, which the caller has; FFCL_ENOMEM
 * with one, that names path. */
int ffcl_json_parse(cJSON **out, const char *text, size_t n, size_t *at, const char *path,
                    ffcl_error *err);

/* How often the object has the key: readers differ in which one counts. */
size_t ffcl_json_times(const cJSON *object, const char *key);

/* A text as a member, as ffcl_text_clean leaves it: paths and messages of libraries need not be
 * UTF-8, which JSON is.  NULL where memory is short. */
cJSON *ffcl_json_add_text(cJSON *object, const char *key, const char *text);

#endif

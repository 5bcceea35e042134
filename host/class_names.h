/* SPDX-License-Identifier: MIT
 * Names of classes: those of ImageNet, which are built in, or a file's (docs/formats.md). */
#ifndef FFCL_CLASS_NAMES_H
#define FFCL_CLASS_NAMES_H

#include <stddef.h>

#include "error.h"

/* What [sampler] class_names says for the names that are built in. */
#define FFCL_IMAGENET_NAMES "imagenet"

typedef struct ffcl_class_names ffcl_class_names;

/* The built-in names, or those of the file at `which`.  FFCL_EFILE, FFCL_ECONFIG: no text, a line
 * without a name, no line; FFCL_ENOMEM. */
int ffcl_class_names_open(ffcl_class_names **out, const char *which, ffcl_error *err);
void ffcl_class_names_close(ffcl_class_names **names);
size_t ffcl_class_names_count(const ffcl_class_names *names);

/* All names of a class, "tench, Tinca tinca"; of a class that there is. */
const char *ffcl_class_names_get(const ffcl_class_names *names, size_t label);

/* The first name of a class, into text. */
void ffcl_class_names_first(const ffcl_class_names *names, size_t label, char *text, size_t size);

/* Whether one of the class's names, or its synset, is the text, in which * stands for any letters
 * and ? for one; case does not matter, and _ is a blank. */
int ffcl_class_names_match(const ffcl_class_names *names, size_t label, const char *text,
                           size_t length);

/* Up to three classes with a name that contains the text or is near it, into list: "golden
 * retriever (207), flat-coated retriever (205)"; "" where none is. */
void ffcl_class_names_suggest(const ffcl_class_names *names, const char *text, size_t length,
                              char *list, size_t size);

#endif

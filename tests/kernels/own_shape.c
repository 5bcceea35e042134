/* SPDX-License-Identifier: MIT
 * Shapes that people give: sizes in the order of a row's letters.  What else a shape has, distances
 * between rows and places, follows from them, or is as in the row's own first shape. */
#include <string.h>

#include "registry.h"
#include "util.h"

static const ffcl_shape *base_of(const ffcl_row *row)
{
    return row->model[0].d[0] ? &row->model[0] : &row->awkward[0];
}

static int is(const char *letter, size_t length, const char *name)
{
    return strlen(name) == length && strncmp(letter, name, length) == 0;
}

static int is_one_of(const char *letter, size_t length, const char *const *names)
{
    while (*names && !is(letter, length, *names))
        names++;
    return *names != NULL;
}

/* A letter that people give; sizes are capitals but for a few, and the first that is none ends
 * them.  T of a GEMM, which rows share a gate, is none. */
static int is_size(const ffcl_row *row, const char *letter, size_t length)
{
    static const char *const small[] = {"k", "n", "p", "rows", "cols", "each", NULL};
    if (is(letter, length, "T") && strncmp(row->letters, "M N K", 5) == 0)
        return 0;
    return (letter[0] >= 'A' && letter[0] <= 'Z') || is_one_of(letter, length, small);
}

/* The place in the shape of the first size, as rows that begin with a place count it from 1. */
size_t ffcl_row_first_size(const ffcl_row *row)
{
    return strncmp(row->letters, "first", 5) == 0;
}

size_t ffcl_row_sizes(const ffcl_row *row, char *names, size_t room)
{
    const char *letter = row->letters;
    size_t n = 0, used = 0;
    names[0] = '\0';
    for (size_t i = 0; *letter; i++) {
        const size_t length = strcspn(letter, " ");
        if (i >= ffcl_row_first_size(row)) {
            if (!is_size(row, letter, length))
                break;
            if (used + length + 2 < room) {
                memcpy(names + used, n ? "x" : "", n ? 2 : 1);
                used += n > 0;
                memcpy(names + used, letter, length);
                used += length;
                names[used] = '\0';
            }
            n++;
        }
        letter += length + (letter[length] == ' ');
    }
    return n;
}

/* What people do not give. */
static size_t derived(const ffcl_row *row, const ffcl_shape *s, const char *letter, size_t length,
                      size_t base)
{
    static const char *const zero[] = {"at", "from", "first", "gap", "band", "units", "add",
                                       "major", "place", "row0", "col0", NULL};
    static const char *const of_width[] = {"ld", "shift", "scale", NULL};
    const size_t D = ffcl_row_number(row, s, "D"), F = ffcl_row_number(row, s, "F");
    const size_t step = row->dtype == FFCL_F16 ? 8 : 1;
    if (is_one_of(letter, length, zero))
        return 0;
    if (is(letter, length, "T"))
        return ffcl_row_number(row, s, "M");
    if (is(letter, length, "wide"))
        return ffcl_round_up(F, step);
    if (is(letter, length, "ld") && F)
        return ffcl_round_up(2 * F, step);
    if (is(letter, length, "ld") && !D)
        return ffcl_row_number(row, s, row->dtype == FFCL_F16 ? "cols" : "rows");
    if (is_one_of(letter, length, of_width))
        return base * D / ffcl_max(ffcl_row_number(row, base_of(row), "D"), 1);
    if (is(letter, length, "guided"))
        return ffcl_min(base, ffcl_row_number(row, s, "C"));
    if (is(letter, length, "n"))
        return ffcl_min(base, ffcl_row_number(row, s, "cols"));
    return base;
}

/* Whether one of the row's own shapes has that number for the letter, and the largest. */
static int has_own(const ffcl_row *row, const char *letter, size_t number, size_t *most)
{
    const ffcl_shape *lists[] = {row->model, row->awkward};
    int found = 0;
    *most = 0;
    for (int i = 0; i < 2; i++)
        for (const ffcl_shape *s = lists[i]; s->d[0]; s++) {
            const size_t own = ffcl_row_number(row, s, letter);
            *most = ffcl_max(*most, own);
            found |= own == number;
        }
    return found;
}

/* Why the row's operands cannot be described for the shape, or NULL. */
static const char *why_not(const ffcl_row *row, const ffcl_shape *s)
{
    const size_t k = ffcl_row_number(row, s, "k"), Cout = ffcl_row_number(row, s, "Cout");
    const size_t C = ffcl_row_number(row, s, "C"), G = ffcl_row_number(row, s, "G");
    const size_t p = ffcl_row_number(row, s, "p"), R = ffcl_row_number(row, s, "R");
    const int has_window = strstr(row->letters, " window") || strstr(row->letters, "C gap");
    size_t most;
    if (k && !has_own(row, "k", k, &most))
        return "it is for other sizes of a window";
    if (Cout && (has_own(row, "Cout", Cout, &most), most <= 4) && Cout > most)
        return "it is for few output channels";
    if (G && (C ? C : 1) % G && !strstr(row->letters, "Cout"))
        return "the groups do not divide the channels";
    if (strstr(row->letters, "Cout add G") && G && Cout % G)
        return "the groups do not divide the channels";
    if (p && R % p)
        return "the patches do not divide the side";
    if (has_window && (ffcl_row_number(row, s, "Hh") < 3 || ffcl_row_number(row, s, "Ww") < 3))
        return "its window is larger than the image";
    if (strstr(row->name, "rope") && ffcl_row_number(row, s, "Dh") % 2)
        return "it rotates pairs, and the head size is odd";
    return NULL;
}

const char *ffcl_row_shape(const ffcl_row *row, const size_t *sizes, size_t n, ffcl_shape *out)
{
    char names[96];
    const size_t wanted = ffcl_row_sizes(row, names, sizeof names);
    const size_t first = ffcl_row_first_size(row);
    const int has_k = strstr(row->letters, "Cout k") || strstr(row->letters, "N k");
    const ffcl_shape *base = base_of(row);
    const char *letter = row->letters;
    *out = (ffcl_shape){{0}, 0};
    /* A convolution's window may be left out; one that has no letter for it has 3 x 3. */
    if (n == wanted + 1 && strstr(row->letters, "Cout add") && sizes[wanted] == 3)
        n--;
    if (n != wanted && !(has_k && n + 1 == wanted))
        return "it has another number of sizes";
    for (size_t i = 0; *letter && i < FFCL_MAX_DIMS; i++) {
        const size_t length = strcspn(letter, " ");
        if (i < first)
            out->d[i] = 1;
        else if (i - first < n)
            out->d[i] = sizes[i - first];
        else
            out->d[i] = derived(row, out, letter, length, base->d[i]);
        letter += length + (letter[length] == ' ');
    }
    return why_not(row, out);
}

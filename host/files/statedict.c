/* SPDX-License-Identifier: MIT
 * Which dictionary of a torch file is taken for the weights. */
#include "statedict.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../util.h"

enum { MAX_WRAPPERS = 4 };          /* wrapper dicts in each other */

/* Keys under which weights are saved, the better first: averaged ones before raw ones.  Every key
 * on the way to a dictionary must be one of them, unless [model] wrapper names the way. */
static const char *const averaged[] = {
    "ema", "ema_model", "model_ema", "emas", "ema_state_dict", "state_dict_ema",
    "ema_model_state_dict", "model_ema_state_dict", "params_ema", "ema_params",
};
static const char *const raw[] = {
    "state_dict", "model", "net", "network", "module", "model_state_dict", "params", "weights",
};

static const size_t n_averaged = sizeof averaged / sizeof *averaged;
static const size_t n_raw = sizeof raw / sizeof *raw;

/* The place of a key in its list, SIZE_MAX where it is in neither; averaged ones count from 0, raw
 * ones from n_averaged. */
static size_t rank_of(ffcl_pickle_text key, int of_vae)
{
    if (ffcl_pickle_text_is(key, "vae") || ffcl_pickle_text_is(key, "first_stage_model"))
        return of_vae ? 0 : SIZE_MAX;
    for (size_t i = 0; i < n_averaged; i++)
        if (ffcl_pickle_text_is(key, averaged[i]))
            return i + 1;
    for (size_t i = 0; i < n_raw; i++)
        if (ffcl_pickle_text_is(key, raw[i]))
            return n_averaged + i + 1;
    return SIZE_MAX;
}

/* Tensors of a state dict: by name, more than a single number. */
static int holds_tensors(const ffcl_pickle_value *dict)
{
    for (size_t i = 0; i < dict->as.list.count; i += 2) {
        const ffcl_pickle_value *value = dict->as.list.items[i + 1];
        if (dict->as.list.items[i]->kind == FFCL_PICKLE_STRING &&
            ((value->kind == FFCL_PICKLE_TENSOR && value->as.tensor.size->as.list.count) ||
             (value->kind == FFCL_PICKLE_OBJECT && value->as.object.form)))
            return 1;
    }
    return 0;
}

/* The best dictionary so far, a better one that cannot be read, and the first under a key that only
 * sounds like averaged weights. */
typedef struct search {
    int of_vae;
    const ffcl_pickle_value *best;
    size_t rank;
    char way[160];
    size_t unread_rank;
    char unread[160];
    char other[160];
} search;

static void join(char *out, size_t size, const char *way, ffcl_pickle_text key)
{
    snprintf(out, size, "%s%s%.*s", way, *way ? "." : "", (int)ffcl_min(key.length, 60),
             key.bytes);
}

/* Something that may hold weights in a form that is not read. */
static int is_strange(const ffcl_pickle_value *value)
{
    return value->kind == FFCL_PICKLE_OTHER || value->kind == FFCL_PICKLE_OBJECT ||
           value->kind == FFCL_PICKLE_DICT ||
           (value->kind == FFCL_PICKLE_TUPLE && value->as.list.count);
}

/* Could this be weights in a form that is not read: a list, an object, a tuple or a dictionary of
 * such? */
static int is_unread(const ffcl_pickle_value *value)
{
    const size_t step = value->kind == FFCL_PICKLE_DICT ? 2 : 1;
    if (value->kind != FFCL_PICKLE_DICT && value->kind != FFCL_PICKLE_TUPLE)
        return is_strange(value);
    for (size_t i = step - 1; i < value->as.list.count; i += step)
        if (is_strange(value->as.list.items[i]) ||
            (step == 1 && value->as.list.items[i]->kind == FFCL_PICKLE_TENSOR))
            return 1;
    return 0;
}

/* Is there such a word in the text, of length n, that letters neither precede nor follow? */
static int has_word(const char *text, size_t n, const char *word)
{
    const size_t m = strlen(word);
    for (size_t i = 0; i + m <= n; i++)
        if (strncasecmp(text + i, word, m) == 0 &&
            (i == 0 || !isalpha((unsigned char)text[i - 1])) &&
            (i + m == n || !isalpha((unsigned char)text[i + m])))
            return 1;
    return 0;
}

int ffcl_statedict_sounds_averaged(const char *text, size_t n)
{
    static const char *const words[] = {"ema",     "swa", "averaged", "average",
                                        "polyak", "avg", "shadow"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (has_word(text, n, words[i]))
            return 1;
    return 0;
}

/* Weights of any form: a list may as well hold rates of decay. */
static int may_be_weights(const ffcl_pickle_value *value)
{
    return value->kind == FFCL_PICKLE_DICT ? holds_tensors(value) || is_unread(value)
           : value->kind == FFCL_PICKLE_TUPLE && is_unread(value);
}

/* Looks at value, reached by `way`, whose best key has rank. */
static void look(search *s, const ffcl_pickle_value *value, const char *way, size_t rank, int depth)
{
    if (value->kind != FFCL_PICKLE_DICT || depth > MAX_WRAPPERS)
        return;
    if (rank < s->rank && holds_tensors(value)) {
        s->best = value;
        s->rank = rank;
        snprintf(s->way, sizeof s->way, "%s", way);
    }
    for (size_t i = 0; i < value->as.list.count; i += 2) {
        const ffcl_pickle_value *key = value->as.list.items[i];
        const ffcl_pickle_value *inner = value->as.list.items[i + 1];
        char longer[160];
        if (key->kind != FFCL_PICKLE_STRING)
            continue;
        const size_t own = rank_of(key->as.text, s->of_vae);
        join(longer, sizeof longer, way, key->as.text);
        if (own == SIZE_MAX && !*s->other && may_be_weights(inner) &&
            ffcl_statedict_sounds_averaged(key->as.text.bytes, key->as.text.length))
            snprintf(s->other, sizeof s->other, "%s", longer);
        if (own == SIZE_MAX)
            continue;
        const size_t before = s->rank;
        look(s, inner, longer, ffcl_min(rank, own), depth + 1);
        const int is_averaged = own >= 1 && own <= n_averaged;
        if (is_averaged && s->rank == before && own < s->rank && own < s->unread_rank &&
            is_unread(inner)) {
            s->unread_rank = own;
            snprintf(s->unread, sizeof s->unread, "%s", longer);
        }
    }
}

/* The keys of a dictionary into text: "model, ema, opt". */
static void list_keys(char *text, size_t size, const ffcl_pickle_value *dict)
{
    char label[48];
    size_t used = 0;
    *text = '\0';
    for (size_t i = 0; i < dict->as.list.count && used + sizeof label + 8 < size; i += 2) {
        const ffcl_pickle_value *key = dict->as.list.items[i];
        if (key->kind != FFCL_PICKLE_STRING)
            continue;
        ffcl_tensor_file_label(label, sizeof label, key->as.text.bytes, key->as.text.length);
        used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", label);
    }
}

/* What the checkpoint holds in place of a state dict. */
static int no_state(const ffcl_tensor_file *file, const ffcl_pickle_value *root, ffcl_error *err)
{
    char keys[512] = "";
    if (root->kind == FFCL_PICKLE_TENSOR)
        return ffcl_fail(err, FFCL_EFORMAT, "%s holds one tensor without a name, not a state dict",
                         file->path);
    if (root->kind != FFCL_PICKLE_DICT)
        return ffcl_fail(err, FFCL_EFORMAT, "%s holds an object, not a dict of tensors: save "
                         "model.state_dict() in place of it", file->path);
    list_keys(keys, sizeof keys, root);
    return ffcl_fail(err, FFCL_EFORMAT, "%s holds no state dict (a dict of tensors, by itself or "
                     "under ema, state_dict, model or the like); its keys: %s; one of them can be "
                     "named: [model] wrapper", file->path, *keys ? keys : "none");
}

/* The first key of a dictionary that sounds like the scales of weights. */
static void note_scales(ffcl_tensor_file *file, const ffcl_pickle_value *dict)
{
    char label[sizeof file->scales];
    for (size_t i = 0; dict->kind == FFCL_PICKLE_DICT && i < dict->as.list.count; i += 2) {
        const ffcl_pickle_value *key = dict->as.list.items[i];
        if (key->kind != FFCL_PICKLE_STRING || *file->scales)
            continue;
        ffcl_tensor_file_label(label, sizeof label, key->as.text.bytes, key->as.text.length);
        if (ffcl_tensor_file_sounds_scaled(label))
            snprintf(file->scales, sizeof file->scales, "%s", label);
    }
}

/* What a wrapper, "ema" or "state_dict.ema", leads to, or NULL; scales beside it are noted. */
static const ffcl_pickle_value *walk(ffcl_tensor_file *file, const ffcl_pickle_value *root,
                                     const char *wrapper)
{
    const ffcl_pickle_value *at = root;
    /* A key may hold a dot itself, so the longest that is there is taken. */
    for (const char *rest = wrapper; *rest && at;) {
        const ffcl_pickle_value *next = NULL;
        size_t n = strlen(rest);
        char key[160];
        note_scales(file, at);
        for (; n > 0 && !next; n--) {
            if (rest[n] != '\0' && rest[n] != '.')
                continue;
            snprintf(key, sizeof key, "%.*s", (int)ffcl_min(n, sizeof key - 1), rest);
            next = ffcl_pickle_get(at, key);
            if (next)
                break;
        }
        at = next;
        rest += n + (next && rest[n] == '.');
    }
    return at;
}

/* The dictionary that a given wrapper leads to. */
static int follow(ffcl_tensor_file *file, const ffcl_pickle_value *root, const char *wrapper,
                  const ffcl_pickle_value **state, ffcl_error *err)
{
    const ffcl_pickle_value *at = walk(file, root, wrapper);
    char keys[512] = "";
    if (at && at->kind == FFCL_PICKLE_DICT && holds_tensors(at)) {
        *state = at;
        return 0;
    }
    if (root->kind == FFCL_PICKLE_DICT)
        list_keys(keys, sizeof keys, root);
    return ffcl_fail(err, FFCL_EFORMAT, "%s has no dict of tensors under %s, which a wrapper "
                     "names; its keys: %s", file->path, wrapper, *keys ? keys : "none");
}

int ffcl_statedict_choose(ffcl_tensor_file *file, const ffcl_pickle_value *root,
                          const ffcl_pickle_value **state, ffcl_error *err)
{
    const char *wrapper = file->wrapper;
    search s = {.of_vae = file->of_vae, .rank = SIZE_MAX, .unread_rank = SIZE_MAX};
    char keys[300];
    int rc = 0;
    *state = NULL;
    file->has_dicts = true;
    if (!strcmp(wrapper, "none"))
        *state = root->kind == FFCL_PICKLE_DICT && holds_tensors(root) ? root : NULL;
    else if (strcmp(wrapper, "auto"))
        rc = follow(file, root, wrapper, state, err);
    else
        look(&s, root, "", SIZE_MAX - 1, 0);
    if (rc)
        return rc;
    if (s.unread_rank < s.rank && s.best)
        return ffcl_fail(err, FFCL_EFORMAT, "%s has averaged weights under %s in a form that is "
                         "not read (no dict of tensors: a list, or objects such as DTensors); save "
                         "them as a dict of plain tensors, or set wrapper under [model] to %s for "
                         "the others", file->path, s.unread, *s.way ? s.way : "none");
    if (*s.other && s.best && s.rank > n_averaged)
        return ffcl_fail(err, FFCL_EFORMAT, "%s seems to have averaged weights under %s, and has "
                         "others%s%s: set wrapper under [model] to %s, or to %s for the others",
                         file->path, s.other, *s.way ? " under " : "", s.way, s.other,
                         *s.way ? s.way : "none");
    if (!*state)
        *state = s.best;
    if (!*state)
        return no_state(file, root, err);
    if (!strcmp(wrapper, "auto")) {
        wrapper = *s.way ? s.way : "none";
        walk(file, root, s.way);
    }
    char *taken = NULL, *resolved = ffcl_format("%s", wrapper);
    if (*state != root) {
        list_keys(keys, sizeof keys, root);
        taken = ffcl_format("%s (of %s)", wrapper, keys);
    }
    if (!resolved || (*state != root && !taken)) {
        free(resolved);
        free(taken);
        return ffcl_fail(err, FFCL_ENOMEM, "no memory for the tensor names of %s", file->path);
    }
    free(file->wrapper);
    file->wrapper = resolved;
    free(file->taken);
    file->taken = taken;
    return 0;
}

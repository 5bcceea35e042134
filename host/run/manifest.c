/* SPDX-License-Identifier: MIT */
#include "run/manifest.h"

#include <math.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "config_table.h"
#include "files/atomic.h"
#include "files/input.h"
#include "files/json.h"
#include "util.h"

static const char FORMAT[] = "ffcl manifest 1";
/* Settings that only count for the device that they name. */
static const char PRODUCTS[] = FFCL_CONFIG_PRODUCTS;
static const char UNIT[] = "blas.unit of ", LIBRARY[] = "blas.library of ";
static const char COUNT[] = "sampler.count";
enum { MOST_BYTES = 256 << 20 };    /* of a manifest: an entry a run, and a bad image */

/* Settings that earlier versions did not write, and what they had then; NULL: nobody knows. */
static const struct {
    const char *key, *was;
} late[] = {
    {"vae.norm_num_groups", NULL},
    {"kernels", NULL},
    {"model.null_class", "last row"},
    {"vae.shift", "0"},
    {"vae.stats", "none"},
    {"model.split", "0"},
    {"environment", "none"},
    {"model.tensors", NULL},
    {"vae.tensors", NULL},
    {"output.texts", NULL},
};

struct ffcl_manifest {
    char *path;
    cJSON *old;                 /* the file as it was opened; NULL: there was none */
    cJSON *settings, *devices, *bad;
    cJSON *members;             /* devices that have joined */
    size_t world, rank;         /* of this process: whose bad images are replaced */
    int may_grow;               /* the count may be another */
};

static int no_memory(const ffcl_manifest *m, ffcl_error *err)
{
    return ffcl_fail(err, FFCL_ENOMEM, "out of memory for %s", m->path);
}

/* The file as JSON; NULL without an error where there is none. */
static int read_file(cJSON **out, const char *path, ffcl_error *err)
{
    char *text = NULL;
    size_t n = 0;
    *out = NULL;
    if (ffcl_input_is_absent(path))
        return 0;
    int rc = ffcl_input_read(&text, &n, path, MOST_BYTES, err);
    if (!rc)
        rc = ffcl_json_parse(out, text, n, NULL, path, err);
    free(text);
    if (rc && rc != FFCL_EFORMAT)
        return rc;
    const char *format = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(*out, "format"));
    if (!format || strcmp(format, FORMAT) ||
        !cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(*out, "settings"))) {
        cJSON_Delete(*out);
        *out = NULL;
        return ffcl_fail(err, FFCL_ESETTINGS, "%s is not a manifest of this version of ffcl: "
                         "choose another place, or --overwrite replaces it and what else is "
                         "there", path);
    }
    return 0;
}

int ffcl_manifest_open(ffcl_manifest **out, const char *path, int resume, ffcl_error *err)
{
    *out = NULL;
    int rc = 0;
    ffcl_manifest *m = calloc(1, sizeof *m);
    if (!m)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for %s", path);
    m->path = ffcl_format("%s", path);
    m->settings = cJSON_CreateObject();
    m->devices = cJSON_CreateArray();
    m->bad = cJSON_CreateArray();
    m->members = cJSON_CreateArray();
    m->world = 1;
    if (!m->path || !m->settings || !m->devices || !m->bad || !m->members)
        rc = ffcl_fail(err, FFCL_ENOMEM, "out of memory for %s", path);
    if (!rc && resume)
        rc = read_file(&m->old, path, err);
    if (rc)
        ffcl_manifest_close(&m);
    *out = m;
    return rc;
}

void ffcl_manifest_close(ffcl_manifest **m)
{
    if (!*m)
        return;
    cJSON_Delete((*m)->old);
    cJSON_Delete((*m)->settings);
    cJSON_Delete((*m)->devices);
    cJSON_Delete((*m)->bad);
    cJSON_Delete((*m)->members);
    free((*m)->path);
    free(*m);
    *m = NULL;
}

int ffcl_manifest_is_old(const ffcl_manifest *m)
{
    return m->old != NULL;
}

/* The place of a late setting, or -1. */
static int find_late(const char *key)
{
    for (size_t i = 0; i < sizeof late / sizeof *late; i++)
        if (!strcmp(late[i].key, key))
            return (int)i;
    return -1;
}

/* The row of a key that earlier versions did not have, whose default is what they did; or NULL. */
static const ffcl_config_row *late_row(const char *key)
{
    char section[32] = "", name[64] = "";
    if (sscanf(key, "%31[^.].%63s", section, name) != 2)
        return NULL;
    const ffcl_config_row *row = ffcl_config_find(section, name);
    return row && row->is_late ? row : NULL;
}

static int is_key(const char *setting)
{
    char section[32] = "", name[64] = "";
    return sscanf(setting, "%31[^.].%63s", section, name) == 2 && ffcl_config_find(section, name);
}

/* What "image.size" was called before. */
static const char former_size[] = "picture";

/* What the file says, or must have meant; NULL: nothing. */
static const char *old_value(const ffcl_manifest *m, const char *key)
{
    const cJSON *old = cJSON_GetObjectItemCaseSensitive(m->old, "settings");
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(old, key));
    if (!text && !strcmp(key, "image.size"))
        text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(old, former_size));
    const int i = find_late(key);
    const ffcl_config_row *row = late_row(key);
    return text ? text : i >= 0 ? late[i].was : row ? row->initial : NULL;
}

void ffcl_manifest_let_grow(ffcl_manifest *m)
{
    m->may_grow = 1;
}

size_t ffcl_manifest_count(const ffcl_manifest *m)
{
    const char *text = m->old ? old_value(m, COUNT) : NULL;
    const unsigned long long count = text ? strtoull(text, NULL, 10) : 0;
    return count <= FFCL_CONFIG_MAX_IMAGES ? (size_t)count : 0;
}

/* ---- settings ----------------------------------------------------------------------------- */

int ffcl_manifest_set(ffcl_manifest *m, const char *key, const char *text, ffcl_error *err)
{
    cJSON_DeleteItemFromObject(m->settings, key);
    return ffcl_json_add_text(m->settings, key, text) ? 0 : no_memory(m, err);
}

static int is_of_device(const char *key)
{
    return ffcl_begins(key, PRODUCTS) || ffcl_begins(key, UNIT) || ffcl_begins(key, LIBRARY);
}

/* "" is not set.  Where the run has two devices of one name, they must be alike. */
static int set_of_device(ffcl_manifest *m, const char *what, const char *device, const char *how,
                         ffcl_error *err)
{
    char key[200];
    snprintf(key, sizeof key, "%s%.128s", what, device);
    const char *other = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(m->settings, key));
    if (!*how)
        return 0;
    if (other && strcmp(other, how))
        return ffcl_fail(err, FFCL_ESETTINGS, "two devices of this run have one name and compute "
                         "differently (%s is %.200s and %.200s): every rank needs the same "
                         "libraries; of one process, [device] select takes one of the devices",
                         key, other, how);
    return ffcl_manifest_set(m, key, how, err);
}

/* What the file says of devices that this run does not have stays. */
static cJSON *merge_settings(const ffcl_manifest *m, const cJSON *file)
{
    cJSON *all = cJSON_Duplicate(m->settings, 1);
    const cJSON *old = NULL;
    cJSON_ArrayForEach(old, cJSON_GetObjectItemCaseSensitive(file, "settings")) {
        if (all && is_of_device(old->string) && cJSON_IsString(old) &&
            !cJSON_GetObjectItemCaseSensitive(all, old->string) &&
            !ffcl_json_add_text(all, old->string, old->valuestring)) {
            cJSON_Delete(all);
            return NULL;
        }
    }
    return all;
}

int ffcl_manifest_set_kernels(ffcl_manifest *m, const ffcl_manifest_member *d, ffcl_error *err)
{
    int rc = set_of_device(m, PRODUCTS, d->name, d->products, err);
    if (!rc)
        rc = set_of_device(m, UNIT, d->name, d->unit, err);
    return rc ? rc : set_of_device(m, LIBRARY, d->name, d->library, err);
}

static int add_setting(void *user, const char *key, const char *text, ffcl_error *err)
{
    return ffcl_manifest_set(user, key, text, err);
}

int ffcl_manifest_set_config(ffcl_manifest *m, const ffcl_config *cfg, ffcl_error *err)
{
    m->world = cfg->sampler.world;
    m->rank = cfg->sampler.rank;
    return ffcl_config_settings(cfg, add_setting, m, err);
}

static int has_setting(const ffcl_manifest *m, const char *beginning)
{
    const cJSON *one = NULL;
    cJSON_ArrayForEach(one, m->settings) {
        if (!strncmp(one->string, beginning, strlen(beginning)))
            return 1;
    }
    return 0;
}

const char *ffcl_manifest_missing(const ffcl_manifest *m)
{
    for (size_t i = 0; i < ffcl_config_n_rows; i++) {
        const char *fact = ffcl_config_rows[i].fact;
        if (fact && !has_setting(m, fact))
            return fact;
    }
    return NULL;
}

int ffcl_manifest_check(const ffcl_manifest *m, ffcl_error *err)
{
    char text[1024] = "";
    size_t used = 0;
    const cJSON *now = NULL;
    if (!m->old)
        return 0;
    cJSON_ArrayForEach(now, m->settings) {
        const char *before = old_value(m, now->string);
        if (before ? !strcmp(before, now->valuestring)
                   : is_of_device(now->string) || find_late(now->string) >= 0)
            continue;
        if (m->may_grow && !strcmp(now->string, COUNT))
            continue;
        if (used >= sizeof text)
            continue;
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s was %s and is %s",
                                 used ? "; " : "", now->string, before ? before : "not set",
                                 now->valuestring);
    }
    /* One that does not count now, or that this version does not know, of a later one, say. */
    cJSON_ArrayForEach(now, cJSON_GetObjectItemCaseSensitive(m->old, "settings")) {
        if (ffcl_manifest_missing(m) || used >= sizeof text || is_of_device(now->string) ||
            !strcmp(now->string, former_size) ||
            cJSON_GetObjectItemCaseSensitive(m->settings, now->string))
            continue;
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%.80s was %.80s and is not "
                                 "%s", used ? "; " : "", now->string,
                                 cJSON_IsString(now) ? now->valuestring : "no text",
                                 is_key(now->string) ? "set" : "known here");
    }
    if (!used)
        return 0;
    return ffcl_fail(err, FFCL_ESETTINGS, "%s was begun with other settings (%s): resume with "
                     "those, choose another place, or --overwrite deletes what is there and "
                     "generates everything anew", m->path, text);
}

int ffcl_manifest_assumes(const ffcl_manifest *m, char *text, size_t size)
{
    size_t used = 0;
    const cJSON *now = NULL;
    text[0] = '\0';
    cJSON_ArrayForEach(now, m->settings)
        if (m->old && used < size && find_late(now->string) >= 0 && !old_value(m, now->string))
            used += (size_t)snprintf(text + used, size - used, "%s%s = %s", used ? ", " : "",
                                     now->string, now->valuestring);
    return used != 0;
}

/* ---- what a run did ----------------------------------------------------------------------- */

static int is_text(const cJSON *object, const char *key, const char *text)
{
    const char *known = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    return known && !strcmp(known, text);
}

static int is_member(const cJSON *device, const ffcl_manifest_member *d)
{
    static const char release[] = "platform_version", limits[] = "limits";
    /* The last two are not in what runs tell. */
    return is_text(device, "name", d->name) && is_text(device, "driver", d->driver) &&
           is_text(device, "version", d->version) &&
           (is_text(device, release, d->platform_version) ||
            !cJSON_GetObjectItemCaseSensitive(device, release)) &&
           (is_text(device, limits, d->limits) ||
            !cJSON_GetObjectItemCaseSensitive(device, limits));
}

/* Looks through devices, each of which says by which ffcl, or all are by that of `run`. */
static void look_for(const cJSON *devices, const cJSON *run, const ffcl_manifest_member *d,
                     int *others, int *same, int *of_version)
{
    const cJSON *device = NULL;
    cJSON_ArrayForEach(device, devices) {
        const int is_same = is_member(device, d);
        *others += !is_same;
        *same += is_same;
        *of_version += is_same && is_text(run ? run : device, "ffcl", FFCL_VERSION);
    }
}

ffcl_manifest_kind ffcl_manifest_kind_of(const ffcl_manifest *m, const ffcl_manifest_member *d)
{
    int others = 0, same = 0, of_version = 0;
    const cJSON *run = NULL;
    look_for(m->members, NULL, d, &others, &same, &of_version);
    if (others && !same)
        return FFCL_KIND_NEW_IN_RUN;
    /* Runs tell the same and less; of earlier versions of ffcl there are only they. */
    const cJSON *devices = cJSON_GetObjectItemCaseSensitive(m->old, "devices");
    look_for(devices, NULL, d, &others, &same, &of_version);
    cJSON_ArrayForEach(run, cJSON_GetObjectItemCaseSensitive(m->old, devices ? "" : "runs")) {
        look_for(cJSON_GetObjectItemCaseSensitive(run, "devices"), run, d, &others, &same,
                 &of_version);
    }
    return same ? of_version ? FFCL_KIND_KNOWN : FFCL_KIND_OTHER_FFCL
           : others ? FFCL_KIND_NEW : FFCL_KIND_KNOWN;
}

static int add_member(ffcl_manifest *m, const ffcl_manifest_member *d, ffcl_error *err)
{
    cJSON *one = cJSON_CreateObject();
    if (!one || !ffcl_json_add_text(one, "name", d->name) ||
        !ffcl_json_add_text(one, "platform", d->platform) ||
        !ffcl_json_add_text(one, "platform_version", d->platform_version) ||
        !ffcl_json_add_text(one, "version", d->version) ||
        !ffcl_json_add_text(one, "driver", d->driver) ||
        !ffcl_json_add_text(one, "limits", d->limits) ||
        !ffcl_json_add_text(one, "ffcl", FFCL_VERSION) ||
        !cJSON_AddItemToArray(m->members, one)) {
        cJSON_Delete(one);
        return no_memory(m, err);
    }
    return 0;
}

int ffcl_manifest_join(ffcl_manifest *m, const ffcl_manifest_member *d, ffcl_manifest_kind *kind,
                       ffcl_error *err)
{
    cJSON *now = NULL;
    int rc = read_file(&now, m->path, err);
    if (rc)
        return rc;
    cJSON_Delete(m->old);
    m->old = now;
    rc = ffcl_manifest_set_kernels(m, d, err);
    if (!rc)
        rc = ffcl_manifest_check(m, err);
    if (rc)
        return rc;
    *kind = ffcl_manifest_kind_of(m, d);
    rc = add_member(m, d, err);
    return rc ? rc : ffcl_manifest_write(m, NULL, err);
}

void ffcl_manifest_describe(ffcl_manifest_device *out, const ffcl_engine *engine, size_t images)
{
    const ffcl_caps *caps = &ffcl_engine_device(engine)->caps;
    *out = (ffcl_manifest_device){.batch = ffcl_engine_batch(engine), .images = images};
    memcpy(out->name, caps->name, sizeof out->name);
    memcpy(out->platform, caps->platform, sizeof out->platform);
    memcpy(out->version, caps->version, sizeof out->version);
    memcpy(out->driver, caps->driver, sizeof out->driver);
}

static cJSON *add_seconds(cJSON *to, const char *name, double seconds)
{
    return cJSON_AddNumberToObject(to, name, floor(1e3 * seconds) / 1e3);
}

int ffcl_manifest_add_device(ffcl_manifest *m, const ffcl_manifest_device *d, ffcl_error *err)
{
    cJSON *device = cJSON_CreateObject();
    if (!device || !ffcl_json_add_text(device, "name", d->name) ||
        !ffcl_json_add_text(device, "platform", d->platform) ||
        !ffcl_json_add_text(device, "version", d->version) ||
        !ffcl_json_add_text(device, "driver", d->driver) ||
        !cJSON_AddNumberToObject(device, "batch", (double)d->batch) ||
        !cJSON_AddNumberToObject(device, "images", (double)d->images) ||
        !add_seconds(device, "seconds_submitting", d->submitting) ||
        !add_seconds(device, "seconds_waiting_for_device", d->device) ||
        !add_seconds(device, "seconds_waiting_for_writers", d->writers) ||
        !cJSON_AddItemToArray(m->devices, device)) {
        cJSON_Delete(device);
        return no_memory(m, err);
    }
    return 0;
}

int ffcl_manifest_add_bad(ffcl_manifest *m, size_t index, int label, const char *stage,
                          ffcl_error *err)
{
    cJSON *one = cJSON_CreateObject();
    if (!one || !cJSON_AddNumberToObject(one, "index", (double)index) ||
        !cJSON_AddNumberToObject(one, "class", label) ||
        !ffcl_json_add_text(one, "stage", stage) || !cJSON_AddItemToArray(m->bad, one)) {
        cJSON_Delete(one);
        return no_memory(m, err);
    }
    return 0;
}

static cJSON *describe_run(const ffcl_manifest *m, const ffcl_manifest_run *run)
{
    char started[32] = "", rank[48] = "all";
    const time_t t = (time_t)run->started;
    struct tm parts;
    if (gmtime_r(&t, &parts))
        strftime(started, sizeof started, "%Y-%m-%dT%H:%M:%SZ", &parts);
    if (m->rank != FFCL_ALL_RANKS)
        snprintf(rank, sizeof rank, "%zu of %zu", m->rank, m->world);
    cJSON *one = cJSON_CreateObject();
    if (one && ffcl_json_add_text(one, "end", run->end) &&
        ffcl_json_add_text(one, "rank", rank) &&
        cJSON_AddNumberToObject(one, "processes", (double)run->processes) &&
        ffcl_json_add_text(one, "started", started) &&
        add_seconds(one, "seconds", run->seconds) &&
        add_seconds(one, "seconds_committing", run->committing) &&
        cJSON_AddNumberToObject(one, "kept", (double)run->kept) &&
        cJSON_AddNumberToObject(one, "generated", (double)run->generated) &&
        ffcl_json_add_text(one, "ffcl", FFCL_VERSION) &&
        ffcl_json_add_text(one, "libpng", png_get_libpng_ver(NULL)) &&
        ffcl_json_add_text(one, "zlib", zlibVersion())) {
        cJSON *devices = cJSON_Duplicate(m->devices, 1);
        if (devices && cJSON_AddItemToObject(one, "devices", devices))
            return one;
        cJSON_Delete(devices);
    }
    cJSON_Delete(one);
    return NULL;
}

/* The bad images of the sample set: ours, and those that the file has of other ranks. */
static cJSON *merge_bad(const ffcl_manifest *m, const cJSON *file)
{
    cJSON *all = cJSON_Duplicate(m->bad, 1);
    const cJSON *one = NULL;
    cJSON_ArrayForEach(one, cJSON_GetObjectItemCaseSensitive(file, "bad")) {
        const cJSON *index = cJSON_GetObjectItemCaseSensitive(one, "index");
        /* What is no index of an image is nobody's, and not kept. */
        int is_index = cJSON_IsNumber(index) && index->valuedouble >= 0 &&
                       index->valuedouble < FFCL_CONFIG_MAX_IMAGES;
        int ours = m->rank == FFCL_ALL_RANKS || !is_index ||
                   (size_t)index->valuedouble % m->world == m->rank;
        cJSON *copy = all && !ours ? cJSON_Duplicate(one, 1) : NULL;
        if (all && !ours && (!copy || !cJSON_AddItemToArray(all, copy))) {
            cJSON_Delete(copy);
            cJSON_Delete(all);
            return NULL;
        }
    }
    return all;
}

/* The devices that have ever joined: those of the file, and ours, each once. */
static cJSON *merge_members(const ffcl_manifest *m, const cJSON *file)
{
    const cJSON *before = cJSON_GetObjectItemCaseSensitive(file, "devices"), *one = NULL;
    cJSON *all = cJSON_IsArray(before) ? cJSON_Duplicate(before, 1) : cJSON_CreateArray();
    cJSON_ArrayForEach(one, m->members) {
        const cJSON *other = all ? all->child : NULL;
        while (other && !cJSON_Compare(other, one, 1))
            other = other->next;
        cJSON *copy = all && !other ? cJSON_Duplicate(one, 1) : NULL;
        if (all && !other && (!copy || !cJSON_AddItemToArray(all, copy))) {
            cJSON_Delete(copy);
            cJSON_Delete(all);
            return NULL;
        }
    }
    return all;
}

static int write_text(const char *path, const cJSON *file, ffcl_error *err)
{
    ffcl_atomic_file out = {0};
    char *text = cJSON_Print(file);
    int rc = text ? ffcl_atomic_open_own(&out, path, 0666, err)
                  : ffcl_fail(err, FFCL_ENOMEM, "out of memory for %s", path);
    if (!rc)
        rc = ffcl_atomic_write(&out, text, strlen(text), err);
    if (!rc)
        rc = ffcl_atomic_write(&out, "\n", 1, err);
    if (!rc)
        rc = ffcl_atomic_commit(&out, err);
    ffcl_atomic_discard(&out);
    free(text);
    return rc;
}

int ffcl_manifest_write(ffcl_manifest *m, const ffcl_manifest_run *run, ffcl_error *err)
{
    cJSON *before = NULL, *file = cJSON_CreateObject(), *runs = NULL;
    /* Another rank may have added its run since this process looked. */
    int rc = m->old || run ? read_file(&before, m->path, err) : 0;
    if (rc)
        goto out;
    const cJSON *earlier = cJSON_GetObjectItemCaseSensitive(before, "runs");
    runs = cJSON_IsArray(earlier) ? cJSON_Duplicate(earlier, 1) : cJSON_CreateArray();
    cJSON *settings = merge_settings(m, before), *bad = merge_bad(m, before);
    cJSON *members = merge_members(m, before);
    cJSON *one = run ? describe_run(m, run) : NULL;
    if (!file || !runs || !settings || !bad || !members || (run && !one) ||
        !ffcl_json_add_text(file, "format", FORMAT) ||
        !cJSON_AddItemToObject(file, "settings", settings) ||
        !cJSON_AddItemToObject(file, "bad", bad) ||
        !cJSON_AddItemToObject(file, "devices", members) ||
        (one && !cJSON_AddItemToArray(runs, one)) ||
        !cJSON_AddItemToObject(file, "runs", runs)) {
        rc = no_memory(m, err);
        goto out;
    }
    runs = NULL;
    const cJSON *evaluation = cJSON_GetObjectItemCaseSensitive(before, "evaluation");
    cJSON *copy = evaluation && run && !run->generated ? cJSON_Duplicate(evaluation, 1) : NULL;
    if (copy && !cJSON_AddItemToObject(file, "evaluation", copy)) {
        cJSON_Delete(copy);
        rc = no_memory(m, err);
        goto out;
    }
    rc = write_text(m->path, file, err);
out:
    cJSON_Delete(runs);
    cJSON_Delete(before);
    cJSON_Delete(file);
    return rc;
}

int ffcl_manifest_set_evaluation(const char *path, const char *json, ffcl_error *err)
{
    cJSON *file = NULL, *evaluation = cJSON_Parse(json);
    int rc = evaluation ? read_file(&file, path, err)
                        : ffcl_fail(err, FFCL_ENOMEM, "out of memory for %s", path);
    if (rc == 0 && file) {
        cJSON_DeleteItemFromObjectCaseSensitive(file, "evaluation");
        if (cJSON_AddItemToObject(file, "evaluation", evaluation)) {
            evaluation = NULL;
            rc = write_text(path, file, err);
        } else {
            rc = ffcl_fail(err, FFCL_ENOMEM, "out of memory for %s", path);
        }
    }
    cJSON_Delete(evaluation);
    cJSON_Delete(file);
    return rc;
}

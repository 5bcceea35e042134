/* SPDX-License-Identifier: MIT
 * ffcl inspect, of sample sets: an npz, a manifest. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "files/arrays.h"
#include "files/input.h"
#include "files/json.h"
#include "program/inspect.h"
#include "util.h"

/* ---- npz ---------------------------------------------------------------------------------- */

static void describe_array(const ffcl_findings *f, const ffcl_array *a)
{
    static const char *const kinds[] = {"uint", "int", "float"};
    const char *kind = a->type == 'u' ? kinds[0] : a->type == 'i' ? kinds[1] : kinds[2];
    char shape[160], text[300];
    ffcl_shape_text(shape, sizeof shape, a->shape, a->rank);
    snprintf(text, sizeof text, "%s: %s%zu, %s", a->name, kind, 8 * a->item, shape);
    ffcl_find_item(f, "array", text);
}

/* Of an array that nothing here reads: its header, which says of what kind it is. */
static void describe_left_out(const ffcl_findings *f, const char *name, const char *header)
{
    char text[300];
    snprintf(text, sizeof text, "%s: not read%s%s", name, *header ? ", " : "", header);
    ffcl_find_item(f, "array", text);
}

/* arr_0 as images, arr_1 as their labels: what ffcl and ADM's sampler write. */
static int describe_samples(const ffcl_findings *f, ffcl_arrays *arrays, ffcl_error *err)
{
    const ffcl_array *images = ffcl_arrays_find(arrays, "arr_0");
    const ffcl_array *labels = ffcl_arrays_find(arrays, "arr_1");
    char text[160];
    double *values = NULL, least, most;
    if (!images || images->type != 'u' || images->item != 1 || images->rank != 4 ||
        images->shape[3] != 3)
        return 0;
    snprintf(text, sizeof text, "%zu of %zu x %zu", images->shape[0], images->shape[2],
             images->shape[1]);
    ffcl_find_text(f, "images", text);
    if (!labels || labels->type == 'f' || labels->rank != 1 || !labels->count)
        return 0;
    const int rc = ffcl_arrays_doubles(arrays, labels, &values, err);
    if (rc)
        return rc;
    least = most = values[0];
    for (size_t i = 1; i < labels->count; i++) {
        least = values[i] < least ? values[i] : least;
        most = values[i] > most ? values[i] : most;
    }
    free(values);
    snprintf(text, sizeof text, "%zu, of classes %.0f to %.0f", labels->count, least, most);
    ffcl_find_text(f, "labels", text);
    return 0;
}

int ffcl_inspect_npz(ffcl_session *s, const ffcl_findings *f, const char *path)
{
    ffcl_arrays *arrays = NULL;
    const ffcl_array *a;
    const char *name;
    int rc = ffcl_arrays_open(&arrays, path, &s->err);
    if (rc)
        return rc;
    ffcl_find_text(f, "format", "npz");
    for (size_t i = 0; (a = ffcl_arrays_at(arrays, i)); i++)
        describe_array(f, a);
    for (size_t i = 0; (name = ffcl_arrays_left_out_at(arrays, i)); i++)
        describe_left_out(f, name, ffcl_arrays_left_out(arrays, name));
    if (ffcl_arrays_find(arrays, "mu") && ffcl_arrays_find(arrays, "sigma"))
        ffcl_find_text(f, "statistics", "mu and sigma of features, for ffcl eval");
    rc = describe_samples(f, arrays, &s->err);
    ffcl_arrays_close(&arrays);
    char *manifest = ffcl_format("%s.manifest.json", path);
    struct stat info;
    if (rc == 0 && manifest && stat(manifest, &info) == 0)
        ffcl_find_text(f, "manifest", manifest);
    else if (rc == 0 && (!manifest || (errno != ENOENT && errno != ENOTDIR)))
        rc = ffcl_fail(&s->err, manifest ? FFCL_EFILE : FFCL_ENOMEM, "the manifest of %s cannot be "
                       "opened: %s", path, manifest ? strerror(errno) : "out of memory");
    free(manifest);
    return rc;
}

/* ---- manifest ----------------------------------------------------------------------------- */

static const char *text_of(const cJSON *object, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    return text ? text : "not known";
}

static void describe_manifest(const ffcl_findings *f, const cJSON *root, const cJSON *settings)
{
    const cJSON *runs = cJSON_GetObjectItemCaseSensitive(root, "runs"), *one;
    const int n = cJSON_GetArraySize(runs);
    const cJSON *last = n ? cJSON_GetArrayItem(runs, n - 1) : NULL;
    ffcl_find_text(f, "format", "manifest of a sample set");
    ffcl_find_number(f, "runs", n);
    if (last) {
        ffcl_find_text(f, "end", text_of(last, "end"));
        ffcl_find_text(f, "version", text_of(last, "ffcl"));
        cJSON_ArrayForEach(one, cJSON_GetObjectItemCaseSensitive(last, "devices")) {
            ffcl_find_item(f, "device", text_of(one, "name"));
        }
    }
    ffcl_find_number(f, "bad", cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(root, "bad")));
    const ffcl_findings inside = {
        .json = f->json ? cJSON_AddObjectToObject(f->json, "settings") : NULL};
    if (!f->json)
        printf("settings\n");
    cJSON_ArrayForEach(one, settings) {
        if (!cJSON_IsString(one))
            continue;
        if (f->json)
            ffcl_json_add_text(inside.json, one->string, one->valuestring);
        else if (strlen(one->string) > 25) {    /* with the name of a device */
            ffcl_help_line(stdout, 4, "  %s", one->string);
            ffcl_help_line(stdout, 4, "  %-25s %s", "", one->valuestring);
        } else
            ffcl_help_line(stdout, 4, "  %-25s %s", one->string, one->valuestring);
    }
}

int ffcl_inspect_manifest(ffcl_session *s, const ffcl_findings *f, const char *path)
{
    enum { MOST = 256 << 20 };
    char *text = NULL;
    size_t n = 0;
    int rc = ffcl_input_read(&text, &n, path, MOST, &s->err);
    cJSON *root = NULL;
    if (!rc && ffcl_json_parse(&root, text, n, NULL, path, &s->err) == FFCL_ENOMEM)
        rc = FFCL_ENOMEM;
    free(text);
    const cJSON *settings = cJSON_GetObjectItemCaseSensitive(root, "settings");
    if (!rc && !cJSON_IsObject(settings)) {
        s->err.code = rc = FFCL_EFORMAT;
        snprintf(s->err.text, sizeof s->err.text, "%.500s is no manifest of ffcl's", path);
    }
    if (!rc)
        describe_manifest(f, root, settings);
    cJSON_Delete(root);
    return rc;
}

/* SPDX-License-Identifier: MIT */
#include "program/dry_run.h"

#include <math.h>
#include <stdlib.h>

#include "config.h"
#include "files/json.h"
#include "text.h"

/* Where the lines' texts begin. */
enum { COLUMN = 12 };

/* json NULL: text is printed. */
typedef struct listing {
    cJSON *json, *devices;
    ffcl_progress *progress;
} listing;

static void print_line(const char *name, const char *text)
{
    char copy[1500];
    snprintf(copy, sizeof copy, "%s", text);
    ffcl_text_clean(copy, 0);
    ffcl_help_wrap(stdout, printf("%s", name), COLUMN, copy);
}

static void add_device(void *user, const ffcl_device_estimate *d)
{
    const listing *l = user;
    char text[1200], name[40];
    ffcl_progress_status(l->progress, "");
    if (l->json) {
        cJSON *one = cJSON_CreateObject();
        cJSON_AddNumberToObject(one, "index", (double)d->index);
        ffcl_json_add_text(one, "name", d->name);
        cJSON_AddNumberToObject(one, "batch", (double)d->batch);
        cJSON_AddNumberToObject(one, "vae_batch", (double)d->decode_batch);
        ffcl_json_add_text(one, "precision", d->precision);
        ffcl_json_add_text(one, "gemms", d->gemms);
        ffcl_json_add_text(one, "variants", d->variants);
        cJSON_AddNumberToObject(one, "weights_bytes", d->weights);
        cJSON_AddNumberToObject(one, "mapped_bytes", d->mapped);
        cJSON_AddNumberToObject(one, "activations_bytes", d->activations);
        cJSON_AddNumberToObject(one, "memory_bytes", d->memory);
        cJSON_AddBoolToObject(one, "memory_shared", d->is_shared);
        cJSON_AddNumberToObject(one, "images_per_second", d->images_per_second);
        cJSON_AddItemToArray(l->devices, one);
        return;
    }
    snprintf(name, sizeof name, "device %zu", d->index);
    print_line(name, d->name);
    snprintf(text, sizeof text, "batch %zu (VAE %zu at a time), %s, %s", d->batch, d->decode_batch,
             d->precision, d->gemms);
    print_line("  plan", text);
    print_line("  variants", d->variants);
    char mapped[64] = "";
    if (d->mapped > 0)
        snprintf(mapped, sizeof mapped, " (%.2f GB where they lie in the file)", d->mapped / 1e9);
    snprintf(text, sizeof text, "weights %.2f GB%s, activations %.2f GB, of %.1f GB%s",
             d->weights / 1e9, mapped, d->activations / 1e9, d->memory / 1e9,
             d->is_shared ? " that host and device share" : "");
    print_line("  memory", text);
    snprintf(text, sizeof text, "%.*f images/s",
             d->images_per_second < 0.1 ? 3 : d->images_per_second < 100 ? 1 : 0,
             d->images_per_second);
    print_line("  speed", text);
}

static void bytes_text(char *text, size_t size, double bytes)
{
    static const char *const units[] = {"kB", "MB", "GB", "TB"};
    size_t unit = 0;
    for (bytes /= 1e3; unit < 3 && bytes >= 1e3; bytes /= 1e3)
        unit++;
    snprintf(text, size, "%.*f %s", bytes < 10 ? 1 : 0, bytes, units[unit]);
}

static void seconds_text(char *text, size_t size, double seconds)
{
    if (seconds < 120)
        snprintf(text, size, "%.*f s", seconds < 10 ? 1 : 0, seconds);
    else if (seconds < 7200)
        snprintf(text, size, "%.0f min", seconds / 60);
    else
        snprintf(text, size, "%.1f h", seconds / 3600);
}

static void print_outputs(const ffcl_config *cfg, const ffcl_estimate *e)
{
    const struct { const char *path; double bytes; } all[] = {
        {cfg->output.grid, e->grid_bytes}, {cfg->output.folder, e->folder_bytes},
        {cfg->output.npz, e->npz_bytes}};
    char text[1400] = "none", number[40];
    size_t used = 0;
    double total = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (!all[i].path)
            continue;
        bytes_text(number, sizeof number, all[i].bytes);
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%.300s about %s",
                                 used ? ", " : "", all[i].path, number);
        total += all[i].bytes;
    }
    if (used && !isnan(e->free_bytes)) {
        bytes_text(number, sizeof number, e->free_bytes);
        snprintf(text + used, sizeof text - used, "; %s %s free", number,
                 total > e->free_bytes ? "are too little, and all that is" : "are");
    }
    print_line("disk", text);
}

static void print_time(const ffcl_estimate *e)
{
    char total[40], opening[40], sampling[40], timed[100], text[300];
    const size_t left = e->count - e->there;
    seconds_text(total, sizeof total, e->opening + e->sampling);
    seconds_text(opening, sizeof opening, e->opening);
    seconds_text(sampling, sizeof sampling, e->sampling);
    if (e->share < 1)
        snprintf(timed, sizeof timed, "a rough estimate, from the first %.2g %% of a batch's "
                 "operations", 100 * e->share);
    else
        snprintf(timed, sizeof timed, "%zu were timed", e->timed);
    snprintf(text, sizeof text, "about %s: %s to open, as now, and %s for %zu image%s (%s)", total,
             opening, sampling, left, left == 1 ? "" : "s", timed);
    print_line("time", text);
}

static void print_json(listing *l, const ffcl_config *cfg, const ffcl_estimate *e)
{
    cJSON *j = l->json;
    cJSON_AddNumberToObject(j, "count", (double)e->count);
    cJSON_AddNumberToObject(j, "there", (double)e->there);
    cJSON_AddNumberToObject(j, "height", (double)e->height);
    cJSON_AddNumberToObject(j, "width", (double)e->width);
    cJSON_AddNumberToObject(j, "timed", (double)e->timed);
    cJSON_AddNumberToObject(j, "timed_share", e->share);
    cJSON_AddNumberToObject(j, "opening_seconds", e->opening);
    cJSON_AddNumberToObject(j, "sampling_seconds", e->sampling);
    cJSON_AddNumberToObject(j, "seconds", e->opening + e->sampling);
    if (cfg->output.grid)
        cJSON_AddNumberToObject(j, "grid_bytes", e->grid_bytes);
    if (cfg->output.folder)
        cJSON_AddNumberToObject(j, "folder_bytes", e->folder_bytes);
    if (cfg->output.npz)
        cJSON_AddNumberToObject(j, "npz_bytes", e->npz_bytes);
    if (!isnan(e->free_bytes))
        cJSON_AddNumberToObject(j, "free_bytes", e->free_bytes);
    cJSON_AddItemToObject(j, "devices", l->devices);
    l->devices = NULL;
    char *text = cJSON_Print(j);
    if (text)
        puts(text);
    free(text);
}

int ffcl_dry_run(ffcl_session *s, ffcl_config *cfg, int json)
{
    const ffcl_observer observer = {ffcl_progress_report, &s->progress};
    ffcl_sampler *sampler = NULL;
    ffcl_estimate e;
    char text[120];
    listing l = {.progress = &s->progress};
    int rc = ffcl_sampler_open(&sampler, cfg, &observer, &s->err);
    if (!rc && json) {
        l.json = cJSON_CreateObject();
        l.devices = cJSON_CreateArray();
    }
    ffcl_progress_status(&s->progress, "timing some images");
    if (!rc)
        rc = ffcl_sampler_estimate(sampler, &e, add_device, &l, &s->err);
    if (!rc && json) {
        print_json(&l, cfg, &e);
    } else if (!rc) {
        snprintf(text, sizeof text, "%zu of %zu x %zu%s", e.count, e.width, e.height,
                 e.there ? "" : ", none of them there");
        if (e.there)
            snprintf(text, sizeof text, "%zu of %zu x %zu, %zu of them there", e.count, e.width,
                     e.height, e.there);
        print_line("images", text);
        print_outputs(cfg, &e);
        print_time(&e);
        puts("dry run: nothing was written");
    }
    if (!rc)
        rc = ffcl_estimate_check_disk(&e, cfg, &s->err);
    cJSON_Delete(l.json);
    cJSON_Delete(l.devices);
    ffcl_sampler_close(&sampler);
    return rc;
}

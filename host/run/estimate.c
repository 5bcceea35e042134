/* SPDX-License-Identifier: MIT
 * What a run would take: its plan, and its time by a short calibration. */
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files/atomic.h"
#include "files/png.h"
#include "os/disk.h"
#include "run/home.h"
#include "run/sampler_impl.h"
#include "sample/image.h"
#include "util.h"

/* Seconds after which a device has been timed for long enough; those of a first batch, which comes
 * with what a driver does once, and counts where it does not end. */
static const double ENOUGH = 1.5, MOST = 5;

/* What the calibration computes with, and what it has found. */
typedef struct calibration {
    ffcl_sampler *s;
    uint8_t *rgb;               /* (batch, S, S, 3) */
    float *features;            /* (batch, FFCL_INCEPTION_ALL), or NULL */
    size_t n;                   /* images in rgb, at most a batch */
    size_t timed;
    double rate;                /* images a second, of all devices */
    double share;               /* of a batch, the least that a device got done; 1: some */
} calibration;

static ffcl_step step_of(const calibration *c)
{
    const ffcl_sampler *s = c->s;
    return (ffcl_step){.B = c->n, .z = s->ahead, .y = s->ahead_y, .noise = s->ahead_later,
                       .bytes = c->rgb, .features = c->features};
}

static int compute(calibration *c, ffcl_engine *engine, ffcl_error *err)
{
    ffcl_step step = step_of(c);
    const int rc = ffcl_engine_submit(engine, &step, err);
    return rc ? rc : ffcl_engine_wait(engine, &step, err);
}

/* Computes the same batch until it has been timed for long enough.  Where not even one comes to an
 * end, the operations that were done stand for all. */
static int time_device(calibration *c, ffcl_engine *engine, double *rate, ffcl_error *err)
{
    double began = ffcl_clock(), share = 1;
    size_t n = 0;
    c->n = ffcl_min(ffcl_engine_batch(engine), ffcl_engine_batch(c->s->engine));
    c->n = ffcl_min(c->n, c->s->count);
    ffcl_step first = step_of(c);
    int rc = ffcl_engine_run_for(engine, &first, MOST, &share, err);
    c->share = fmin(c->share, share);
    if (rc == 0 && share < 1) {
        *rate = (double)c->n * share / (ffcl_clock() - began);
        c->rate += *rate;
        return 0;
    }
    began = ffcl_clock();
    while (rc == 0 && (!n || ffcl_clock() - began < ENOUGH)) {
        rc = compute(c, engine, err);
        n++;
    }
    *rate = (double)(n * c->n) / (ffcl_clock() - began);
    c->timed += n * c->n;
    c->rate += *rate;
    return rc;
}

static int estimate_device(calibration *c, const ffcl_device *device, ffcl_engine *engine,
                           ffcl_estimate_visitor *visit, void *user, ffcl_error *err)
{
    char variants[1000], gemms[400];
    double rate = 0;
    int rc = time_device(c, engine, &rate, err);
    if (rc == 0)
        rc = ffcl_engine_variants(engine, variants, sizeof variants, err);
    if (rc)
        return rc;
    ffcl_engine_products(engine, gemms, sizeof gemms);
    const ffcl_engine_plan_info *plan = ffcl_engine_plan_of(engine);
    const ffcl_device_estimate found = {
        .index = device->index, .batch = plan->batch, .decode_batch = plan->decode_batch,
        .name = device->caps.name, .precision = plan->dtype == FFCL_F16 ? "half" : "float32",
        .gemms = gemms, .variants = variants, .weights = (double)plan->weights,
        .activations = (double)plan->activations, .memory = (double)device->caps.global_bytes,
        .mapped = (double)plan->mapped, .is_shared = ffcl_is_integrated(&device->caps),
        .images_per_second = rate};
    visit(user, &found);
    return 0;
}

/* Bytes and seconds of an image of the calibration as a PNG. */
static int time_writing(const calibration *c, double *bytes, double *seconds, ffcl_error *err)
{
    const size_t S = c->s->S, most = ffcl_min(c->n, 16), values = most * S * S * 3;
    const ffcl_png_options options = {.level = (int)c->s->cfg->output.png_level};
    const double began = ffcl_clock();
    size_t total = 0, size = 0;
    int rc = 0;
    uint32_t random = 1;
    /* Five random bits a value are about what photographs have. */
    for (size_t i = 0; c->share < 1 && i < values; i++) {
        random = 1664525 * random + 1013904223;
        c->rgb[i] = (uint8_t)(112 + (random >> 27));
    }
    for (size_t i = 0; rc == 0 && i < most; i++) {
        rc = ffcl_png_size(&size, c->rgb + i * S * S * 3, S, S, &options, err);
        total += size;
    }
    *bytes = (double)total / (double)most;
    *seconds = (ffcl_clock() - began) / (double)most;
    return rc;
}

/* Images of the folder that this run would keep. */
static size_t count_there(const ffcl_config *cfg)
{
    ffcl_folder_images found = {0};
    ffcl_home home;
    ffcl_error ignored;
    if (!cfg->output.folder || !cfg->output.resume || ffcl_home_open(&home, cfg, &ignored))
        return 0;
    const ffcl_folder_query query = ffcl_home_query(cfg, 0);
    if (access(home.manifest, F_OK) == 0)
        (void)ffcl_folder_look(&query, &found, &ignored);
    ffcl_home_close(&home);
    return found.n;
}

static void estimate_disk(const ffcl_sampler *s, double png_bytes, ffcl_estimate *out)
{
    const ffcl_config *cfg = s->cfg;
    const char *const paths[] = {cfg->output.grid, cfg->output.folder, cfg->output.npz};
    const double n = (double)out->count;
    out->free_bytes = NAN;
    out->folder_bytes = cfg->output.folder ? n * png_bytes : 0;
    out->npz_bytes = cfg->output.npz ? n * ((double)(s->S * s->S * 3) +
                                            (cfg->output.npz_labels ? 8 : 0)) : 0;
    out->grid_bytes = cfg->output.grid ? n * png_bytes : 0;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (paths[i])
            out->free_bytes = fmin(out->free_bytes, ffcl_free_bytes(paths[i]));
}

static int estimate(calibration *c, ffcl_estimate *out, ffcl_estimate_visitor *visit, void *user,
                    ffcl_error *err)
{
    ffcl_sampler *s = c->s;
    double png_bytes = 0, png_seconds = 0;
    ffcl_sampler_prepare_noise(s, 0, ffcl_min(ffcl_engine_batch(s->engine), s->count));
    int rc = estimate_device(c, &s->devices[0], s->engine, visit, user, err);
    for (size_t i = 1; rc == 0 && i < s->n_devices; i++) {
        ffcl_engine *other = NULL;
        rc = ffcl_opening_wait(s->openings[i], &other, err);
        if (rc == 0)
            rc = estimate_device(c, &s->devices[i], other, visit, user, err);
        ffcl_engine_close(&other);
    }
    if (rc == 0)
        rc = time_writing(c, &png_bytes, &png_seconds, err);
    if (rc)
        return rc;
    out->there = ffcl_min(count_there(s->cfg), out->count);
    out->timed = c->timed;
    out->share = c->share;
    const double left = (double)(out->count - out->there);
    const double writing = s->cfg->output.folder
                               ? left * png_seconds / (double)ffcl_config_threads(s->cfg) : 0;
    /* A GPU computes while the host compresses; a CPU has both to do. */
    out->sampling = s->devices[0].caps.type & CL_DEVICE_TYPE_CPU
                        ? left / c->rate + writing : fmax(left / c->rate, writing);
    if (s->cfg->output.grid)
        out->sampling += (double)out->count * png_seconds;
    estimate_disk(s, png_bytes, out);
    return 0;
}

int ffcl_sampler_estimate(ffcl_sampler *s, ffcl_estimate *out, ffcl_estimate_visitor *visit,
                          void *user, ffcl_error *err)
{
    const size_t batch = ffcl_engine_batch(s->engine);
    const int share = ffcl_is_share(s->cfg);
    const size_t world = share ? s->cfg->sampler.world : 1;
    const size_t rank = share ? s->cfg->sampler.rank : 0;
    const size_t count = s->cfg->sampler.index == FFCL_ALL_RANKS ? s->count : 1;
    calibration c = {.s = s, .share = 1, .rgb = malloc(batch * s->S * s->S * 3)};
    int rc = 0;
    *out = (ffcl_estimate){.count = (count + world - 1 - rank) / world, .height = s->S,
                           .width = s->S, .opening = ffcl_clock() - s->began};
    if (ffcl_engine_extractor(s->engine))
        c.features = malloc(batch * FFCL_INCEPTION_ALL * sizeof *c.features);
    if (!c.rgb || (ffcl_engine_extractor(s->engine) && !c.features))
        rc = ffcl_fail(err, FFCL_ENOMEM, "out of memory for a batch of %zu", batch);
    if (rc == 0)
        rc = estimate(&c, out, visit, user, err);
    free(c.rgb);
    free(c.features);
    return rc;
}

/* ---- disks -------------------------------------------------------------------------------- */

/* An output, the disk that it goes to, and what is yet to be written there. */
typedef struct portion {
    const char *path;
    double bytes;
    uint64_t disk;
    int is_known;
} portion;

/* Where the folder is not there, its own is asked. */
static void find_disk(portion *p)
{
    struct stat st;
    char *dir = ffcl_path_dir(p->path);
    p->is_known = stat(p->path, &st) == 0 || (dir && stat(dir, &st) == 0);
    if (p->is_known)
        p->disk = (uint64_t)st.st_dev;
    free(dir);
}

/* A whole npz of this run is kept; the file that one grows in has its room already. */
static double npz_left(const ffcl_estimate *e, const ffcl_config *cfg)
{
    struct stat st;
    const char *npz = cfg->output.npz;
    char *dir = ffcl_path_dir(npz);
    char *part = dir ? ffcl_format("%s/.%s.part", dir, ffcl_base_name(npz)) : NULL;
    const double there = part ? ffcl_bytes_on_disk(part) : 0;
    const int is_whole = cfg->output.resume && !cfg->output.overwrite && stat(npz, &st) == 0 &&
                         (double)st.st_size >= e->npz_bytes;
    free(dir);
    free(part);
    return is_whole ? 0 : fmax(0, e->npz_bytes - there);
}

int ffcl_estimate_check_disk(const ffcl_estimate *e, const ffcl_config *cfg, ffcl_error *err)
{
    const double left = e->count ? 1 - (double)e->there / (double)e->count : 0;
    portion all[3];
    size_t n = 0;
    if (cfg->output.grid)
        all[n++] = (portion){.path = cfg->output.grid, .bytes = e->grid_bytes};
    /* Overwriting begins with making room. */
    if (cfg->output.folder && !cfg->output.overwrite)
        all[n++] = (portion){.path = cfg->output.folder, .bytes = e->folder_bytes * left};
    if (cfg->output.npz)
        all[n++] = (portion){.path = cfg->output.npz, .bytes = npz_left(e, cfg)};
    for (size_t i = 0; i < n; i++)
        find_disk(&all[i]);
    for (size_t i = 0; i < n; i++) {
        const double room = ffcl_free_bytes(all[i].path);
        double bytes = 0;
        for (size_t j = 0; j <= i; j++)
            if (all[j].is_known && all[i].is_known && all[j].disk == all[i].disk)
                bytes += all[j].bytes;
        if (bytes > room)       /* never where the room is not known */
            return ffcl_fail(err, FFCL_EOUTPUT, "cannot write %.500s: disk full: about %.3f GB "
                             "are to be written there, and %.3f GB are free", all[i].path,
                             bytes / 1e9, room / 1e9);
    }
    return 0;
}

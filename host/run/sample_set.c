/* SPDX-License-Identifier: MIT */
#include "run/sample_set.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cl/context.h"
#include "cl/source.h"
#include "config_table.h"
#include "files/atomic.h"
#include "files/lock.h"
#include "model/family.h"
#include "model/sit.h"
#include "model/vae.h"
#include "run/folder.h"
#include "run/labels.h"
#include "run/records.h"
#include "util.h"

/* A grid of so many images is never too large. */
enum { FEW = 15 };

/* Bytes of the lock file: one for each rank; the gate, which is held to read or write the manifest;
 * and one that nobody holds for long, to open the file by. */
enum { RANKS = 1 << 20, GATE = 1 << 21, FREE };

/* Where lock and manifest of a sample set lie; all NULL for a grid alone, which has neither. */
typedef struct home {
    char *lock, *manifest, *labels;
    const char *name;               /* for sentences: the folder or the npz */
} home;

struct ffcl_sample_set {
    ffcl_sample_set_spec spec;
    home home;
    int lock_fd;                    /* -1: none */
    ffcl_manifest *manifest;        /* NULL: none */
    ffcl_outputs *outputs;
    pthread_mutex_t mutex;          /* of the manifest's lists */
    size_t kept, skipped;
    int64_t started;                /* by the system's clock */
    double began, committing;       /* by ffcl_clock; how long the last step took */
    int may_keep;                   /* an earlier run may have left images */
    size_t older;                   /* that many, where it was to have more or fewer; else 0 */
    int has_made_folder;
    int is_clear;                   /* images in the folder are of this sample set */
    int64_t *labels;                /* (count) NULL: there is no home */
};

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int is_share(const ffcl_config *cfg)
{
    return cfg->sampler.rank != FFCL_ALL_RANKS && cfg->sampler.world > 1;
}

/* ---- the home ----------------------------------------------------------------------------- */

static void close_home(home *h)
{
    free(h->lock);
    free(h->manifest);
    free(h->labels);
    *h = (home){0};
}

static int open_home(home *h, const ffcl_config *cfg, ffcl_error *err)
{
    *h = (home){0};
    if (cfg->output.folder) {
        h->name = cfg->output.folder;
        h->lock = ffcl_format("%s/.ffcl.lock", h->name);
        h->manifest = ffcl_format("%s/manifest.json", h->name);
        h->labels = ffcl_format("%s/labels.txt", h->name);
    } else if (cfg->output.npz) {
        char *dir = ffcl_path_dir(cfg->output.npz);
        h->name = cfg->output.npz;
        h->lock = dir ? ffcl_format("%s/.%s.lock", dir, base_name(h->name)) : NULL;
        h->manifest = ffcl_format("%s.manifest.json", h->name);
        h->labels = ffcl_format("%s.labels.txt", h->name);
        free(dir);
    }
    if (h->name && (!h->lock || !h->manifest || !h->labels)) {
        close_home(h);
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for a path");
    }
    return 0;
}

/* *made: it was not there. */
static int make_folder(const char *folder, int *made, ffcl_error *err)
{
    *made = mkdir(folder, 0777) == 0;
    if (!*made && errno != EEXIST)
        return ffcl_fail(err, FFCL_EOUTPUT, "cannot make the folder %s: %s", folder,
                         strerror(errno));
    return 0;
}

/* This process's bytes of the lock. */
static int take_lock(int *fd, const home *h, const ffcl_config *cfg, ffcl_error *err)
{
    const int share = is_share(cfg);
    int rc = ffcl_lock_open(fd, h->lock, share ? cfg->sampler.rank : 0, share ? 1 : RANKS, err);
    if (rc <= 0)
        return rc;
    return ffcl_fail(err, FFCL_EBUSY, "another run is writing to %s: wait for it, or choose "
                     "another place", h->name);
}

/* The lock, in a folder that is there.  Another run that only looks may remove the empty folder
 * that it has made, just then. */
static int enter(const ffcl_config *cfg, const home *h, int *made, int *fd, ffcl_error *err)
{
    const char *folder = cfg->output.folder;
    int rc = take_lock(fd, h, cfg, err);
    for (int tries = 25; rc == FFCL_EOUTPUT && folder && tries > 0; tries--) {
        if (access(folder, F_OK) == 0 || errno != ENOENT)
            return rc;
        rc = make_folder(folder, made, err);
        if (rc == 0)
            rc = take_lock(fd, h, cfg, err);
    }
    return rc;
}

/* ---- what is in the way ------------------------------------------------------------------- */

/* The images that are there and not of the sample set: those from index `from` on; of a share, its
 * own. */
static ffcl_folder_query query_of(const ffcl_config *cfg, size_t from)
{
    const int share = is_share(cfg);
    return (ffcl_folder_query){.folder = cfg->output.folder, .from = from,
                               .world = share ? cfg->sampler.world : 1,
                               .rank = share ? cfg->sampler.rank : 0, .grid = cfg->output.grid};
}

/* Fails where images are in the way that must not be deleted.  is_old: a manifest says that the
 * images below the count are of this sample set. */
static int check_way(const ffcl_config *cfg, int is_old, ffcl_error *err)
{
    const size_t count = ffcl_config_count(cfg);
    const char *npz = cfg->output.npz;
    ffcl_folder_images found = {0};
    if (cfg->output.overwrite)
        return 0;
    if (cfg->output.folder) {
        const ffcl_folder_query query = query_of(cfg, is_old ? count : 0);
        ffcl_folder_look(&query, &found);
    }
    if (found.n && is_old)
        return ffcl_fail(err, FFCL_ESETTINGS, "%s holds %zu images more than the %zu that are "
                         "asked for (%06zu.png is the first): choose another folder, or "
                         "--overwrite deletes them", cfg->output.folder, found.n, count,
                         found.first);
    if (found.n)
        return ffcl_fail(err, FFCL_ESETTINGS, "%s holds %zu images that are not of this run "
                         "(%06zu.png is the first): choose another folder, or --overwrite "
                         "deletes them", cfg->output.folder, found.n, found.first);
    if (npz && !is_old && access(npz, F_OK) == 0)
        return ffcl_fail(err, FFCL_ESETTINGS, "%s is there and not of this run: choose another "
                         "name, or --overwrite replaces it", npz);
    return 0;
}

/* Opens the manifest and sets what is known from cfg.  Where overwriting is allowed, one that does
 * not suit is taken for none. */
static int read_manifest(ffcl_manifest **m, const home *h, const ffcl_config *cfg, ffcl_error *err)
{
    ffcl_error why = {0};
    int rc = ffcl_manifest_open(m, h->manifest, cfg->output.resume, &why);
    if (rc == FFCL_ESETTINGS && cfg->output.overwrite)
        rc = ffcl_manifest_open(m, h->manifest, 0, &why);
    if (rc == 0)
        rc = ffcl_manifest_set_config(*m, cfg, &why);
    return rc ? ffcl_fail(err, rc, "%s", why.text) : 0;
}

/* ---- before anything is opened ------------------------------------------------------------ */

/* Can a file be written at path?  Tried with a temporary one. */
static int probe(const char *path, ffcl_error *err)
{
    ffcl_atomic_file file = {0};
    int rc = ffcl_atomic_open(&file, path, err);
    ffcl_atomic_discard(&file);
    return rc;
}

/* Tries whether the lock can be taken, and whether the manifest agrees with the settings that are
 * known from cfg. */
static int probe_home(const ffcl_config *cfg, ffcl_error *err)
{
    home h;
    int fd = -1, made = 0, rc = open_home(&h, cfg, err);
    ffcl_manifest *m = NULL;
    ffcl_config *resolved = NULL;
    if (rc == 0 && cfg->output.folder)
        rc = make_folder(cfg->output.folder, &made, err);
    if (rc == 0 && h.name)
        rc = enter(cfg, &h, &made, &fd, err);
    if (rc == 0 && h.name)
        rc = probe(h.manifest, err);
    if (rc == 0 && h.name) {
        /* A checkpoint that cannot be read is reported when it is opened. */
        ffcl_error unread;
        rc = ffcl_config_copy(&resolved, cfg, err);
        const int is_known = rc == 0 && ffcl_family_resolve(resolved, 0, &unread) == 0;
        if (rc == 0)
            rc = read_manifest(&m, &h, is_known ? resolved : cfg, err);
        if (rc == 0)
            ffcl_manifest_let_grow(m);      /* whether it may is known when the weights are open */
        if (rc == 0 && is_known && !cfg->output.overwrite)
            rc = ffcl_manifest_check(m, err);
        if (rc == 0)
            rc = check_way(cfg, ffcl_manifest_is_old(m), err);
    }
    ffcl_config_close(&resolved);
    ffcl_manifest_close(&m);
    ffcl_lock_remove(&fd, h.lock);
    close_home(&h);
    if (made)
        rmdir(cfg->output.folder);          /* it is made again when there is something for it */
    return rc;
}

/* The side of the images, by the shapes in the files of weights; 0 where they do not say, which is
 * reported when they are opened. */
static size_t find_side(const ffcl_config *cfg)
{
    const ffcl_sit_hints hints = {0};
    const ffcl_vae_options options = {.wrapper = cfg->vae.wrapper, .groups = cfg->vae.groups};
    ffcl_config *resolved = NULL;
    ffcl_sit *sit = NULL;
    ffcl_vae *vae = NULL;
    ffcl_error ignored;
    size_t side = 0;
    if (ffcl_config_copy(&resolved, cfg, &ignored) == 0 &&
        ffcl_family_resolve(resolved, 0, &ignored) == 0 &&
        ffcl_sit_open(&sit, resolved, &hints, &ignored) == 0)
        side = ffcl_sit_dims_of(sit)->R;
    if (side && strcmp(resolved->vae.weights, "none") != 0)
        side = ffcl_vae_open(&vae, resolved->vae.weights, &options, &ignored)
                   ? 0 : side * ffcl_vae_dims_of(vae)->upscale;
    ffcl_vae_close(&vae);
    ffcl_sit_close(&sit);
    ffcl_config_close(&resolved);
    return side;
}

int ffcl_config_check_outputs(const ffcl_config *cfg, ffcl_error *err)
{
    int rc = ffcl_config_check(cfg, err);
    if (rc == 0 && !cfg->output.grid && !cfg->output.folder && !cfg->output.npz &&
        !ffcl_config_evaluates(cfg))
        rc = ffcl_fail(err, FFCL_ECONFIG, "[output] names neither grid nor folder nor npz, and "
                       "nothing is evaluated ([eval] reference), so nothing would be left");
    if (rc == 0 && cfg->output.grid && ffcl_config_count(cfg) > FEW)
        rc = ffcl_outputs_check_grid(cfg, find_side(cfg), err);
    if (rc == 0 && cfg->output.grid)
        rc = probe(cfg->output.grid, err);
    if (rc == 0 && cfg->output.npz)
        rc = probe(cfg->output.npz, err);
    return rc ? rc : probe_home(cfg, err);
}

/* ---- opening ------------------------------------------------------------------------------ */

static int set_kernels(ffcl_manifest *m, const ffcl_engine *engine, ffcl_error *err)
{
    char products[400], unit[80];
    ffcl_engine_products(engine, products, sizeof products);
    ffcl_engine_unit(engine, unit, sizeof unit);
    const ffcl_manifest_kernels kernels = {products, *unit ? unit : NULL};
    return ffcl_manifest_set_kernels(m, ffcl_engine_device(engine)->caps.name, &kernels, err);
}

static int set_latent_form(ffcl_manifest *m, const ffcl_engine *engine, ffcl_error *err)
{
    const ffcl_latent_form *form = ffcl_engine_latent_form(engine);
    char text[120];
    ffcl_config_real_text(text, form->scale);
    int rc = ffcl_manifest_set(m, "vae.scale", text, err);
    ffcl_config_real_text(text, form->shift);
    if (!rc)
        rc = ffcl_manifest_set(m, "vae.shift", text, err);
    return rc ? rc : ffcl_manifest_set(m, "vae.stats", form->stats, err);
}

/* The settings that come from files and device: every fact of the key table, and [condition]. */
static int set_facts(ffcl_manifest *m, const ffcl_sample_set_spec *s, ffcl_error *err)
{
    char text[96], key[160];
    const char *checkpoint = NULL, *vae = NULL;
    const ffcl_sit_dims *d = ffcl_engine_sit(s->engine);
    const ffcl_tensor_file *const files[2] = {ffcl_engine_file(s->engine, 0),
                                              ffcl_engine_file(s->engine, 1)};
    int rc = ffcl_hashes_get(s->hashes, &checkpoint, &vae, err);
    if (!rc)
        rc = ffcl_hashes_check(s->hashes, files, err);
    if (!rc)
        rc = ffcl_manifest_set(m, "model.checkpoint", checkpoint, err);
    if (!rc)
        rc = ffcl_manifest_set(m, "vae.weights", vae, err);
    if (!rc)
        rc = set_latent_form(m, s->engine, err);
    snprintf(text, sizeof text, "%zu", d->split == SIZE_MAX ? 0 : d->split);
    if (!rc)
        rc = ffcl_manifest_set(m, "model.split", text, err);
    snprintf(text, sizeof text, "%.9g", ffcl_engine_noise_scale(s->engine));
    if (!rc)
        rc = ffcl_manifest_set(m, "model.noise_scale", text, err);
    snprintf(text, sizeof text, "%zu", d->H);
    if (!rc)
        rc = ffcl_manifest_set(m, "model.heads", text, err);
    /* Which labels there are does not matter where they are listed. */
    if (!rc)
        rc = ffcl_manifest_set(m, "model.null_class", s->cfg->sampler.kind == FFCL_CLASSES_LIST ||
                               d->classes < d->rows ? "last row" : "none", err);
    snprintf(text, sizeof text, "%zu x %zu", s->width, s->height);
    if (!rc)
        rc = ffcl_manifest_set(m, "picture", text, err);
    if (!rc)
        rc = ffcl_manifest_set(m, "precision.compute",
                               ffcl_engine_dtype(s->engine) == FFCL_F16 ? "half"
                               : "float32", err);
    snprintf(text, sizeof text, "%zu", ffcl_engine_vae(s->engine)
                                           ? ffcl_engine_vae(s->engine)->groups : 0);
    if (!rc)
        rc = ffcl_manifest_set(m, "vae.norm_num_groups", text, err);
    if (!rc)
        rc = ffcl_sources_id(text, sizeof text, err);
    if (!rc)
        rc = ffcl_manifest_set(m, "kernels", text, err);
    if (!rc)
        rc = set_kernels(m, s->engine, err);
    for (size_t i = 0; !rc && i < d->embedders; i++) {
        const ffcl_condition *c = ffcl_engine_condition(s->engine, i);
        snprintf(key, sizeof key, "condition.%.120s", c->prefix);
        rc = ffcl_manifest_set(m, key, ffcl_config_input_text(text, sizeof text, c), err);
    }
    return rc;
}

/* Which temporary files of a killed run may be removed: those that only this process makes. */
static int is_ours(void *user, const char *name)
{
    const ffcl_sample_set *set = user;
    const ffcl_config *cfg = set->spec.cfg;
    size_t index = 0;
    int end = 0;
    if (sscanf(name, "%zu.png%n", &index, &end) == 1 && end > 0 && !name[end])
        return !is_share(cfg) || index % cfg->sampler.world == cfg->sampler.rank;
    return !strcmp(name, base_name(set->home.manifest)) ||
           !strcmp(name, base_name(set->home.labels)) ||
           (cfg->output.npz && !strcmp(name, base_name(cfg->output.npz)));
}

static void sweep(ffcl_sample_set *set)
{
    const ffcl_config *cfg = set->spec.cfg;
    const char *files[] = {cfg->output.folder ? set->home.manifest : NULL, cfg->output.npz};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *dir = files[i] ? ffcl_path_dir(files[i]) : NULL;
        if (dir)
            ffcl_atomic_sweep(dir, is_ours, set);
        free(dir);
    }
}

/* Of another kind of sample set, or of one that is begun anew. */
static int begin_anew(ffcl_sample_set *set, ffcl_error *err)
{
    const ffcl_config *cfg = set->spec.cfg;
    ffcl_manifest_close(&set->manifest);
    int rc = ffcl_manifest_open(&set->manifest, set->home.manifest, 0, err);
    if (rc == 0)
        rc = ffcl_manifest_set_config(set->manifest, cfg, err);
    return rc ? rc : set_facts(set->manifest, &set->spec, err);
}

/* Deletes what is in the way; that it may be has been checked. */
static int clear_way(ffcl_sample_set *set, ffcl_error *err)
{
    const ffcl_config *cfg = set->spec.cfg;
    char text[300];
    ffcl_folder_images found;
    if (!cfg->output.folder)
        return 0;
    const ffcl_folder_query query = query_of(cfg, set->may_keep ? set->spec.count : 0);
    ffcl_folder_look(&query, &found);
    if (found.strangers) {
        snprintf(text, sizeof text, "%.120s also holds %zu images that are not of this sample set "
                 "(%.60s): who reads all of the folder reads them, too", cfg->output.folder,
                 found.strangers, found.stranger);
        ffcl_report(set->spec.observer, FFCL_PHASE_WARN, text, 0, 0);
    }
    if (!found.n)
        return 0;
    snprintf(text, sizeof text, "overwriting: %zu images are deleted from %.120s", found.n,
             cfg->output.folder);
    ffcl_report(set->spec.observer, FFCL_PHASE_NOTE, text, 0, 0);
    return ffcl_folder_clear(&query, err);
}

/* Reads the manifest and compares it with this run's settings; the gate is held. */
static int open_manifest(ffcl_sample_set *set, ffcl_error *err)
{
    const ffcl_config *cfg = set->spec.cfg;
    char assumed[200], text[800];
    int rc = read_manifest(&set->manifest, &set->home, cfg, err);
    if (rc == 0 && ffcl_noise_grows(set->spec.noise))
        ffcl_manifest_let_grow(set->manifest);
    if (rc == 0)
        rc = set_facts(set->manifest, &set->spec, err);
    assert(rc || !ffcl_manifest_missing(set->manifest));
    if (rc == 0)
        rc = ffcl_manifest_check(set->manifest, err);
    if (rc == FFCL_ESETTINGS && cfg->output.overwrite)
        rc = begin_anew(set, err);
    set->may_keep = rc == 0 && ffcl_manifest_is_old(set->manifest);
    if (rc == 0)
        rc = check_way(cfg, set->may_keep, err);
    set->is_clear = rc == 0 && (rc = clear_way(set, err)) == 0;
    set->older = set->may_keep ? ffcl_manifest_count(set->manifest) : 0;
    if (set->older == set->spec.count)
        set->older = 0;
    if (rc == 0 && ffcl_manifest_assumes(set->manifest, assumed, sizeof assumed)) {
        snprintf(text, sizeof text, "%.400s is of an earlier version of ffcl and does not say %s: "
                 "taken for what its images were made with", set->home.manifest, assumed);
        ffcl_report(set->spec.observer, FFCL_PHASE_WARN, text, 0, 0);
    }
    return rc;
}

static void warn_of_locks(const ffcl_sample_set *set)
{
    char text[400];
    snprintf(text, sizeof text, "the file system of %.250s has no locks: see to it that no second "
             "run writes to it at the same time", set->home.name);
    ffcl_report(set->spec.observer, FFCL_PHASE_WARN, text, 0, 0);
}

static const int64_t *npz_labels(const ffcl_sample_set *set)
{
    return set->spec.cfg->output.npz_labels ? set->labels : NULL;
}

int ffcl_sample_set_open(ffcl_sample_set **out, const ffcl_sample_set_spec *spec, ffcl_error *err)
{
    const ffcl_config *cfg = spec->cfg;
    *out = NULL;
    ffcl_sample_set *set = calloc(1, sizeof *set);
    if (!set)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the outputs");
    *set = (ffcl_sample_set){.spec = *spec, .lock_fd = -1, .started = (int64_t)time(NULL),
                             .began = ffcl_clock()};
    pthread_mutex_init(&set->mutex, NULL);
    int rc = ffcl_config_check(cfg, err);
    int which = FFCL_OUT_FOLDER | (is_share(cfg) ? 0 : FFCL_OUT_NPZ | FFCL_OUT_GRID);
    if (rc == 0)
        rc = open_home(&set->home, cfg, err);
    if (rc == 0 && cfg->output.folder)
        rc = make_folder(cfg->output.folder, &set->has_made_folder, err);
    if (rc == 0 && set->home.name)
        rc = ffcl_labels_make(&set->labels, spec->noise, err);
    if (rc == 0 && set->home.name)
        rc = enter(cfg, &set->home, &set->has_made_folder, &set->lock_fd, err);
    if (rc == 0 && set->home.name && !ffcl_lock_is_real(set->lock_fd))
        warn_of_locks(set);
    if (rc == 0 && set->home.name) {
        ffcl_lock_more(set->lock_fd, GATE, 1, 1);
        rc = open_manifest(set, err);
        if (rc == 0)
            sweep(set);
    }
    if (rc == 0)
        rc = ffcl_outputs_open(&set->outputs, &(ffcl_outputs_spec){
            .cfg = cfg, .which = which, .count = spec->count, .height = spec->height,
            .width = spec->width, .labels = npz_labels(set), .resume = set->may_keep,
            .older = set->older}, err);
    if (rc == 0 && set->manifest && !set->may_keep &&
        (rc = ffcl_manifest_write(set->manifest, NULL, err)))
        unlink(set->home.manifest);     /* it may be there, and its folder not on the disk */
    if (set->lock_fd >= 0)
        ffcl_lock_less(set->lock_fd, GATE, 1);
    if (rc) {
        ffcl_manifest_close(&set->manifest);        /* nothing happened that it could record */
        ffcl_sample_set_end(&set, NULL, rc, err);
    }
    *out = set;
    return rc;
}

/* ---- what is there ------------------------------------------------------------------------ */

/* One search, shared by its threads. */
typedef struct search {
    ffcl_sample_set *set;
    ffcl_outputs *outputs;
    ffcl_indices *indices;          /* NULL: only count */
    ffcl_kept_visitor *see;         /* or NULL */
    void *user;
    size_t first, step;
    atomic_size_t next, kept;
    atomic_int rc, running;
    pthread_mutex_t mutex;          /* of err */
    ffcl_error err;
} search;

static void *look_through(void *user)
{
    search *s = user;
    const ffcl_sample_set_spec *spec = &s->set->spec;
    ffcl_error err = {0};
    uint8_t *rgb = malloc(spec->height * spec->width * 3);
    int rc = rgb ? 0 : ffcl_fail(&err, FFCL_ENOMEM, "out of memory for an image");
    while (!rc && !atomic_load(&s->rc) && !atomic_load(spec->stop)) {
        size_t index = s->first + atomic_fetch_add(&s->next, 1) * s->step;
        if (index >= spec->count)
            break;
        rc = ffcl_outputs_keep(s->outputs, index, rgb, &err);
        if (rc > 0) {
            atomic_fetch_add(&s->kept, 1);
            rc = s->see ? s->see(s->user, index, rgb, &err) : 0;
            if (s->indices)
                ffcl_indices_done(s->indices, index);
        }
    }
    pthread_mutex_lock(&s->mutex);
    if (rc && !atomic_load(&s->rc)) {
        s->err = err;
        atomic_store(&s->rc, rc);
    }
    pthread_mutex_unlock(&s->mutex);
    atomic_fetch_sub(&s->running, 1);
    free(rgb);
    return NULL;
}

/* Reads every image of a share, from `first` on; `kept`: how many are there. */
static int search_through(search *s, ffcl_error *err)
{
    ffcl_sample_set *set = s->set;
    const size_t threads = ffcl_config_threads(set->spec.cfg);
    const struct timespec moment = {0, 20000000};
    pthread_t *ids = calloc(threads, sizeof *ids);
    size_t n = 0, total = ffcl_div_up(set->spec.count - s->first, s->step);
    pthread_mutex_init(&s->mutex, NULL);
    atomic_store(&s->running, (int)threads);
    while (ids && n < threads && pthread_create(&ids[n], NULL, look_through, s) == 0)
        n++;
    atomic_fetch_sub(&s->running, (int)(threads - n));
    while (atomic_load(&s->running) > 0) {
        nanosleep(&moment, NULL);
        ffcl_report(set->spec.observer, FFCL_PHASE_CHECK, NULL,
                    ffcl_min(atomic_load(&s->next), total), total);
    }
    for (size_t i = 0; i < n; i++)
        pthread_join(ids[i], NULL);
    free(ids);
    pthread_mutex_destroy(&s->mutex);
    if (!n)
        return ffcl_fail(err, FFCL_ENOMEM, "no thread can be started that would read images");
    return atomic_load(&s->rc) ? ffcl_fail(err, atomic_load(&s->rc), "%s", s->err.text) : 0;
}

int ffcl_sample_set_find_kept(ffcl_sample_set *set, ffcl_indices *indices, ffcl_kept_visitor *see,
                              void *user, ffcl_error *err)
{
    const ffcl_config *cfg = set->spec.cfg;
    const int share = is_share(cfg);
    char text[160];
    if (!set->may_keep)
        return 0;
    search s = {.set = set, .outputs = set->outputs, .indices = indices, .see = see, .user = user,
                .first = share ? cfg->sampler.rank : 0, .step = share ? cfg->sampler.world : 1};
    int rc = search_through(&s, err);
    size_t total = 0;
    set->kept = atomic_load(&s.kept);
    ffcl_indices_count(indices, &total, NULL, NULL);
    snprintf(text, sizeof text, "resuming %.100s: %zu of %zu images are there",
             set->home.name, set->kept, total);
    if (rc == 0)
        ffcl_report(set->spec.observer, FFCL_PHASE_NOTE, text, 0, 0);
    return rc;
}

/* ---- what is added ------------------------------------------------------------------------ */

int ffcl_sample_set_put(ffcl_sample_set *set, size_t index, const uint8_t *rgb, int whole,
                        ffcl_error *err)
{
    return whole ? ffcl_outputs_put_whole(set->outputs, index, rgb, err)
                 : ffcl_outputs_put(set->outputs, index, rgb, err);
}

int ffcl_sample_set_skip(ffcl_sample_set *set, size_t index, int label, const char *stage,
                         ffcl_error *err)
{
    int rc = ffcl_outputs_skip(set->outputs, index, err);
    pthread_mutex_lock(&set->mutex);
    set->skipped++;
    if (rc == 0 && set->manifest)
        rc = ffcl_manifest_add_bad(set->manifest, index, label, stage, err);
    pthread_mutex_unlock(&set->mutex);
    return rc;
}

void ffcl_sample_set_warn_of_device(const ffcl_sample_set *set, const ffcl_caps *caps)
{
    char text[256];
    if (!set->manifest || !set->kept || !ffcl_manifest_is_new_device(set->manifest, caps))
        return;
    snprintf(text, sizeof text, "earlier images of this sample set come from another kind of "
             "device or driver than %.80s: some bytes will differ by 1 from those of one kind",
             caps->name);
    ffcl_report(set->spec.observer, FFCL_PHASE_WARN, text, 0, 0);
}

int ffcl_sample_set_join(ffcl_sample_set *set, const ffcl_engine *engine, ffcl_error *err)
{
    int rc = 0;
    pthread_mutex_lock(&set->mutex);
    if (set->manifest)
        rc = set_kernels(set->manifest, engine, err);
    if (rc == 0 && set->manifest)
        rc = ffcl_manifest_check(set->manifest, err);
    pthread_mutex_unlock(&set->mutex);
    return rc;
}

int ffcl_sample_set_add_device(ffcl_sample_set *set, const ffcl_manifest_device *device,
                               ffcl_error *err)
{
    return set->manifest ? ffcl_manifest_add_device(set->manifest, device, err) : 0;
}

int ffcl_sample_set_wants_pixels(const ffcl_sample_set *set)
{
    return set->spec.cfg->output.npz || set->spec.cfg->output.grid;
}

/* ---- the end ------------------------------------------------------------------------------ */

/* After a share, with the gate held: makes the npz if the files of all shares are there. */
static int assemble(ffcl_sample_set *set, ffcl_error *err)
{
    const ffcl_sample_set_spec *s = &set->spec;
    ffcl_outputs *all = NULL;
    int there = 1;
    for (size_t i = 0; i < s->count && there > 0; i++)
        there = ffcl_outputs_has_file(set->outputs, i, err);
    if (there <= 0)
        return there;
    int rc = ffcl_outputs_open(&all, &(ffcl_outputs_spec){
        .cfg = s->cfg, .which = FFCL_OUT_FOLDER | FFCL_OUT_NPZ, .count = s->count,
        .height = s->height, .width = s->width, .labels = npz_labels(set), .resume = 1}, err);
    search found = {.set = set, .outputs = all, .step = 1};
    if (rc == 0)
        rc = search_through(&found, err);
    const size_t kept = atomic_load(&found.kept);
    if (rc == 0 && atomic_load(s->stop))
        rc = ffcl_fail(err, FFCL_ESTOPPED, "stopped while %s was made; the same command resumes",
                       s->cfg->output.npz);
    if (rc == 0 && kept < s->count)
        rc = ffcl_fail(err, FFCL_EOUTPUT, "cannot write %s: %zu of the %zu images in %s are "
                       "damaged; run their ranks again, or rank = all", s->cfg->output.npz,
                       s->count - kept, s->count, s->cfg->output.folder);
    if (rc == 0)
        rc = ffcl_outputs_commit(all, err);
    ffcl_outputs_close(&all, 1);
    return rc;
}

/* Returns rc, or of a run that was right so far what writing the manifest gave. */
static int write_manifest(ffcl_sample_set *set, size_t done, int rc, ffcl_error *err)
{
    ffcl_error second = {0};        /* dropped: the first failure is the one to report */
    const ffcl_manifest_run run = {
        .kept = set->kept, .generated = done - set->kept, .processes = set->spec.processes,
        .seconds = ffcl_clock() - set->began, .committing = set->committing,
        .started = set->started,
        .end = rc == 0 ? "complete" : rc == FFCL_ESTOPPED ? "stopped" : err->text};
    int written = ffcl_manifest_write(set->manifest, &run, &second);
    if (rc == 0 && written)
        *err = second;
    return rc ? rc : written;
}

/* Manifest and labels, which are wanted where any image is. */
static int leave_record(ffcl_sample_set *set, size_t done, int rc, ffcl_error *err)
{
    ffcl_error second = {0};
    const int written = ffcl_labels_write(set->home.labels, set->labels, set->spec.count, &second);
    if (rc == 0 && written) {
        rc = written;
        *err = second;
    }
    return write_manifest(set, done, rc, err);
}

static void remove_lock(ffcl_sample_set *set)
{
    char text[1300];
    const int number = ffcl_lock_remove(&set->lock_fd, set->home.lock);
    if (!number)
        return;
    snprintf(text, sizeof text, "the lock file %.1000s cannot be removed (%.100s); no run has it, "
             "and it hinders none", set->home.lock, strerror(number));
    ffcl_report(set->spec.observer, FFCL_PHASE_WARN, text, 0, 0);
}

int ffcl_sample_set_end(ffcl_sample_set **out, ffcl_indices *indices, int rc, ffcl_error *err)
{
    ffcl_sample_set *set = *out;
    size_t done = 0;
    if (!set)
        return rc;
    if (indices)
        ffcl_indices_count(indices, NULL, &done, NULL);
    const double committed_from = ffcl_clock();
    if (rc == 0)
        rc = ffcl_outputs_commit(set->outputs, err);
    set->committing = ffcl_clock() - committed_from;
    if (set->lock_fd >= 0)
        ffcl_lock_more(set->lock_fd, GATE, 1, 1);
    if (rc == 0 && is_share(set->spec.cfg) && set->spec.cfg->output.npz)
        rc = assemble(set, err);
    const ffcl_folder_query query = query_of(set->spec.cfg, 0);
    const int is_begun = done || set->may_keep || rc == 0 ||
                         (set->is_clear && ffcl_folder_holds(&query));
    if (set->manifest && is_begun)
        rc = leave_record(set, done, rc, err);
    else if (set->manifest && !is_share(set->spec.cfg))
        unlink(set->home.manifest);         /* no image has been made yet */
    ffcl_outputs_close(&set->outputs, 1);
    ffcl_manifest_close(&set->manifest);
    if (set->has_made_folder && !is_begun && !is_share(set->spec.cfg))
        ffcl_records_remove(set->spec.cfg->output.folder);
    remove_lock(set);
    if (set->has_made_folder && !is_begun)
        rmdir(set->spec.cfg->output.folder);        /* stays where there is anything in it */
    free(set->labels);
    close_home(&set->home);
    pthread_mutex_destroy(&set->mutex);
    free(set);
    *out = NULL;
    return rc;
}

static int write_evaluation(const ffcl_config *cfg, const char *json, ffcl_error *err)
{
    ffcl_atomic_file file = {0};
    char *path = cfg->output.folder ? ffcl_format("%s/evaluation.json", cfg->output.folder)
                                    : ffcl_format("%s.evaluation.json", cfg->output.npz);
    int rc = path ? ffcl_atomic_open(&file, path, err)
                  : ffcl_fail(err, FFCL_ENOMEM, "out of memory for a path");
    if (rc == 0)
        rc = ffcl_atomic_write(&file, json, strlen(json), err);
    if (rc == 0)
        rc = ffcl_atomic_write(&file, "\n", 1, err);
    if (rc == 0)
        rc = ffcl_atomic_commit(&file, err);
    ffcl_atomic_discard(&file);
    free(path);
    return rc;
}

int ffcl_sample_set_evaluated(const ffcl_config *cfg, const char *json, ffcl_error *err)
{
    home h;
    int fd = -1, rc = open_home(&h, cfg, err);
    if (rc || !h.name)
        return rc;
    rc = ffcl_lock_open(&fd, h.lock, FREE, 1, err);
    if (rc >= 0)
        rc = write_evaluation(cfg, json, err);
    if (rc == 0) {
        ffcl_lock_more(fd, GATE, 1, 1);
        rc = ffcl_manifest_set_evaluation(h.manifest, json, err);
        ffcl_lock_less(fd, GATE, 1);
    }
    ffcl_lock_remove(&fd, h.lock);
    close_home(&h);
    return rc;
}

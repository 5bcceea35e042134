/* SPDX-License-Identifier: MIT */
#include "run/sample_set.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cl/context.h"
#include "config_table.h"
#include "files/atomic.h"
#include "files/lock.h"
#include "model/sit.h"
#include "model/vae.h"
#include "os/threads.h"
#include "run/facts.h"
#include "run/home.h"
#include "run/labels.h"
#include "run/records.h"
#include "util.h"

struct ffcl_sample_set {
    ffcl_sample_set_spec spec;
    ffcl_home home;
    int lock_fd;                    /* -1: none */
    ffcl_manifest *manifest;        /* NULL: none */
    ffcl_outputs *outputs;
    pthread_mutex_t mutex;          /* of the manifest's lists */
    atomic_int has_added;           /* an image */
    size_t kept, skipped;
    int64_t started;                /* by the system's clock */
    double began, committing;       /* by ffcl_clock; how long the last step took */
    int may_keep;                   /* an earlier run may have left images */
    size_t older;                   /* that many, where it was to have more or fewer; else 0 */
    int has_made_folder;
    int is_clear;                   /* images in the folder are of this sample set */
    int64_t *labels;                /* (count) NULL: there is no home */
};

/* ---- opening ------------------------------------------------------------------------------ */

/* Which temporary files of a killed run may be removed: those that only this process makes. */
static int is_ours(void *user, const char *name)
{
    const ffcl_sample_set *set = user;
    const ffcl_config *cfg = set->spec.cfg;
    size_t index = 0;
    int end = 0;
    if (sscanf(name, "%zu.png%n", &index, &end) == 1 && end > 0 && !name[end])
        return !ffcl_is_share(cfg) || index % cfg->sampler.world == cfg->sampler.rank;
    return !strcmp(name, ffcl_base_name(set->home.manifest)) ||
           !strcmp(name, ffcl_base_name(set->home.labels)) ||
           (cfg->output.npz && !strcmp(name, ffcl_base_name(cfg->output.npz)));
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
    return rc ? rc : ffcl_facts_set(set->manifest, &set->spec, err);
}

/* Deletes what is in the way; that it may be has been checked. */
static int clear_way(ffcl_sample_set *set, ffcl_error *err)
{
    const ffcl_config *cfg = set->spec.cfg;
    char text[300];
    ffcl_folder_images found;
    if (!cfg->output.folder)
        return 0;
    const ffcl_folder_query query = ffcl_home_query(cfg, set->may_keep ? set->spec.count : 0);
    const int rc = ffcl_folder_look(&query, &found, err);
    if (rc)
        return rc;
    if (found.strangers) {
        snprintf(text, sizeof text, "%.120s also holds %zu image%s not of this sample set "
                 "(%.60s): who reads all of the folder reads that, too", cfg->output.folder,
                 found.strangers, ffcl_plural(found.strangers), found.stranger);
        ffcl_report(set->spec.observer, FFCL_PHASE_WARN, text, 0, 0);
    }
    if (!found.n)
        return 0;
    snprintf(text, sizeof text, "overwriting: %zu image%s deleted from %.120s", found.n,
             ffcl_plural(found.n), cfg->output.folder);
    ffcl_report(set->spec.observer, FFCL_PHASE_NOTE, text, 0, 0);
    return ffcl_folder_clear(&query, err);
}

/* Reads the manifest and compares it with this run's settings; the gate is held. */
static int open_manifest(ffcl_sample_set *set, ffcl_error *err)
{
    const ffcl_config *cfg = set->spec.cfg;
    char assumed[200], text[800];
    int rc = ffcl_home_read_manifest(&set->manifest, &set->home, cfg, err);
    if (rc == 0 && ffcl_noise_grows(set->spec.noise))
        ffcl_manifest_let_grow(set->manifest);
    if (rc == 0)
        rc = ffcl_facts_set(set->manifest, &set->spec, err);
    assert(rc || !ffcl_manifest_missing(set->manifest));
    if (rc == 0)
        rc = ffcl_manifest_check(set->manifest, err);
    if (rc == FFCL_ESETTINGS && cfg->output.overwrite)
        rc = begin_anew(set, err);
    set->may_keep = rc == 0 && ffcl_manifest_is_old(set->manifest);
    if (rc == 0)
        rc = ffcl_home_check_way(cfg, set->may_keep, err);
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
    int which = FFCL_OUT_FOLDER | (ffcl_is_share(cfg) ? 0 : FFCL_OUT_NPZ | FFCL_OUT_GRID);
    if (rc == 0)
        rc = ffcl_home_open(&set->home, cfg, err);
    if (rc == 0 && cfg->output.folder)
        rc = ffcl_home_make_folder(cfg->output.folder, &set->has_made_folder, err);
    if (rc == 0 && set->home.name)
        rc = ffcl_labels_make(&set->labels, spec->noise, err);
    if (rc == 0 && set->home.name)
        rc = ffcl_home_enter(cfg, &set->home, &set->has_made_folder, &set->lock_fd, err);
    if (rc == 0 && set->home.name && !ffcl_lock_is_real(set->lock_fd))
        warn_of_locks(set);
    if (rc == 0 && set->home.name) {
        ffcl_lock_more(set->lock_fd, FFCL_LOCK_GATE, 1, 1);
        rc = open_manifest(set, err);
        if (rc == 0)
            sweep(set);
    }
    if (rc == 0)
        rc = ffcl_outputs_open(&set->outputs, &(ffcl_outputs_spec){
            .cfg = cfg, .which = which, .count = spec->count, .height = spec->height,
            .width = spec->width, .labels = npz_labels(set), .metadata = spec->metadata,
            .resume = set->may_keep, .older = set->older}, err);
    if (rc == 0 && set->manifest && !set->may_keep &&
        (rc = ffcl_manifest_write(set->manifest, NULL, err)))
        unlink(set->home.manifest);     /* it may be there, and its folder not on the disk */
    if (set->lock_fd >= 0)
        ffcl_lock_less(set->lock_fd, FFCL_LOCK_GATE, 1);
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
        return ffcl_fail(err, FFCL_ENOMEM, "no thread can be started that would read images"
                         FFCL_THREADS_REMEDY);
    return atomic_load(&s->rc) ? ffcl_fail(err, atomic_load(&s->rc), "%s", s->err.text) : 0;
}

int ffcl_sample_set_find_kept(ffcl_sample_set *set, ffcl_indices *indices, ffcl_kept_visitor *see,
                              void *user, ffcl_error *err)
{
    const ffcl_config *cfg = set->spec.cfg;
    const int share = ffcl_is_share(cfg);
    char text[400];
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
    const size_t adopted = ffcl_outputs_adopted(set->outputs);
    snprintf(text, sizeof text, "%.120s had no " FFCL_RECORDS_NAME ": %zu image%s of it %s taken "
             "for this sample set's, as found", set->home.name, adopted, ffcl_plural(adopted),
             adopted == 1 ? "is" : "are");
    if (rc == 0 && adopted)
        ffcl_report(set->spec.observer, FFCL_PHASE_WARN, text, 0, 0);
    return rc;
}

/* ---- what is added ------------------------------------------------------------------------ */

/* evaluation.json of a folder or an npz; NULL: no memory. */
static char *evaluation_path(const ffcl_config *cfg)
{
    return cfg->output.folder ? ffcl_format("%s/evaluation.json", cfg->output.folder)
                              : ffcl_format("%s.evaluation.json", cfg->output.npz);
}

/* What an evaluation gave is of the images that were there then. */
static int drop_evaluation(const ffcl_sample_set *set, ffcl_error *err)
{
    if (!set->home.name)
        return 0;
    char *path = evaluation_path(set->spec.cfg);
    int rc = path ? 0 : ffcl_fail(err, FFCL_ENOMEM, "out of memory for a path");
    if (path && unlink(path) != 0 && errno != ENOENT)
        rc = ffcl_fail(err, FFCL_EOUTPUT, "%s, which is of other images, cannot be removed: %s",
                       path, strerror(errno));
    free(path);
    return rc;
}

int ffcl_sample_set_put(ffcl_sample_set *set, size_t index, const uint8_t *rgb, int whole,
                        ffcl_error *err)
{
    const int rc = atomic_exchange(&set->has_added, 1) ? 0 : drop_evaluation(set, err);
    if (rc)
        return rc;
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

size_t ffcl_sample_set_skipped(const ffcl_sample_set *set)
{
    return set->skipped;
}

/* What to tell of a device that joins; "": nothing. */
static void tell_of_kind(const ffcl_sample_set *set, ffcl_manifest_kind kind, const char *name,
                         char *text, size_t size)
{
    *text = '\0';
    if (kind == FFCL_KIND_NEW_IN_RUN)
        snprintf(text, size, "devices or drivers of several kinds make these images, %.80s among "
                 "them: which makes an image decides some of its bytes, by 1", name);
    /* Of images that are not there any more nothing needs to be said. */
    if (kind == FFCL_KIND_NEW && (set->kept || ffcl_is_share(set->spec.cfg)))
        snprintf(text, size, "earlier images of this sample set come from another kind of device "
                 "or driver than %.80s: some bytes will differ by 1 from those of one kind", name);
    if (kind == FFCL_KIND_OTHER_FFCL && (set->kept || ffcl_is_share(set->spec.cfg)))
        snprintf(text, size, "earlier images of this sample set come from another version of ffcl "
                 "than " FFCL_VERSION ", which has the same kernels");
}

int ffcl_sample_set_join(ffcl_sample_set *set, const ffcl_manifest_member *member,
                         ffcl_error *err)
{
    ffcl_manifest_kind kind = FFCL_KIND_KNOWN;
    char text[400];
    int rc = 0;
    pthread_mutex_lock(&set->mutex);
    if (set->manifest) {
        ffcl_lock_more(set->lock_fd, FFCL_LOCK_GATE, 1, 1);
        rc = ffcl_manifest_join(set->manifest, member, &kind, err);
        ffcl_lock_less(set->lock_fd, FFCL_LOCK_GATE, 1);
    }
    pthread_mutex_unlock(&set->mutex);
    tell_of_kind(set, kind, member->name, text, sizeof text);
    if (rc == 0 && *text)
        ffcl_report(set->spec.observer, FFCL_PHASE_WARN, text, 0, 0);
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
        rc = ffcl_fail(err, FFCL_ESTOPPED, "stopped while %s was made; run the same command "
                       "again to resume", s->cfg->output.npz);
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
        ffcl_lock_more(set->lock_fd, FFCL_LOCK_GATE, 1, 1);
    if (rc == 0 && ffcl_is_share(set->spec.cfg) && set->spec.cfg->output.npz)
        rc = assemble(set, err);
    const ffcl_folder_query query = ffcl_home_query(set->spec.cfg, 0);
    const int is_begun = done || set->may_keep || rc == 0 ||
                         (set->is_clear && ffcl_folder_holds(&query));
    if (set->manifest && is_begun)
        rc = leave_record(set, done, rc, err);
    else if (set->manifest && !ffcl_is_share(set->spec.cfg))
        unlink(set->home.manifest);         /* no image has been made yet */
    ffcl_outputs_close(&set->outputs, 1);
    ffcl_manifest_close(&set->manifest);
    if (set->has_made_folder && !is_begun && !ffcl_is_share(set->spec.cfg))
        ffcl_records_remove(set->spec.cfg->output.folder);
    remove_lock(set);
    if (set->has_made_folder && !is_begun)
        rmdir(set->spec.cfg->output.folder);        /* stays where there is anything in it */
    free(set->labels);
    ffcl_home_close(&set->home);
    pthread_mutex_destroy(&set->mutex);
    free(set);
    *out = NULL;
    return rc;
}

static int write_evaluation(const ffcl_config *cfg, const char *json, ffcl_error *err)
{
    ffcl_atomic_file file = {0};
    char *path = evaluation_path(cfg);
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
    ffcl_home h;
    int fd = -1, rc = ffcl_home_open(&h, cfg, err);
    if (rc || !h.name)
        return rc;
    rc = ffcl_lock_open(&fd, h.lock, FFCL_LOCK_FREE, 1, err);
    if (rc >= 0)
        rc = write_evaluation(cfg, json, err);
    if (rc == 0) {
        ffcl_lock_more(fd, FFCL_LOCK_GATE, 1, 1);
        rc = ffcl_manifest_set_evaluation(h.manifest, json, err);
        ffcl_lock_less(fd, FFCL_LOCK_GATE, 1);
    }
    ffcl_lock_remove(&fd, h.lock);
    ffcl_home_close(&h);
    return rc;
}

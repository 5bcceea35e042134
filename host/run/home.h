/* SPDX-License-Identifier: MIT
 * The home of a sample set: where its lock and manifest lie, and what is in its way there. */
#ifndef FFCL_RUN_HOME_H
#define FFCL_RUN_HOME_H

#include "run/folder.h"
#include "run/manifest.h"

/* Bytes of the lock file: one for each rank; the gate, which is held to read or write the manifest;
 * and one that nobody holds for long, to open the file by. */
enum { FFCL_LOCK_RANKS = 1 << 20, FFCL_LOCK_GATE = 1 << 21, FFCL_LOCK_FREE };

/* All NULL for a grid alone, which has neither. */
typedef struct ffcl_home {
    char *lock, *manifest, *labels;
    const char *name;               /* for sentences: the folder or the npz */
} ffcl_home;

int ffcl_home_open(ffcl_home *h, const ffcl_config *cfg, ffcl_error *err);
void ffcl_home_close(ffcl_home *h);

/* Does the run make a share of the images only? */
int ffcl_is_share(const ffcl_config *cfg);

/* *made: it was not there.  FFCL_EOUTPUT. */
int ffcl_home_make_folder(const char *folder, int *made, ffcl_error *err);

/* What that would say, as far as can be told without making anything. */
int ffcl_home_look_for_folder(const char *folder, int *is_there, ffcl_error *err);

/* Takes this process's bytes of the lock, in a folder that is there.  FFCL_EBUSY, FFCL_EOUTPUT. */
int ffcl_home_enter(const ffcl_config *cfg, const ffcl_home *h, int *made, int *fd,
                    ffcl_error *err);

/* What that would say; nothing is made. */
int ffcl_home_look(const ffcl_config *cfg, const ffcl_home *h, ffcl_error *err);

/* The images that are there and not of the sample set: those from index `from` on; of a share, its
 * own. */
ffcl_folder_query ffcl_home_query(const ffcl_config *cfg, size_t from);

/* Fails where images are in the way that must not be deleted.  is_old: a manifest says that the
 * images below the count are of this sample set.  FFCL_ESETTINGS. */
int ffcl_home_check_way(const ffcl_config *cfg, int is_old, ffcl_error *err);

/* Opens the manifest and sets what is known from cfg.  Where overwriting is allowed, one that does
 * not suit is taken for none.  FFCL_ESETTINGS. */
int ffcl_home_read_manifest(ffcl_manifest **m, const ffcl_home *h, const ffcl_config *cfg,
                            ffcl_error *err);

#endif

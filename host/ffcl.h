/* SPDX-License-Identifier: MIT
 *
 * ffcl: one-step class-conditional image generation (FreeFlow) on any OpenCL device.
 *
 * A configuration (an INI file and overrides) becomes a sampler, which opens the device and
 * loads the weights once; after that images are drawn by index.  Every function that can
 * fail returns 0 or a negative ffcl_status and describes the failure in *err, one sentence.
 * Objects are not shared between threads; different objects may be used by different threads.
 */
#ifndef FFCL_H
#define FFCL_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FFCL_VERSION "0.1.0"

/* What went wrong.  The program's exit code is the negated value (docs/errors.md). */
typedef enum ffcl_status {
    FFCL_OK = 0,
    FFCL_EUSAGE = -2,       /* the command line or the arguments of a call */
    FFCL_ECONFIG = -3,      /* an INI key or value */
    FFCL_EFILE = -4,        /* an input file is missing or cannot be read */
    FFCL_EFORMAT = -5,      /* an input file is not what it should be, or is damaged */
    FFCL_EWEIGHTS = -6,     /* tensors missing, extra, duplicate, of wrong shape, or unmapped */
    FFCL_EDEVICE = -7,      /* no OpenCL device, or none or several match the selection */
    FFCL_EBUILD = -8,       /* an OpenCL kernel does not build on this device */
    FFCL_EDEVMEM = -9,      /* device memory does not suffice */
    FFCL_EOPENCL = -10,     /* another OpenCL or CLBlast call failed */
    FFCL_ENUMERIC = -11,    /* a non-finite value in the latent or the image */
    FFCL_EOUTPUT = -12,     /* an output cannot be written */
    FFCL_EVERIFY = -13,     /* verify: a tensor is over its tolerance or cannot be checked */
    FFCL_ENOMEM = -14,      /* host memory does not suffice */
    FFCL_ESTOPPED = -15,    /* ffcl_sampler_stop was called; the same run can go on */
    FFCL_EBUSY = -16,       /* another run is writing the same set */
    FFCL_ESETTINGS = -17    /* the set there was begun with other settings */
} ffcl_status;

/* One failure: its status and one sentence that names the file, key, tensor or device. */
typedef struct ffcl_error {
    int code;
    char text[4096];
} ffcl_error;

typedef struct ffcl_config ffcl_config;
typedef struct ffcl_sampler ffcl_sampler;

/* What a long call is doing; done and total count bytes, programs or images. */
typedef enum ffcl_phase {
    FFCL_PHASE_NOTE,        /* text is a line for the user (device chosen, plan, notices) */
    FFCL_PHASE_LOAD,        /* bytes of weights on the device */
    FFCL_PHASE_COMPILE,     /* OpenCL programs compiled; not reported when all are cached */
    FFCL_PHASE_SAMPLE,      /* images finished */
    FFCL_PHASE_WARN,        /* text is a warning */
    FFCL_PHASE_CHECK,       /* images of an earlier run read and checked */
    FFCL_PHASE_TUNE         /* seconds of ffcl_tune; text says what was found so far */
} ffcl_phase;

/* Receives progress; user is the caller's.  text is NULL unless the phase is NOTE,
 * WARN or TUNE. */
typedef struct ffcl_observer {
    void (*report)(void *user, ffcl_phase phase, const char *text, uint64_t done, uint64_t total);
    void *user;
} ffcl_observer;

/* Reads an INI file (path NULL: all defaults).  *out is the caller's to close, also after
 * ffcl_sampler_open.  FFCL_EFILE, FFCL_ECONFIG (text cites file:line), FFCL_ENOMEM. */
int ffcl_config_open(ffcl_config **out, const char *path, ffcl_error *err);

/* Overrides one key: assignment is "section.key=value".  FFCL_EUSAGE when it has another form,
 * FFCL_ECONFIG when the key is unknown or the value bad. */
int ffcl_config_set(ffcl_config *cfg, const char *assignment, ffcl_error *err);

void ffcl_config_close(ffcl_config **cfg);

/* What is timed on the devices: SiT and VAE as a whole, or each command, which costs a little. */
typedef enum ffcl_profile_mode {
    FFCL_PROFILE_OFF, FFCL_PROFILE_STAGES, FFCL_PROFILE_COMMANDS
} ffcl_profile_mode;

/* Has samplers that are opened with cfg time what their devices do (ffcl_sampler_profile).  trace,
 * or NULL: the file of a trace, of which is tried at once whether it can be written.
 * FFCL_EOUTPUT. */
int ffcl_config_profile(ffcl_config *cfg, ffcl_profile_mode mode, const char *trace,
                        ffcl_error *err);

/* Opens the devices, plans memory, compiles what is not cached and loads the weights.
 * obs may be NULL.  cfg is copied.  Any status but EUSAGE, EVERIFY and EOUTPUT can come. */
int ffcl_sampler_open(ffcl_sampler **out, const ffcl_config *cfg, const ffcl_observer *obs,
                      ffcl_error *err);

/* Shows that every output of the configuration can be written, by trying, and that what is there
 * can be gone on with, as far as the configuration tells; worth a call before ffcl_sampler_open,
 * which may load gigabytes.  FFCL_EOUTPUT, FFCL_EBUSY, FFCL_ESETTINGS; FFCL_ECONFIG when there is
 * no output, or keys do not go together. */
int ffcl_config_check_outputs(const ffcl_config *cfg, ffcl_error *err);

/* The size of the images and how many the configuration asks for. */
typedef struct ffcl_shape_info {
    size_t count, height, width;    /* images, pixels, pixels */
    size_t batch;                   /* images computed at a time */
    size_t channels, latent;        /* latents are (channels, latent, latent) */
} ffcl_shape_info;
void ffcl_sampler_shape(const ffcl_sampler *s, ffcl_shape_info *info);

/* Computes images first .. first+n-1 (any n; batches are made inside) as RGB bytes:
 * rgb is (n, height, width, 3), the caller's.  FFCL_ENUMERIC names image, class and stage. */
int ffcl_sampler_draw(ffcl_sampler *s, size_t first, size_t n, uint8_t *rgb, ffcl_error *err);

/* Draws every image of the configuration that an earlier run has not left, on all devices that
 * it selects, and writes its outputs (grid, folder, npz).  FFCL_ESTOPPED after ffcl_sampler_stop,
 * FFCL_EBUSY, FFCL_ESETTINGS, FFCL_EOUTPUT, FFCL_ENUMERIC and what devices can run into. */
int ffcl_sampler_run(ffcl_sampler *s, ffcl_error *err);

/* Has ffcl_sampler_run finish the batches under way and return; from any thread, while s is
 * open. */
void ffcl_sampler_stop(ffcl_sampler *s);

/* Commands of the same label, of all devices: what they took and, by their algorithms, did. */
typedef struct ffcl_profile_line {
    const char *stage, *label;      /* "SiT", "VAE", "load", "" for others; kernel and shape */
    uint64_t calls;
    double seconds, flops, bytes;
} ffcl_profile_line;
typedef void ffcl_profile_visitor(void *user, const ffcl_profile_line *line);

/* What devices have done since the sampler was opened, the longest first; writes the trace.  Not
 * while ffcl_sampler_run is running.  FFCL_EUSAGE without a profile, FFCL_EOUTPUT, FFCL_ENOMEM. */
int ffcl_sampler_profile(ffcl_sampler *s, ffcl_profile_visitor *visit, void *user,
                         ffcl_error *err);

void ffcl_sampler_close(ffcl_sampler **s);

/* The processes of an mpirun, where ffcl is built with MPI=1; without, or where the process was
 * started alone, rank 0 of 1.  Before any sampler is opened.  FFCL_EUSAGE. */
int ffcl_ranks_open(size_t *rank, size_t *size, ffcl_error *err);

/* After the last sampler is closed; code above 0: this process cannot go on and the others must not
 * wait for it, so all end, mpirun with that exit code. */
void ffcl_ranks_close(int code);

/* Called once for each OpenCL device; lines is a NULL-terminated list of "name: value". */
typedef void ffcl_device_visitor(void *user, size_t index, const char *title,
                                 const char *const *lines);

/* Lists the devices in the order that device.select counts them.  FFCL_EDEVICE if none. */
int ffcl_devices(ffcl_device_visitor *visit, void *user, ffcl_error *err);

/* One compared tensor: ok is 1 within tolerance, 0 over it or not checkable, -1 known but not
 * part of the check (shown, not counted).  text is e.g. "rel 2.1e-07". */
typedef struct ffcl_verify_line {
    const char *name, *text;
    int ok;
} ffcl_verify_line;
typedef void ffcl_verify_visitor(void *user, const ffcl_verify_line *line);

/* Runs the model, or the generators, on the recorded inputs of a safetensors file and compares
 * every recorded output.  tolerance <= 0 takes each kind's own.  FFCL_EVERIFY if one fails. */
int ffcl_verify(const char *reference, const ffcl_config *cfg, double tolerance,
                const ffcl_observer *obs, ffcl_verify_visitor *visit, void *user,
                ffcl_error *err);

/* Called with the lines of the table that ends ffcl_tune. */
typedef void ffcl_tune_visitor(void *user, const char *line);

/* Looks for the parameters of CLBlast that suit the device and the float32 products of cfg's model
 * (XL/2 at 256 x 256 where cfg comes from no file) and keeps the best in the user's folder, where
 * [blas] tuning = auto finds them (docs/tuning.md).  Each set is timed in a process of its own,
 * `program tune-candidate`, which must call ffcl_tune_candidate(stdin, stdout).  It can be ended at
 * any time; the next call goes on.  FFCL_EDEVICE, FFCL_EOUTPUT, FFCL_ENOMEM and those of cfg's
 * files. */
int ffcl_tune(const ffcl_config *cfg, double minutes, const char *program,
              const ffcl_observer *obs, ffcl_tune_visitor *visit, void *user, ffcl_error *err);
int ffcl_tune_candidate(FILE *in, FILE *out);

/* The reference of all INI keys as Markdown; *out is the caller's to free. */
int ffcl_config_reference(char **out, ffcl_error *err);

#ifdef __cplusplus
}
#endif

#endif

/* SPDX-License-Identifier: MIT */
#include "tune/xl2.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files/leftovers.h"
#include "util.h"
#include <cjson/cJSON.h>

enum { WIDTH = 1152, BLOCKS = 28, HIDDEN = 4608, CLASSES = 1001, LEVELS = 4 };

typedef struct weights {
    cJSON *header;
    size_t at;                  /* bytes */
} weights;

/* Dimensions of 0 are none. */
static void tensor(weights *w, const char *name, const char *what, size_t a, size_t b, size_t c,
                   size_t d)
{
    const size_t dims[] = {a, b, c, d};
    char full[96];
    size_t bytes = 4;
    snprintf(full, sizeof full, "%s.%s", name, what);
    cJSON *t = cJSON_AddObjectToObject(w->header, *what ? full : name);
    cJSON_AddStringToObject(t, "dtype", "F32");
    cJSON *shape = cJSON_AddArrayToObject(t, "shape");
    for (size_t i = 0; i < 4 && dims[i]; i++) {
        cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)dims[i]));
        bytes *= dims[i];
    }
    cJSON *at = cJSON_AddArrayToObject(t, "data_offsets");
    cJSON_AddItemToArray(at, cJSON_CreateNumber((double)w->at));
    w->at += bytes;
    cJSON_AddItemToArray(at, cJSON_CreateNumber((double)w->at));
}

/* Weight (out, in) or (out, in, side, side), and bias. */
static void layer(weights *w, const char *name, size_t out, size_t in, size_t side)
{
    tensor(w, name, "weight", out, in, side, side);
    tensor(w, name, "bias", out, 0, 0, 0);
}

static void norm(weights *w, const char *name, size_t width)
{
    tensor(w, name, "weight", width, 0, 0, 0);
    tensor(w, name, "bias", width, 0, 0, 0);
}

/* The layer of that name in a part of the model: "blocks.3." and "attn.qkv". */
static void inner(weights *w, const char *part, const char *name, size_t out, size_t in,
                  size_t side)
{
    char full[80];
    snprintf(full, sizeof full, "%s%s", part, name);
    if (in)
        layer(w, full, out, in, side);
    else
        norm(w, full, out);
}

static void add_sit(weights *w, size_t tokens)
{
    char part[32];
    tensor(w, "pos_embed", "", 1, tokens, WIDTH, 0);
    tensor(w, "y_embedder.embedding_table", "weight", CLASSES, WIDTH, 0, 0);
    layer(w, "x_embedder.proj", WIDTH, 4, 2);
    layer(w, "t_embedder.mlp.0", WIDTH, 256, 0);
    layer(w, "t_embedder.mlp.2", WIDTH, WIDTH, 0);
    for (int i = 0; i < BLOCKS; i++) {
        snprintf(part, sizeof part, "blocks.%d.", i);
        inner(w, part, "attn.qkv", 3 * WIDTH, WIDTH, 0);
        inner(w, part, "attn.proj", WIDTH, WIDTH, 0);
        inner(w, part, "mlp.fc1", HIDDEN, WIDTH, 0);
        inner(w, part, "mlp.fc2", WIDTH, HIDDEN, 0);
        inner(w, part, "adaLN_modulation.1", 6 * WIDTH, WIDTH, 0);
    }
    layer(w, "final_layer.adaLN_modulation.1", 2 * WIDTH, WIDTH, 0);
    layer(w, "final_layer.linear", 32, WIDTH, 0);
}

static void add_resnet(weights *w, const char *part, size_t in, size_t out)
{
    inner(w, part, "norm1", in, 0, 0);
    inner(w, part, "conv1", out, in, 3);
    inner(w, part, "norm2", out, 0, 0);
    inner(w, part, "conv2", out, out, 3);
    if (in != out)
        inner(w, part, "conv_shortcut", out, in, 1);
}

static void add_vae(weights *w, size_t tokens)
{
    static const size_t channels[LEVELS] = {512, 512, 256, 128};
    static const char *const of_attention[] = {"to_q", "to_k", "to_v", "to_out.0"};
    static const char mid[] = "decoder.mid_block.attentions.0.";
    size_t width = channels[0];
    char part[64];
    (void)tokens;
    layer(w, "post_quant_conv", 4, 4, 1);
    layer(w, "decoder.conv_in", width, 4, 3);
    add_resnet(w, "decoder.mid_block.resnets.0.", width, width);
    inner(w, mid, "group_norm", width, 0, 0);
    for (size_t i = 0; i < 4; i++)
        inner(w, mid, of_attention[i], width, width, 0);
    add_resnet(w, "decoder.mid_block.resnets.1.", width, width);
    for (size_t i = 0; i < LEVELS; i++) {
        for (size_t j = 0; j < 3; j++) {
            snprintf(part, sizeof part, "decoder.up_blocks.%zu.resnets.%zu.", i, j);
            add_resnet(w, part, width, channels[i]);
            width = channels[i];
        }
        snprintf(part, sizeof part, "decoder.up_blocks.%zu.upsamplers.0.conv", i);
        if (i + 1 < LEVELS)
            layer(w, part, width, width, 3);
    }
    norm(w, "decoder.conv_norm_out", width);
    layer(w, "decoder.conv_out", 3, width, 3);
}

static int save(const char *path, void (*add)(weights *w, size_t tokens), size_t tokens)
{
    weights w = {.header = cJSON_CreateObject()};
    add(&w, tokens);
    char *text = cJSON_PrintUnformatted(w.header);
    FILE *f = fopen(path, "wb");
    int ok = text && f;
    if (ok) {
        const uint64_t n = strlen(text);
        unsigned char length[8];
        for (int i = 0; i < 8; i++)
            length[i] = (unsigned char)(n >> 8 * i);
        ok = fwrite(length, 8, 1, f) == 1 && fwrite(text, n, 1, f) == 1 && fflush(f) == 0 &&
             ftruncate(fileno(f), (off_t)(8 + n + w.at)) == 0;
    }
    if (f)
        ok &= fclose(f) == 0;
    cJSON_free(text);
    cJSON_Delete(w.header);
    return ok;
}

static int set(ffcl_config *cfg, ffcl_error *err, const char *key, const char *value)
{
    char *setting = ffcl_format("%s=%s", key, value);
    int rc = setting ? ffcl_config_set(cfg, setting, err)
                     : ffcl_fail(err, FFCL_ENOMEM, "out of memory for the plan of XL/2");
    free(setting);
    return rc;
}

static int configure(ffcl_config *cfg, const ffcl_xl2 *xl2, const char *sit, const char *vae,
                     ffcl_error *err)
{
    char batch[24];
    snprintf(batch, sizeof batch, "%zu", xl2->batch);
    const char *const settings[][2] = {
        {"model.checkpoint", sit},    {"vae.weights", vae}, {"model.preset", "freeflow"},
        {"condition.t_embedder", "delta"}, {"sampler.batch", batch}, {"sampler.count", batch},
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof settings / sizeof *settings; i++)
        rc = set(cfg, err, settings[i][0], settings[i][1]);
    for (const char *const *more = xl2->settings; rc == 0 && more && *more; more++)
        rc = ffcl_config_set(cfg, *more, err);
    return rc;
}

static void ignore(void *user, const ffcl_matmul *p)
{
    (void)user, (void)p;
}

int ffcl_xl2_plan(const ffcl_xl2 *xl2, const ffcl_config *cfg, const ffcl_device *device,
                  void (*see)(void *user, const ffcl_matmul *p), void *user,
                  const ffcl_observer *obs, ffcl_error *err)
{
    const char *home = getenv("TMPDIR");
    const size_t patches = xl2->side / 16;
    char *folder = ffcl_format("%s/ffcl-xl2-XXXXXX", home && *home ? home : "/tmp");
    if (!folder || !mkdtemp(folder)) {
        free(folder);
        return ffcl_fail(err, FFCL_EOUTPUT, "no folder for temporary files can be made in %s; "
                         "TMPDIR names another", home && *home ? home : "/tmp");
    }
    ffcl_leftover *made[] = {ffcl_leftover_add(folder), NULL, NULL};
    char *sit = ffcl_format("%s/sit.safetensors", folder);
    char *vae = ffcl_format("%s/vae.safetensors", folder);
    ffcl_config *own = NULL;
    int rc = 0;
    if (sit && vae) {
        made[1] = ffcl_leftover_add(sit);
        made[2] = ffcl_leftover_add(vae);
    }
    if (!sit || !vae)
        rc = ffcl_fail(err, FFCL_ENOMEM, "out of memory for the plan of XL/2");
    else if (!save(sit, add_sit, patches * patches) || !save(vae, add_vae, 0))
        rc = ffcl_fail(err, FFCL_EOUTPUT, "no file can be written in %s; TMPDIR names another "
                       "folder", folder);
    if (rc == 0)
        rc = ffcl_config_copy(&own, cfg, err);
    if (rc == 0)
        rc = configure(own, xl2, sit, vae, err);
    if (rc == 0)
        rc = ffcl_engine_shapes(own, device, see ? see : ignore, user, NULL, obs, err);
    ffcl_config_close(&own);
    if (sit)
        unlink(sit);
    if (vae)
        unlink(vae);
    rmdir(folder);
    for (int i = 0; i < 3; i++)
        ffcl_leftover_done(&made[i]);
    free(sit);
    free(vae);
    free(folder);
    return rc;
}

/* SPDX-License-Identifier: MIT */
#include "program/summary.h"

#include <stdlib.h>

#include "config_table.h"
#include "files/json.h"

static int add_setting(void *user, const char *key, const char *text, ffcl_error *err)
{
    (void)err;
    ffcl_json_add_text(user, key, text);
    return 0;
}

static void add_config(cJSON *j, const ffcl_config *cfg)
{
    const char *const names[] = {"grid", "folder", "npz"};
    const char *const paths[] = {cfg->output.grid, cfg->output.folder, cfg->output.npz};
    cJSON *outputs = cJSON_AddObjectToObject(j, "outputs");
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (paths[i])
            ffcl_json_add_text(outputs, names[i], paths[i]);
    ffcl_config_settings(cfg, add_setting, cJSON_AddObjectToObject(j, "settings"), NULL);
}

static void add_result(cJSON *j, const ffcl_sampler *sampler)
{
    ffcl_result r;
    ffcl_sampler_result(sampler, &r);
    const double sampling = r.seconds - r.opening;
    cJSON_AddNumberToObject(j, "count", (double)r.count);
    cJSON_AddNumberToObject(j, "kept", (double)r.kept);
    cJSON_AddNumberToObject(j, "generated", (double)r.generated);
    cJSON_AddNumberToObject(j, "skipped", (double)r.skipped);
    cJSON_AddNumberToObject(j, "height", (double)r.height);
    cJSON_AddNumberToObject(j, "width", (double)r.width);
    cJSON_AddNumberToObject(j, "seconds", r.seconds);
    cJSON_AddNumberToObject(j, "opening_seconds", r.opening);
    cJSON_AddNumberToObject(j, "images_per_second",
                            sampling > 0 ? (double)r.generated / sampling : 0);
    cJSON *devices = cJSON_AddArrayToObject(j, "devices");
    const char *name;
    for (size_t i = 0; (name = ffcl_sampler_device(sampler, i)); i++)
        cJSON_AddItemToArray(devices, cJSON_CreateString(name));
}

void ffcl_summary_print(const ffcl_session *s, const ffcl_summary *summary, int rc)
{
    cJSON *j = cJSON_CreateObject();
    ffcl_json_add_text(j, "ffcl", FFCL_VERSION);
    ffcl_json_add_text(j, "end", rc == 0 ? "complete" : rc == FFCL_ESTOPPED ? "stopped" : "failed");
    cJSON_AddNumberToObject(j, "exit_code", -rc);
    if (rc)
        ffcl_json_add_text(j, "error", s->err.text);
    if (summary->sampler)
        add_result(j, summary->sampler);
    if (summary->cfg)
        add_config(j, summary->cfg);
    char *evaluation = summary->evaluation ? ffcl_evaluation_json(summary->evaluation) : NULL;
    if (evaluation)
        cJSON_AddRawToObject(j, "evaluation", evaluation);
    char *text = cJSON_Print(j);
    if (text)
        puts(text);
    fflush(stdout);
    free(text);
    free(evaluation);
    cJSON_Delete(j);
}

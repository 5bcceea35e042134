/* SPDX-License-Identifier: MIT
 * An evaluation as JSON. */
#include <cjson/cJSON.h>
#include <math.h>

#include "ffcl.h"

/* What was not computed is null. */
static void add_number(cJSON *to, const char *key, double value)
{
    if (isfinite(value))
        cJSON_AddNumberToObject(to, key, value);
    else
        cJSON_AddNullToObject(to, key);
}

static void add_count(cJSON *to, const char *key, size_t value)
{
    add_number(to, key, value ? (double)value : NAN);
}

char *ffcl_evaluation_json(const ffcl_evaluation *e)
{
    cJSON *o = cJSON_CreateObject(), *curve = NULL;
    add_number(o, "fid", e->fid);
    add_number(o, "sfid", e->sfid);
    add_number(o, "inception_score", e->score);
    add_number(o, "inception_score_deviation", e->score_deviation);
    add_number(o, "precision", e->precision);
    add_number(o, "recall", e->recall);
    add_count(o, "count", e->count);
    add_count(o, "reference_count", e->reference_count);
    cJSON_AddStringToObject(o, "samples", e->samples);
    cJSON_AddStringToObject(o, "reference", e->reference);
    cJSON_AddStringToObject(o, "like", e->like ? e->like : "");
    cJSON_AddStringToObject(o, "network", e->network);
    cJSON_AddStringToObject(o, "computed", e->computed);
    add_number(o, "seconds", e->seconds);
    if (e->n_curve)
        curve = cJSON_AddArrayToObject(o, "curve");
    for (size_t i = 0; i < e->n_curve; i++) {
        cJSON *point = cJSON_CreateObject();
        add_count(point, "count", e->curve[i].count);
        add_number(point, "fid", e->curve[i].fid);
        cJSON_AddItemToArray(curve, point);
    }
    char *text = cJSON_Print(o);
    cJSON_Delete(o);
    return text;
}

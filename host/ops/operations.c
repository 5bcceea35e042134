/* SPDX-License-Identifier: MIT
 * The list of operations that have variants, and the override for debugging. */
#include <stdio.h>
#include <string.h>

#include "ops/ops.h"

const ffcl_operation *const ffcl_operations[FFCL_N_OPS] = {
    [FFCL_OP_GEMM] = &ffcl_gemm_operation,
    [FFCL_OP_ATTENTION] = &ffcl_attention_operation,
    [FFCL_OP_SOFTMAX] = &ffcl_softmax_operation,
    [FFCL_OP_LAYERNORM] = &ffcl_layernorm_operation,
    [FFCL_OP_QK_NORM] = &ffcl_qk_norm_operation,
    [FFCL_OP_GROUPNORM] = &ffcl_groupnorm_operation,
    [FFCL_OP_CONVOLUTION] = &ffcl_conv_operation,
    [FFCL_OP_POOL] = &ffcl_pool_operation,
};

static void append(char *list, size_t size, const char *name)
{
    const size_t used = strlen(list);
    snprintf(list + used, size - used, "%s%s", used ? ", " : "", name);
}

static const ffcl_operation *find_operation(const char *name, char *known, size_t size)
{
    for (size_t i = 0; i < FFCL_N_OPS; i++) {
        if (strcmp(ffcl_operations[i]->name, name) == 0)
            return ffcl_operations[i];
        append(known, size, ffcl_operations[i]->name);
    }
    return NULL;
}

/* One "operation=variant". */
static int force(ffcl_ctx *ctx, char *entry)
{
    char known[400] = "";
    char *equals = strchr(entry, '=');
    if (equals)
        *equals = '\0';
    const ffcl_operation *op = find_operation(entry, known, sizeof known);
    if (!op || !equals)
        return ffcl_fail(ctx->err, FFCL_ECONFIG,
                         "FFCL_VARIANTS: \"%s\" is no OPERATION=VARIANT; the operations are %s",
                         entry, *known ? known : "those that docs/architecture.md lists");
    ctx->forced[op->id] = ffcl_variant_find(op, equals + 1);
    if (ctx->forced[op->id])
        return 0;
    *known = '\0';                  /* that listed operations */
    for (size_t i = 0; i < op->n; i++)
        append(known, sizeof known, op->variants[i].name);
    return ffcl_fail(ctx->err, FFCL_ECONFIG,
                     "FFCL_VARIANTS: %s has no variant \"%s\"; it has %s", op->name, equals + 1,
                     known);
}

int ffcl_variants_force(ffcl_ctx *ctx, const char *text)
{
    char copy[400], *rest = copy;
    int rc = 0;
    if (!text || !*text)
        return 0;
    if (strlen(text) >= sizeof copy)
        return ffcl_fail(ctx->err, FFCL_ECONFIG, "FFCL_VARIANTS is too long");
    strcpy(copy, text);
    for (char *entry; rc == 0 && (entry = strsep(&rest, ", "));)
        if (*entry)
            rc = force(ctx, entry);
    return rc;
}

void ffcl_variants_forced(const ffcl_ctx *ctx, char *text, size_t size)
{
    char entry[64];
    *text = '\0';
    for (size_t i = 0; i < FFCL_N_OPS; i++) {
        if (!ctx->forced[i])
            continue;
        snprintf(entry, sizeof entry, "%s=%s", ffcl_operations[i]->name, ctx->forced[i]->name);
        append(text, size, entry);
    }
}

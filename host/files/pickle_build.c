/* SPDX-License-Identifier: MIT
 * What calls in a pickle make: dicts, tensors, and for all else a value that says what it is. */
#include "pickle_impl.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "../text.h"
#include "../util.h"

enum { MAX_NESTED_CALLS = 4 };      /* _rebuild_from_type_v2 inside itself */

/* _rebuild_tensor(storage, offset, size, stride), _v2(..., requires_grad, hooks) and
 * _v3(..., requires_grad, hooks, dtype). */
static int rebuild_tensor(ffcl_pickle *p, const ffcl_pickle_value *args, bool has_dtype,
                          ffcl_pickle_value **out)
{
    ffcl_pickle_value **item = args->as.list.items;
    if (args->as.list.count < (has_dtype ? 7 : 4) || item[0]->kind != FFCL_PICKLE_STORAGE ||
        item[1]->kind != FFCL_PICKLE_INT || item[1]->as.integer < 0 ||
        item[2]->kind != FFCL_PICKLE_TUPLE || item[3]->kind != FFCL_PICKLE_TUPLE ||
        (has_dtype && item[6]->kind != FFCL_PICKLE_GLOBAL))
        return ffcl_pickle_damaged(p, "a tensor with arguments of a wrong kind");
    int rc = ffcl_pickle_new(p, out, FFCL_PICKLE_TENSOR);
    if (rc)
        return rc;
    (*out)->as.tensor.storage = item[0];
    (*out)->as.tensor.offset = (uint64_t)item[1]->as.integer;
    (*out)->as.tensor.size = item[2];
    (*out)->as.tensor.stride = item[3];
    (*out)->as.tensor.dtype = has_dtype ? item[6] : NULL;
    return 0;
}

/* Remembers the name of what Python would have called here, once. */
static void note_foreign(ffcl_pickle *p, const ffcl_pickle_value *callee)
{
    char name[100];
    const size_t used = strlen(p->foreign);
    snprintf(name, sizeof name, "%.*s.%.*s", (int)ffcl_min(callee->as.global.module.length, 48),
             callee->as.global.module.bytes, (int)ffcl_min(callee->as.global.name.length, 48),
             callee->as.global.name.bytes);
    ffcl_text_clean(name, 0);
    for (const char *at = p->foreign; (at = strstr(at, name)); at++) {
        const char after = at[strlen(name)];
        if ((at == p->foreign || at[-1] == ' ') && (after == ',' || after == '\0'))
            return;
    }
    if (used + strlen(name) + 3 < sizeof p->foreign - 4)
        snprintf(p->foreign + used, sizeof p->foreign - used, "%s%s", used ? ", " : "", name);
    else if (strcmp(p->foreign + used - ffcl_min(used, 3), "..."))
        snprintf(p->foreign + used, sizeof p->foreign - used, "...");
}

/* What stands for a tensor of a form that is not read. */
static int strange_tensor(ffcl_pickle *p, const char *form, ffcl_pickle_value **out)
{
    int rc = ffcl_pickle_new(p, out, FFCL_PICKLE_OBJECT);
    if (!rc)
        (*out)->as.object.form = form;
    return rc;
}

/* What stands for the object that Python would have made. */
static int pass_over(ffcl_pickle *p, const ffcl_pickle_value *callee, ffcl_pickle_value **out)
{
    int rc = ffcl_pickle_new(p, out, FFCL_PICKLE_OBJECT);
    if (rc || callee->kind != FFCL_PICKLE_GLOBAL)
        return rc;
    (*out)->as.object.module = callee->as.global.module;
    (*out)->as.object.name = callee->as.global.name;
    note_foreign(p, callee);
    return 0;
}

/* torch._utils._rebuild_...: a tensor, maybe of a form that is not read. */
static int rebuild(ffcl_pickle *p, ffcl_pickle_text name, const ffcl_pickle_value *args,
                   ffcl_pickle_value **out)
{
    static const struct {
        const char *name, *form;
    } forms[] = {
        {"_rebuild_qtensor", "quantized"},
        {"_rebuild_sparse_tensor", "sparse"},
        {"_rebuild_sparse_csr_tensor", "sparse"},
        {"_rebuild_nested_tensor", "nested"},
        {"_rebuild_meta_tensor_no_storage", "a meta tensor, without data"},
        {"_rebuild_wrapper_subclass", "a part of a tensor (a DTensor, say) or another wrapper"},
    };
    const size_t n = args->as.list.count;
    if (ffcl_pickle_text_is(name, "_rebuild_tensor_v2")) {
        /* The seventh says that the numbers stand for their negatives or conjugates. */
        const ffcl_pickle_value *lazy = n > 6 ? args->as.list.items[6] : NULL;
        if (lazy && lazy->kind == FFCL_PICKLE_DICT && lazy->as.list.count)
            return strange_tensor(p, "negated or conjugated by a flag", out);
        return rebuild_tensor(p, args, false, out);
    }
    if (ffcl_pickle_text_is(name, "_rebuild_tensor"))
        return rebuild_tensor(p, args, false, out);
    if (ffcl_pickle_text_is(name, "_rebuild_tensor_v3"))
        return rebuild_tensor(p, args, true, out);
    if (ffcl_pickle_text_is(name, "_rebuild_parameter") ||
        ffcl_pickle_text_is(name, "_rebuild_parameter_with_state")) {
        *out = n ? args->as.list.items[0] : &p->other;
        return 0;
    }
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (ffcl_pickle_text_is(name, forms[i].name))
            return strange_tensor(p, forms[i].form, out);
    return strange_tensor(p, "of a form that is not known", out);
}

static bool begins(ffcl_pickle_text text, const char *with)
{
    return text.length >= strlen(with) && !memcmp(text.bytes, with, strlen(with));
}

int ffcl_pickle_construct(ffcl_pickle *p, const ffcl_pickle_value *callee,
                          const ffcl_pickle_value *args, ffcl_pickle_value **out)
{
    for (int depth = 0; depth < MAX_NESTED_CALLS; depth++) {
        if (callee->kind != FFCL_PICKLE_GLOBAL || args->kind != FFCL_PICKLE_TUPLE)
            return pass_over(p, callee, out);
        ffcl_pickle_text name = callee->as.global.name, module = callee->as.global.module;
        size_t n = args->as.list.count;
        if (ffcl_pickle_text_is(module, "collections") &&
            (ffcl_pickle_text_is(name, "OrderedDict") || ffcl_pickle_text_is(name, "defaultdict")))
            return ffcl_pickle_new(p, out, FFCL_PICKLE_DICT);
        /* torch._tensor is where PyTorch 2 has it, for tensors with attributes and subclasses. */
        const bool is_typed = (ffcl_pickle_text_is(module, "torch._tensor") ||
                               ffcl_pickle_text_is(module, "torch._utils")) &&
                              (ffcl_pickle_text_is(name, "_rebuild_from_type_v2") ||
                               ffcl_pickle_text_is(name, "_rebuild_from_type"));
        if (!is_typed && ffcl_pickle_text_is(module, "torch._utils") && begins(name, "_rebuild_"))
            return rebuild(p, name, args, out);
        if (!is_typed || n < 3)
            return pass_over(p, callee, out);
        callee = args->as.list.items[0];        /* (function, type, arguments, state) */
        args = args->as.list.items[2];
    }
    return ffcl_pickle_damaged(p, "tensor constructors nested too deep");
}

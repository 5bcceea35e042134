/* SPDX-License-Identifier: MIT */
#include "json.h"

#include <errno.h>
#include <string.h>

#include "../text.h"

/* Where a zero character is, as a byte or as \u0000; n: nowhere.  A backslash that is itself
 * behind a backslash begins nothing. */
static size_t find_zero(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\0')
            return i;
        if (text[i] != '\\')
            continue;
        if (n - i >= 6 && memcmp(text + i, "\\u0000", 6) == 0)
            return i;
        i++;
    }
    return n;
}

int ffcl_json_parse(cJSON **out, const char *text, size_t n, size_t *at, const char *path,
                    ffcl_error *err)
{
    const char *end = NULL;
    const size_t zero = find_zero(text, n);
    *out = NULL;
    if (at)
        *at = zero;
    if (zero < n)
        return FFCL_EFORMAT;
    errno = 0;
    *out = cJSON_ParseWithLengthOpts(text, n, &end, 0);
    if (!*out && errno == ENOMEM)       /* cJSON does not report it, but malloc does */
        return ffcl_fail(err, FFCL_ENOMEM, "host memory does not suffice for the text of %s",
                         path);
    if (at)
        *at = end ? (size_t)(end - text) : 0;
    if (cJSON_IsObject(*out) && end && end + strspn(end, " \t\r\n") == text + n)
        return 0;
    cJSON_Delete(*out);
    *out = NULL;
    return FFCL_EFORMAT;
}

size_t ffcl_json_times(const cJSON *object, const char *key)
{
    size_t n = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, object)
        n += item->string && strcmp(item->string, key) == 0;
    return n;
}

cJSON *ffcl_json_add_text(cJSON *object, const char *key, const char *text)
{
    cJSON *item = cJSON_AddStringToObject(object, key, text);
    if (item)
        ffcl_text_clean(item->valuestring, 0);
    return item;
}

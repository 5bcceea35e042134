/* SPDX-License-Identifier: MIT */
#include "text.h"

#include <stdint.h>
#include <string.h>

/* The code point at p, of which `length` bytes are there, and its bytes in *used; bytes that are
 * no UTF-8 are code point 0xfffd of one byte. */
static uint32_t decode(const unsigned char *p, size_t length, size_t *used)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const size_t n = *p < 0x80 ? 1 : *p >= 0xf0 && *p < 0xf8 ? 4 : *p >= 0xe0 && *p < 0xf0 ? 3
                     : *p >= 0xc0 && *p < 0xe0 ? 2 : 0;
    uint32_t code = n < 2 ? *p : *p & (0x7fu >> n);
    *used = 1;
    if (n == 0 || n > length)
        return 0xfffd;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0xfffd;
        code = code << 6 | (p[i] & 0x3f);
    }
    if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return 0xfffd;
    *used = n;
    return code;
}

static int is_shown(uint32_t code, size_t bytes)
{
    const int is_control = code < 0x20 || (code >= 0x7f && code < 0xa0);
    const int turns = code == 0x61c || code == 0x200e || code == 0x200f ||
                      (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
    return !is_control && !turns && !(code == 0xfffd && bytes == 1);
}

void ffcl_text_clean(char *text, int lines)
{
    const unsigned char *from = (const unsigned char *)text;
    size_t left = strlen(text), used = 0;
    char *to = text;
    for (; left; from += used, left -= used) {
        const int is_gap = *from == '\n' || *from == '\t';
        const uint32_t code = decode(from, left, &used);
        if ((is_gap && lines) || is_shown(code, used)) {
            memmove(to, from, used);
            to += used;
        } else {
            *to++ = is_gap ? ' ' : '?';
        }
    }
    *to = '\0';
}

int ffcl_text_is_clean(const char *text, size_t length)
{
    const unsigned char *p = (const unsigned char *)text;
    for (size_t used = 0; length; p += used, length -= used)
        if (!is_shown(decode(p, length, &used), used))
            return 0;
    return 1;
}

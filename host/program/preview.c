/* SPDX-License-Identifier: MIT */
#include "program/preview.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "files/png.h"
#include "util.h"

/* Pixels of a cell where the terminal does not say; the most rows of a preview. */
enum { CELL_WIDTH = 8, CELL_HEIGHT = 16, MOST_ROWS = 40 };

typedef struct image {
    uint8_t *rgb;               /* (height, width, 3) */
    size_t height, width;
} image;

int ffcl_preview_choose(ffcl_session *s, ffcl_preview *how)
{
    static const char *const names[] = {"off", "auto", "kitty", "sixel", "blocks"};
    const char *text = ffcl_option_text(s, "preview");
    *how = FFCL_PREVIEW_AUTO;
    for (size_t i = 0; text && i < sizeof names / sizeof *names; i++)
        if (!strcmp(text, names[i])) {
            *how = (ffcl_preview)i;
            return 0;
        }
    return text ? ffcl_bad_usage(s, "--preview is auto, off, kitty, sixel or blocks, not", text)
                : 0;
}

static int has(const char *variable, const char *beginning)
{
    const char *value = getenv(variable);
    return value && *value && ffcl_begins(value, beginning);
}

static int is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value && *value)
            return strstr(value, "UTF-8") || strstr(value, "utf8") || strstr(value, "UTF8");
    }
    return 0;
}

/* A multiplexer passes none of the others on. */
static ffcl_preview find_kind(void)
{
    const int is_inside = has("TMUX", "") || has("TERM", "screen") || has("TERM", "tmux");
    if (!has("TERM", "") || has("TERM", "dumb"))
        return FFCL_PREVIEW_OFF;
    if (!is_inside && (has("TERM", "xterm-kitty") || has("TERM", "xterm-ghostty") ||
                       has("KITTY_WINDOW_ID", "") || has("TERM_PROGRAM", "WezTerm") ||
                       has("TERM_PROGRAM", "ghostty")))
        return FFCL_PREVIEW_KITTY;
    if (!is_inside && (has("TERM", "foot") || has("TERM", "mlterm") ||
                       has("TERM", "contour") || has("TERM", "yaft")))
        return FFCL_PREVIEW_SIXEL;
    return is_utf8() ? FFCL_PREVIEW_BLOCKS : FFCL_PREVIEW_OFF;
}

/* Smaller, if it must be, each pixel the mean of those that it stands for. */
static int shrink(image *p, size_t most_width, size_t most_height)
{
    size_t width = p->width, height = p->height;
    if (width > most_width) {
        height = ffcl_max(height * most_width / width, 1);
        width = most_width;
    }
    if (height > most_height) {
        width = ffcl_max(width * most_height / height, 1);
        height = most_height;
    }
    uint8_t *rgb = malloc(width * height * 3);
    if (!rgb)
        return -1;
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++) {
            const size_t top = y * p->height / height, left = x * p->width / width;
            const size_t bottom = ffcl_max((y + 1) * p->height / height, top + 1);
            const size_t right = ffcl_max((x + 1) * p->width / width, left + 1);
            size_t sums[3] = {0};
            for (size_t v = top; v < bottom; v++)
                for (size_t u = left; u < right; u++)
                    for (size_t c = 0; c < 3; c++)
                        sums[c] += p->rgb[(v * p->width + u) * 3 + c];
            const size_t n = (bottom - top) * (right - left);
            for (size_t c = 0; c < 3; c++)
                rgb[(y * width + x) * 3 + c] = (uint8_t)((sums[c] + n / 2) / n);
        }
    free(p->rgb);
    *p = (image){rgb, height, width};
    return 0;
}

/* Two pixels a cell: the upper is the letter, the lower the ground. */
static void print_blocks(const image *p)
{
    for (size_t y = 0; y < p->height; y += 2) {
        for (size_t x = 0; x < p->width; x++) {
            const uint8_t *a = p->rgb + (y * p->width + x) * 3;
            const uint8_t *b = y + 1 < p->height ? a + p->width * 3 : NULL;
            printf("\033[38;2;%d;%d;%dm", a[0], a[1], a[2]);
            if (b)
                printf("\033[48;2;%d;%d;%dm", b[0], b[1], b[2]);
            fputs("\xe2\x96\x80", stdout);
        }
        fputs("\033[0m\n", stdout);
    }
}

/* RGB in base64, in pieces of at most 4096 letters. */
static void print_kitty(const image *p)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789+/";
    enum { PIECE = 3072 };
    const size_t n = p->height * p->width * 3;      /* a multiple of 3, as pieces are */
    for (size_t at = 0; at < n; at += PIECE) {
        const size_t end = ffcl_min(at + PIECE, n);
        if (at == 0)
            printf("\033_Gf=24,s=%zu,v=%zu,a=T,q=2,m=%d;", p->width, p->height, end < n);
        else
            printf("\033_Gm=%d,q=2;", end < n);
        for (size_t i = at; i < end; i += 3) {
            const uint8_t *b = p->rgb + i;
            putchar(letters[b[0] >> 2]);
            putchar(letters[(b[0] & 3) << 4 | b[1] >> 4]);
            putchar(letters[(b[1] & 15) << 2 | b[2] >> 6]);
            putchar(letters[b[2] & 63]);
        }
        fputs("\033\\", stdout);
    }
    putchar('\n');
}

/* Of 6 x 6 x 6 colours, the nearest. */
static int colour_of(const uint8_t *rgb)
{
    int c[3];
    for (int k = 0; k < 3; k++)
        c[k] = (rgb[k] * 5 + 127) / 255;
    return (c[0] * 6 + c[1]) * 6 + c[2];
}

/* Six rows of one colour; a letter for more than three alike. */
static void print_band(const image *p, size_t top, int colour)
{
    const size_t rows = ffcl_min(6, p->height - top);
    int last = -1, n = 0;
    for (size_t x = 0; x <= p->width; x++) {
        int bits = -1;
        if (x < p->width) {
            bits = 0;
            for (size_t r = 0; r < rows; r++)
                bits |= (colour_of(p->rgb + ((top + r) * p->width + x) * 3) == colour) << r;
        }
        if (bits == last) {
            n++;
            continue;
        }
        if (n > 3)
            printf("!%d%c", n, '?' + last);
        else
            for (int i = 0; i < n; i++)
                putchar('?' + last);
        last = bits;
        n = 1;
    }
}

static void print_sixels(const image *p)
{
    printf("\033P0;1;0q\"1;1;%zu;%zu", p->width, p->height);
    for (int i = 0; i < 216; i++)
        printf("#%d;2;%d;%d;%d", i, i / 36 * 20, i / 6 % 6 * 20, i % 6 * 20);
    for (size_t top = 0; top < p->height; top += 6) {
        uint8_t used[216] = {0};
        for (size_t i = top * p->width; i < ffcl_min(top + 6, p->height) * p->width; i++)
            used[colour_of(p->rgb + i * 3)] = 1;
        for (int i = 0, is_first = 1; i < 216; i++)
            if (used[i]) {
                printf("%s#%d", is_first ? "" : "$", i);
                print_band(p, top, i);
                is_first = 0;
            }
        putchar('-');
    }
    fputs("\033\\\n", stdout);
}

void ffcl_preview_print(const ffcl_session *s, ffcl_preview how, const char *png)
{
    image p = {0};
    ffcl_error ignored;         /* the grid is there, and who wants to see it opens it */
    struct winsize size = {0};
    if (how == FFCL_PREVIEW_AUTO && (!isatty(STDOUT_FILENO) || !s->progress.is_terminal))
        return;
    if (how == FFCL_PREVIEW_AUTO)
        how = find_kind();
    if (how == FFCL_PREVIEW_OFF || ffcl_png_read(png, &p.rgb, &p.height, &p.width, &ignored))
        return;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col)
        size = (struct winsize){.ws_col = 80, .ws_row = 24};
    const size_t rows = ffcl_min(size.ws_row > 4 ? size.ws_row - 2u : 2u, MOST_ROWS);
    const size_t cell_width = size.ws_xpixel ? size.ws_xpixel / size.ws_col : CELL_WIDTH;
    const size_t cell_height = size.ws_ypixel && size.ws_row ? size.ws_ypixel / size.ws_row
                                                             : CELL_HEIGHT;
    const int is_blocks = how == FFCL_PREVIEW_BLOCKS;
    if (shrink(&p, size.ws_col * (is_blocks ? 1 : ffcl_max(cell_width, 1)),
               rows * (is_blocks ? 2 : ffcl_max(cell_height, 1))) == 0) {
        if (is_blocks)
            print_blocks(&p);
        else if (how == FFCL_PREVIEW_KITTY)
            print_kitty(&p);
        else
            print_sixels(&p);
        fflush(stdout);
    }
    free(p.rgb);
}

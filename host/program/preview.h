/* SPDX-License-Identifier: MIT
 * An image in the terminal: by kitty's graphics protocol, as sixels, or as half blocks. */
#ifndef FFCL_PROGRAM_PREVIEW_H
#define FFCL_PROGRAM_PREVIEW_H

#include "program/command.h"

typedef enum ffcl_preview {
    FFCL_PREVIEW_OFF, FFCL_PREVIEW_AUTO, FFCL_PREVIEW_KITTY, FFCL_PREVIEW_SIXEL,
    FFCL_PREVIEW_BLOCKS
} ffcl_preview;

/* --preview.  FFCL_EUSAGE. */
int ffcl_preview_choose(ffcl_session *s, ffcl_preview *how);

/* Prints the PNG to stdout.  `auto` goes by what the terminal says of itself in the environment, so
 * that nothing is asked of it whose answer could come too late; where stdout or stderr is none,
 * nothing is printed. */
void ffcl_preview_print(const ffcl_session *s, ffcl_preview how, const char *png);

#endif

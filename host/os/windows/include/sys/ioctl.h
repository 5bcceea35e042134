/* SPDX-License-Identifier: MIT
 * Of POSIX, what ffcl uses: ../../system.c. */
#ifndef FFCL_OS_WINDOWS_SYS_IOCTL_H
#define FFCL_OS_WINDOWS_SYS_IOCTL_H

#define TIOCGWINSZ 1

struct winsize {
    unsigned short ws_row, ws_col, ws_xpixel, ws_ypixel;  /* pixels: 0, unknown */
};

int ioctl(int fd, int request, struct winsize *size);

#endif

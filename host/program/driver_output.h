/* SPDX-License-Identifier: MIT
 * What drivers, their compilers and libraries print to stderr.  It would stand in the middle of
 * progress, says nothing to most users ("9 warnings generated."), and differs from driver to
 * driver: it is kept, and shown only where it may explain a failure. */
#ifndef FFCL_PROGRAM_DRIVER_OUTPUT_H
#define FFCL_PROGRAM_DRIVER_OUTPUT_H

#include <stdio.h>

/* From now on what is written to descriptor 2 is kept, the last megabyte of it or so.  Returns the
 * stream for the program's own messages, which is what stderr was: stderr itself where
 * FFCL_DRIVER_OUTPUT=1 asks for everything, under a sanitizer, whose reports must be seen, or where
 * nothing can be kept.  A process that dies of abort or of a bad access shows first what was kept;
 * one that a library ends says so and ends with FFCL_EOPENCL.  To be called once. */
FILE *ffcl_driver_output_divert(void);

/* The descriptor of the program's own messages; handlers of signals may ask. */
int ffcl_driver_output_own(void);

/* To be called now and then: forgets what there is where it is too much, and takes abort back
 * from drivers that have a handler of their own. */
void ffcl_driver_output_tend(void);

/* The end of what was kept to the program's messages, under a line that says whose it is; nothing
 * where there is none. */
void ffcl_driver_output_show(void);

/* The end of the program: descriptor 2 is again what it was, and what was kept is forgotten. */
void ffcl_driver_output_restore(void);

#endif

/* SPDX-License-Identifier: MIT
 * SIGBUS: a mapped weight file that was cut. */
#ifndef FFCL_PROGRAM_BUS_H
#define FFCL_PROGRAM_BUS_H

/* From now on a sentence and FFCL_EFILE end the program.  Called again after drivers have been
 * loaded, whose compilers have a handler of their own. */
void ffcl_bus_watch(void);

#endif

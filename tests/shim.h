/* SPDX-License-Identifier: MIT
 * What the two files of the preloaded library share. */
#ifndef FFCL_TESTS_SHIM_H
#define FFCL_TESTS_SHIM_H

/* Is the caller in the program, or in a library that reads and writes files for it? */
int ffcl_shim_is_counted(const void *caller);

/* Is it in the program itself? */
int ffcl_shim_is_program(const void *caller);

/* Is this the call on files that fails?  Then errno is set. */
int ffcl_shim_file_fails(const void *caller);

/* The same of a call that writes, for which a disk may be full. */
int ffcl_shim_write_fails(const void *caller);

/* The code with which this OpenCL call fails; 0: it does not. */
int ffcl_shim_cl_fails(const void *caller);

/* The code with which a call that waits for the device fails, as a kernel before it has. */
int ffcl_shim_cl_waits(const void *caller);

#endif

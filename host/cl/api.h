/* SPDX-License-Identifier: MIT
 * The one place that fixes the OpenCL version and checks its calls. */
#ifndef FFCL_CL_API_H
#define FFCL_CL_API_H

#define CL_TARGET_OPENCL_VERSION 120
#ifdef __APPLE__
#include <OpenCL/opencl.h>
#else
#include <CL/cl.h>
#endif

#include "error.h"

/* "CL_OUT_OF_RESOURCES" for -5, and so on; "error -1234" for codes that have no name. */
const char *ffcl_cl_name(cl_int code);

/* The ffcl status of an OpenCL or CLBlast code: FFCL_EDEVMEM for the memory codes. */
int ffcl_cl_status(cl_int code);

/* Records call text, symbolic code, file and line unless code is CL_SUCCESS; returns 0 or the
 * status. */
int ffcl_cl_check(ffcl_error *err, cl_int code, const char *call, const char *file, int line);

#define FFCL_CL(err, call) ffcl_cl_check((err), (call), #call, __FILE__, __LINE__)

/* The same for a call that gives its code by a pointer; name: the call's. */
#define FFCL_CL_CODE(err, code, name) ffcl_cl_check((err), (code), (name), __FILE__, __LINE__)

#endif

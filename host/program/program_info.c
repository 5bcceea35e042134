/* SPDX-License-Identifier: MIT
 * clGetProgramInfo of the program ffcl, before that of the OpenCL loader.
 *
 * CLBlast asks for the binary of each program that it builds, to build it no second time in
 * another context.  PoCL then compiles all thirty kernels of it, which takes more than half of the
 * time of a set of parameters; a candidate of ffcl tune, one process with one context, has no use
 * for it.  So in such a process binaries are empty; everywhere else the call goes through. */
#define CL_TARGET_OPENCL_VERSION 120
#ifdef __APPLE__
#include <OpenCL/opencl.h>
#else
#include <CL/cl.h>
#endif
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

/* CLBlast finds it here only if the program exports it. */
#ifndef _WIN32
__attribute__((visibility("default")))
#endif
cl_int CL_API_CALL clGetProgramInfo(cl_program program, cl_program_info name, size_t size,
                                    void *value, size_t *needed);

typedef cl_int info_function(cl_program, cl_program_info, size_t, void *, size_t *);

cl_int CL_API_CALL clGetProgramInfo(cl_program program, cl_program_info name, size_t size,
                                    void *value, size_t *needed)
{
    int is_binary = name == CL_PROGRAM_BINARY_SIZES || name == CL_PROGRAM_BINARIES;
    if (is_binary && value && getenv("FFCL_TUNE_CANDIDATE")) {
        static const size_t nothing = 0;
        if (name == CL_PROGRAM_BINARY_SIZES && size >= sizeof nothing)
            memcpy(value, &nothing, sizeof nothing);
        if (needed)
            *needed = sizeof nothing;
        return CL_SUCCESS;
    }
    void *address = dlsym(RTLD_NEXT, "clGetProgramInfo");
    info_function *next = NULL;
    memcpy(&next, &address, sizeof next);
    return next ? next(program, name, size, value, needed) : CL_INVALID_OPERATION;
}

/* SPDX-License-Identifier: MIT */
#include "cl/environment.h"

#include <stdlib.h>
#include <string.h>

#include "util.h"

/* Not those that choose devices, folders or what is printed, as they change no number. */
static const char *const variables[] = {
    /* PoCL */
    "POCL_EXTRA_BUILD_FLAGS", "POCL_KERNELLIB_NAME", "POCL_LLVM_CPU_NAME",
    "POCL_WORK_GROUP_METHOD", "POCL_FORCE_PARALLEL_OUTER_LOOP", "POCL_WILOOPS_MAX_UNROLL_COUNT",
    "POCL_ENABLE_UNINIT", "POCL_VECTORIZER_FORCE_VECTOR_WIDTH", "POCL_BITCODE_FINALIZER",
    "POCL_FULL_REPLICATION_THRESHOLD",
    /* AMD */
    "AMD_OCL_BUILD_OPTIONS", "AMD_OCL_BUILD_OPTIONS_APPEND", "AMD_OCL_LINK_OPTIONS",
    "AMD_OCL_LINK_OPTIONS_APPEND",
    /* Intel: GPUs, processors */
    "IGC_VISAOptions", "IGC_EnableFastMath", "CL_CONFIG_CPU_TARGET_ARCH",
    "CL_CONFIG_USE_VECTORIZER", "CL_CONFIG_CPU_VECTORIZER_MODE",
    /* Mesa, clvk, Oclgrind */
    "LP_NATIVE_VECTOR_WIDTH", "GALLIVM_PERF", "CLVK_CLSPV_OPTIONS", "OCLGRIND_BUILD_OPTIONS",
    /* libraries of GEMMs; that of OpenBLAS is in the name of its core */
    "CLBLAST_BUILD_OPTIONS", "OPENBLAS_BLOCK_FACTOR", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS",
    "BLIS_ARCH_TYPE",
};

char *ffcl_environment(void)
{
    char *all = ffcl_format("%s", "none");
    size_t n = 0;
    for (size_t i = 0; all && i < sizeof variables / sizeof *variables; i++) {
        const char *value = getenv(variables[i]);
        if (!value || !*value)
            continue;
        char *longer = ffcl_format("%s%s%s=%s", n ? all : "", n ? ", " : "", variables[i], value);
        free(all);
        all = longer;
        n++;
    }
    return all;
}

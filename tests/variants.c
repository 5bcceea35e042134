/* SPDX-License-Identifier: MIT
 * Prints docs/variants.md: the tables of variants of all operations (make docs). */
#include <stdio.h>

#include "ops/ops.h"

int main(void)
{
    puts("# Variants\n\n"
         "<!-- Made by make docs from the tables in host/ops and blas/gemm.c; do not edit. -->\n\n"
         "Every operation that has several variants, and when each wins. The last one that can "
         "compute a call and pays\nthere computes it; [architecture.md](architecture.md#variants) "
         "has how that is decided and how `FFCL_VARIANTS` forces\none.");
    for (size_t i = 0; i < FFCL_N_OPS; i++) {
        const ffcl_operation *op = ffcl_operations[i];
        printf("\n## %s\n\n| variant | wins |\n| --- | --- |\n", op->name);
        for (size_t k = 0; k < op->n; k++)
            printf("| `%s` | %s |\n", op->variants[k].name, op->variants[k].wins);
    }
    return 0;
}

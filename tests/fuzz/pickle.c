/* SPDX-License-Identifier: MIT
 * The unpickler. */
#include "files/pickle.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ffcl_pickle *pickle = NULL;
    ffcl_error err = {0};
    if (ffcl_pickle_open(&pickle, data, size, "a pickle", &err) == 0) {
        (void)ffcl_pickle_get(ffcl_pickle_root(pickle), "ema");
        (void)ffcl_pickle_foreign(pickle);
    }
    ffcl_pickle_close(&pickle);
    return 0;
}

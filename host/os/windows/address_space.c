/* SPDX-License-Identifier: MIT
 * Windows limits no address space: its limits on memory are met as such. */
#include "os/address_space.h"

size_t ffcl_address_space_of_libraries(void)
{
    return 0;
}

int ffcl_address_space_check(size_t bytes, const char *what, ffcl_error *err)
{
    (void)bytes, (void)what, (void)err;
    return 0;
}

void ffcl_file_size_hint(char *text, size_t size)
{
    (void)size;
    *text = '\0';
}

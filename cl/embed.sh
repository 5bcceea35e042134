#!/bin/sh
# SPDX-License-Identifier: MIT
# Prints a C file with each kernel source as a byte array and a table of them (host/cl/source.h).
# A byte array, not a string literal: C11 promises only 4095 characters for the latter.
set -eu
echo '#include "cl/source.h"'
for f in "$@"; do
    n=$(basename "$f" | tr . _)
    echo "static const unsigned char source_$n[] = {"
    od -An -v -tu1 "$f" | sed -e 's/  */,/g' -e 's/^,//' -e 's/$/,/'
    echo "0};"
done
echo "const ffcl_source ffcl_sources[] = {"
for f in "$@"; do
    n=$(basename "$f" | tr . _)
    echo "    {\"$(basename "$f")\", (const char *)source_$n, sizeof source_$n - 1},"
done
echo "    {0, 0, 0},"
echo "};"

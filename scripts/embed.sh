#!/bin/sh
# Prints a C file with each .cl file as a byte array and a table of them (host/cl/source.h).
# A byte array, not a string literal: C11 promises only 4095 characters for the latter.
set -eu
echo '#include "cl/source.h"'
for f in "$@"; do
    n=$(basename "$f" .cl)
    echo "static const unsigned char source_$n[] = {"
    od -An -v -tu1 "$f" | sed -e 's/  */,/g' -e 's/^,//' -e 's/$/,/'
    echo "0};"
done
echo "const ffcl_source ffcl_sources[] = {"
for f in "$@"; do
    n=$(basename "$f" .cl)
    echo "    {\"$n\", (const char *)source_$n, sizeof source_$n - 1},"
done
echo "    {0, 0, 0},"
echo "};"

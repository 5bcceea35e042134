#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs what building or testing ffcl needs and the machine lacks; does nothing where nothing
# is missing.  On Debian and Ubuntu it runs one apt-get line, which it prints; elsewhere it lists
# what to install.
# usage: tests/install.sh {build|test}
# shellcheck disable=SC2046,SC2086,SC2254 # lists of flags and of packages are split on purpose
set -u

what=${1:-}
case $what in
build | test) ;;
*)
    echo "usage: tests/install.sh {build|test}" >&2
    exit 2
    ;;
esac

probe=''
trap 'rm -rf "$probe"' EXIT
trap 'exit 1' HUP INT TERM

# Packages and, for other systems, words; what is wanted can be done without.
need() { # PACKAGES WORDS
    needed="$needed $1"
    needed_words="${needed_words:+$needed_words, }$2"
}
want() {
    wanted="$wanted $1"
    wanted_words="${wanted_words:+$wanted_words, }$2"
}

has() {
    command -v "$1" > /dev/null 2>&1
}

has_library() {
    has pkg-config && pkg-config --exists "$1"
}

# Flags come from pkg-config, and CPATH counts.
has_header() { # HEADER PACKAGE-CONFIG-NAME
    [ -n "$compiler" ] && echo "#include <$1>" |
        "$compiler" $(pkg-config --cflags "$2" 2> /dev/null) -E -x c - > /dev/null 2>&1
}

# 0: an OpenCL device answers, 1: none does, 2: not known before the loader is installed.
find_device() {
    probe=${probe:-$(mktemp -d)}
    cat > "$probe/probe.c" << 'SOURCE'
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
int main(void)
{
    cl_platform_id platforms[64];
    cl_uint n = 0, devices = 0;
    if (clGetPlatformIDs(64, platforms, &n) != CL_SUCCESS)
        return 1;
    for (cl_uint i = 0; i < n && i < 64; i++)
        if (clGetDeviceIDs(platforms[i], CL_DEVICE_TYPE_ALL, 0, 0, &devices) == CL_SUCCESS &&
            devices > 0)
            return 0;
    return 1;
}
SOURCE
    [ -n "$compiler" ] && has_library OpenCL || return 2
    "$compiler" $(pkg-config --cflags OpenCL) -o "$probe/probe" "$probe/probe.c" \
        $(pkg-config --libs OpenCL) > /dev/null 2>&1 || return 2
    "$probe/probe" > /dev/null 2>&1
}

# Does a driver of this name announce itself?  (The loader takes a folder or one file.)
has_driver() { # PATTERN
    vendors=${OCL_ICD_VENDORS:-/etc/OpenCL/vendors}
    for f in "$vendors" "$vendors"/*; do
        case ${f##*/} in
        $1) [ -f "$f" ] && return 0 ;;
        esac
    done
    return 1
}

# A CBLAS library that is fast (the system's libblas may be the reference), where the loader looks.
has_blas() {
    for l in $(PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2> /dev/null | sed 's/.*=> //' |
        grep -E '/(libopenblas|libblis|libmkl_rt)[^/]*$'); do
        [ -e "$l" ] && return 0
    done
    return 1
}

# Debian's own Python may have it where another python3 comes first.
has_numpy() {
    for p in python3 /usr/bin/python3; do
        "$p" -c 'import numpy' > /dev/null 2>&1 && return 0
    done
    return 1
}

# Fills the lists above with what is not there.
look() {
    needed='' wanted='' needed_words='' wanted_words='' compiler=''
    for c in ${CC:-} cc gcc clang; do
        if [ -z "$compiler" ] && has "$c"; then
            compiler=$c
        fi
    done
    has_header stdio.h zlib || need "gcc libc6-dev" "a C11 compiler"
    has make || need make "GNU make"
    has pkg-config || need pkg-config "pkg-config"
    has_library OpenCL || need ocl-icd-opencl-dev "the OpenCL ICD loader with OpenCL.pc"
    has_header CL/cl.h OpenCL || need opencl-headers "OpenCL headers"
    has_library clblast || need libclblast-dev "CLBlast"
    has_library libpng || need libpng-dev "libpng"
    has_library inih || need libinih-dev "inih"
    has_library libzip || need libzip-dev "libzip"
    has_library libcjson || need libcjson-dev "cJSON"
    has_library zlib || need zlib1g-dev "zlib"
    find_device
    case $? in
    1) need pocl-opencl-icd "an OpenCL driver, such as PoCL for the CPU" ;;
    2) has_driver "*.icd" || need pocl-opencl-icd "an OpenCL driver, such as PoCL for the CPU" ;;
    esac
    has_blas || want libopenblas0 "OpenBLAS (GEMMs on CPUs; LAPACK for ffcl eval)"
    has_library libjpeg || want libjpeg-dev "libjpeg (ffcl eval reads JPEG files)"
    [ "$what" = test ] || return 0
    has_library cmocka || need libcmocka-dev "cmocka"
    has python3 || need python3 "Python 3"
    has_library ompi-c || want libopenmpi-dev "Open MPI (tests of several processes)"
    has mpirun || want openmpi-bin "mpirun"
    has_numpy || want python3-numpy "NumPy (reads the npz)"
    has unzip || want unzip "unzip"
    has clang || want clang "clang (checks the kernels' OpenCL C)"
    has mandoc || want mandoc "mandoc (checks the man pages)"
    has zsh || want zsh "zsh (tests of completion)"
    has fish || want fish "fish (tests of completion)"
    case $needed in
    *pocl*) ;;
    *) has_driver "*pocl*" || want pocl-opencl-icd "PoCL (tests on the CPU as well)" ;;
    esac
}

# Are there package lists that know every package?
knows_packages() {
    for p in "$@"; do
        apt-cache show "$p" > /dev/null 2>&1 || return 1
    done
}

# Prints and runs the one line that installs its arguments.
install_packages() {
    line="apt-get install -y --no-install-recommends $*"
    knows_packages "$@" || line="apt-get update && $line"
    export DEBIAN_FRONTEND=noninteractive
    if [ "$(id -u)" = 0 ]; then
        echo "install.sh: $line"
        sh -c "$line" < /dev/null
    elif has sudo; then
        line=$(echo "$line" | sed 's/apt-get /sudo apt-get /g')
        echo "install.sh: $line"
        sh -c "$line"
    else
        echo "install.sh: neither root nor sudo; have someone run: $line" >&2
        return 1
    fi
}

# Only where a machine is for tests alone: mingw-w64, 150 MB, by which tests/e2e/mingw.sh compiles
# for Windows; ocloc, which lets tests/clcheck.sh compile for Intel's matrix units and comes with a
# driver that would change the devices of a machine with Intel graphics; and Oclgrind, for
# tests/e2e/runtimes.sh.  Not every system has the packages, hence each on its own, and done without
# where that fails.
install_for_ci() {
    [ "$what" = test ] && [ "${CI:-}" = true ] && has apt-get || return 0
    for pair in x86_64-w64-mingw32-gcc-posix:gcc-mingw-w64-x86-64-posix ocloc:intel-opencl-icd \
        oclgrind:oclgrind; do
        if ! has "${pair%:*}" && knows_packages "${pair#*:}"; then
            install_packages "${pair#*:}" || echo "install.sh: continuing without: ${pair%:*}"
        fi
    done
}

look
if [ -z "$needed$wanted" ]; then
    install_for_ci
    exit 0
fi
if has apt-get; then
    first="$needed $wanted"
    install_packages $first
    # What decides is what is there now, not what apt-get says of the rest.
    look
    # A driver was there but has no device: seen only now that the loader can ask.
    case "$first:$needed" in
    *pocl*:*) ;;
    *:" pocl-opencl-icd")
        install_packages $needed && needed='' && needed_words=''
        ;;
    esac
fi
if [ -n "$needed" ]; then
    echo "install.sh: missing: $needed_words${wanted_words:+; useful too: $wanted_words}" >&2
    if ! has apt-get; then
        echo "install.sh: this system has no apt-get: install them with its own package manager" \
            "(Debian calls them:$needed)" >&2
    fi
    exit 1
fi
if [ -n "$wanted" ]; then
    echo "install.sh: continuing without: $wanted_words"
fi
install_for_ci
exit 0

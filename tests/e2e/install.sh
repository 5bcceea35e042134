#!/bin/bash
# SPDX-License-Identifier: MIT
# make install and uninstall, and a program of a user's against the installed library.
. "$(dirname "$0")/lib.sh"

# Flags of a sanitizer build, which whoever links with the library then needs, too.
read -ra extra <<< "${FFCL_TEST_CFLAGS:-}"
read -ra cc <<< "${CC:-cc}"    # may be two words, as "ccache gcc"

install_to() { # TARGET VARIABLE...
    local target=$1
    shift
    make -C "$root" --no-print-directory BUILD="$build" "$@" "$target" > make.log 2>&1
}

files() { # FOLDER
    (cd "$1" 2> /dev/null && find . ! -type d | sort)
}

# ---- DESTDIR ----

check "make install DESTDIR" install_to install DESTDIR="$work/stage" PREFIX=/usr
files stage > files
for f in bin/ffcl include/ffcl.h lib/libffcl.a lib/libffcl.so lib/libffcl.so.0 \
    lib/pkgconfig/ffcl.pc share/doc/ffcl/README.md share/doc/ffcl/LICENSE \
    share/doc/ffcl/docs/ini.md share/man/man1/ffcl.1 share/man/man5/ffcl.ini.5 \
    share/bash-completion/completions/ffcl share/zsh/site-functions/_ffcl \
    share/fish/vendor_completions.d/ffcl.fish share/ffcl/config/demo.ini \
    share/ffcl/config/demo/freeflow-digits.pt share/ffcl/config/demo/README.md; do
    check "installed: $f" grep -qxF "./usr/$f" files
done
same "the .pc file names the prefix, not DESTDIR" \
    "$(grep '^prefix' stage/usr/lib/pkgconfig/ffcl.pc)" "prefix=/usr"
same "the installed program runs" "$(stage/usr/bin/ffcl --version)" "$("$ffcl" --version)"
same "the versions agree" "$(sed -n 's/^Version: /ffcl /p' stage/usr/lib/pkgconfig/ffcl.pc)" \
    "$("$ffcl" --version | sed '1!d; s/ (.*//')"
# Links of the pages lead to what is installed, as they lead to what is in the checkout.
dangling=''
for page in stage/usr/share/doc/ffcl/*.md stage/usr/share/doc/ffcl/docs/*.md; do
    for target in $(grep -oE '\]\([^)#]+' "$page" | cut -c 3- | grep -v '^https\{0,1\}:'); do
        [ -e "$(dirname "$page")/$target" ] || dangling+=" ${page##*/}:$target"
    done
done
same "no link of the documents dangles" "$dangling" ""
grep -oE 'ffcl_[a-z_]+\(' "$root/host/ffcl.h" | tr -d '(' | grep -v '_visitor$' | sort -u > declared
nm -D --defined-only "$build/libffcl.so" | awk '$2 ~ /[TDBRVW]/ { print $3 }' | sort > exported
if [ -n "${FFCL_TEST_CFLAGS:-}" ]; then
    skip "exports" "a sanitizer"
else
    same "the shared library exports the functions of the header, and nothing else" \
        "$(cat exported)" "$(cat declared)"
    check "the program exports clGetProgramInfo, for CLBlast" \
        sh -c "nm -D --defined-only '$ffcl' | grep -q ' T clGetProgramInfo'"
fi
mkdir -p stage/usr/share/doc/ffcl/docs
echo mine > stage/usr/share/doc/ffcl/docs/mine
check "make uninstall DESTDIR" install_to uninstall DESTDIR="$work/stage" PREFIX=/usr
same "uninstall leaves what it did not install" "$(files stage)" ./usr/share/doc/ffcl/docs/mine
rm -r stage/usr/share/doc/ffcl
same "and no folder of its own" "$(find stage -name 'ffcl*')" ""

# ---- a user's program ----

cat > user.c << 'SOURCE'
#include <ffcl.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    ffcl_error err = {0};
    ffcl_config *cfg = NULL;
    ffcl_sampler *sampler = NULL;
    ffcl_shape_info shape = {0};
    unsigned char *rgb = NULL;
    unsigned long sum = 0;
    int rc = argc == 2 ? ffcl_config_open(&cfg, argv[1], &err) : 2;
    if (rc == 0)
        rc = ffcl_config_set(cfg, "sampler.count=2", &err);
    if (rc == 0)
        rc = ffcl_sampler_open(&sampler, cfg, NULL, &err);
    if (rc == 0) {
        ffcl_sampler_shape(sampler, &shape);
        rgb = malloc(shape.count * shape.height * shape.width * 3);
        rc = rgb ? ffcl_sampler_draw(sampler, 0, shape.count, rgb, &err) : 1;
    }
    for (size_t i = 0; rc == 0 && i < shape.count * shape.height * shape.width * 3; i++)
        sum += rgb[i] != rgb[0];
    printf("%zu images of %zu x %zu%s\n", shape.count, shape.height, shape.width,
           sum ? "" : ", all of one colour");
    if (rc)
        fprintf(stderr, "%s\n", err.text);
    free(rgb);
    ffcl_sampler_close(&sampler);
    ffcl_config_close(&cfg);
    return rc != 0;
}
SOURCE

prefix=$work/prefix
check "make install PREFIX" install_to install PREFIX="$prefix"
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}

compile() { # OUT FLAG...
    local to=$1
    shift
    # shellcheck disable=SC2046 # pkg-config prints a list
    "${cc[@]}" -std=c11 -Wall -Wextra -Wpedantic -Werror "${extra[@]}" -o "$to" user.c \
        $(pkg-config --cflags ffcl) "$@"
}

# shellcheck disable=SC2046
check "a program links with the shared library" compile shared $(pkg-config --libs ffcl)
# Both libraries lie in one folder, so the archive is asked for by its file name.
# shellcheck disable=SC2046
check "a program links with the static library" compile static \
    $(pkg-config --static --libs ffcl | sed 's/-lffcl\>/-l:libffcl.a/')
if "$ffcl" devices > /dev/null 2>&1; then
    for kind in shared static; do
        same "$kind: it generates two images" \
            "$(LD_LIBRARY_PATH=$prefix/lib timeout 300 ./$kind "$demo" 2>&1)" \
            "2 images of 64 x 64"
        same "$kind: what only the program does is refused" \
            "$(LD_LIBRARY_PATH=$prefix/lib ./$kind "$root/config/demo-teacher.ini" 2>&1 |
                grep -c 'compare is for the program ffcl')" 1
        rm "$kind"
    done
elif [ "${CI:-}" = true ]; then
    not_ok "the program generates" "no OpenCL device"
else
    skip "the program generates" "no OpenCL device"
fi
if command -v c++ > /dev/null; then
    echo '#include <ffcl.h>
int main() { return FFCL_OK; }' > user.cc
    check "the header is C++, too" c++ -Wall -Wextra -Werror -fsyntax-only \
        -I"$prefix/include" user.cc
else
    skip "the header is C++, too" "no C++ compiler"
fi

# What the compiler and the linker have against memory errors is in the program.
if [ -n "${FFCL_TEST_CFLAGS:-}" ] || ! command -v readelf > /dev/null; then
    skip "hardening" "a sanitizer, or no readelf"
else
    readelf -dW "$ffcl" > dynamic
    readelf -lW "$ffcl" > segments
    readelf -W --dyn-syms "$ffcl" > symbols
    check "all symbols are bound at the start" grep -q 'BIND_NOW\|NOW' dynamic
    check "relocations are read-only" grep -q GNU_RELRO segments
    check "the stack is not executable" grep -q 'GNU_STACK.* RW ' segments
    check "the stack is protected" grep -q __stack_chk_fail symbols
    check "calls that copy are fortified" grep -q '__[a-z]*printf_chk' symbols
fi

install_to install PREFIX="$prefix"
check "installing twice" install_to install PREFIX="$prefix"
check "make uninstall PREFIX" install_to uninstall PREFIX="$prefix"
same "uninstall leaves nothing of ours" "$(files "$prefix")" ""

finish

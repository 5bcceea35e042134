#!/bin/bash
# SPDX-License-Identifier: MIT
# ffcl.exe (make windows) under wine, with its OpenCL on this system's PoCL: the same bytes as ffcl
# here, paths, locks, resuming, a child process.
# usage: tests/windows.sh [BUILD]      WINE=/path/to/wine64
. "$(dirname "$0")/e2e/lib.sh"

exe=$root/build-windows/ffcl.exe
wine=${WINE:-}
for w in wine64 wine /usr/lib/wine/wine64; do
    if [ -z "$wine" ] && command -v "$w" > /dev/null; then
        wine=$w
    fi
done
if [ -z "$wine" ] || [ ! -f "$exe" ]; then
    skip "ffcl.exe" "it needs make windows, and wine (Debian: wine64 libwine)"
    finish
    exit 0
fi
# Wine reads names by the locale.
export WINEPREFIX=$work/wine WINEDEBUG=-all LC_ALL=C.UTF-8
server=$(command -v wineserver || echo /usr/lib/wine/wineserver)
trap '"$server" -k > /dev/null 2>&1; sleep 1; rm -rf "$work"' EXIT
"$wine" wineboot -i > /dev/null 2>&1

# win WORD...: runs ffcl.exe; $code, and what it printed in $work/printed.
win() {
    timeout 300 "$wine" "$exe" "$@" > "$work/printed" 2>&1
    code=$?
    last="ffcl.exe $*"
    cp "$work/printed" "$work/stdout"
    : > "$work/stderr"
}

# drive PATH: as Windows writes it.
drive() {
    echo "Z:${1//\//\\}"
}

win devices
if ! grep -q '^\[0\]' "$work/printed"; then
    skip "ffcl.exe" "wine passes no OpenCL device on"
    finish
    exit 0
fi

for backend in clblast builtin; do
    "$ffcl" "$demo" sampler.count=4 sampler.batch=4 output.grid=here.png "blas.backend=$backend" \
        -q > /dev/null 2>&1
    win "$(drive "$demo")" sampler.count=4 sampler.batch=4 output.grid=there.png \
        "blas.backend=$backend" -q
    check "the demo's bytes are those of this system: $backend" cmp here.png there.png
done

win "$demo" sampler.count=1 output.grid=x.png blas.backend=cblas
same "without native kernels CBLAS steps aside, with a sentence" "$code:$(grep -c \
    'needs a CPU device that runs native kernels' "$work/printed")" "7:1"

name=$(printf 'x%.0s' {1..120})
mkdir -p "long/$name/$name" "ü 名"
sed "s#= demo/#= $(drive "$root/config/demo/" | sed 's/\\/\\\\/g')#" "$demo" > "ü 名/d.ini"
win "$(drive "$work/ü 名/d.ini")" sampler.count=2 blas.backend=clblast output.grid= \
    "output.folder=$(drive "$work/long/$name/$name/é")" -q
check "paths of any language, with backslashes, longer than 260 characters" \
    test -f "long/$name/$name/é/000001.png"

win "$demo" sampler.count=2 blas.backend=clblast output.folder=one -q
"$ffcl" "$demo" sampler.count=2 blas.backend=clblast output.folder=two -q > /dev/null 2>&1
check "images of a folder are the same bytes" cmp one/000001.png two/000001.png
rm -f one/000001.png
win "$demo" sampler.count=2 blas.backend=clblast output.folder=one -q
same "a run that resumes" "$code:$(cmp one/000001.png two/000001.png)" "0:"

timeout 300 "$wine" "$exe" "$demo" sampler.count=40 sampler.batch=1 blas.backend=clblast \
    output.folder=busy -q > /dev/null 2>&1 &
first=$!
for _ in {1..100}; do
    [ -f busy/000000.png ] && break
    sleep 0.3
done
win "$demo" sampler.count=40 sampler.batch=1 blas.backend=clblast output.folder=busy -q
same "two runs of one folder: the second is refused" "$code" 16
kill $first 2> /dev/null
wait $first 2> /dev/null
sleep 1
win "$demo" sampler.count=8 sampler.batch=1 blas.backend=clblast output.folder=busy \
    output.overwrite=yes -q
same "a lock ends with its process" "$([ "$code" = 16 ] && echo held)" ""

win "$demo" sampler.count=2 output.npz=a.npz blas.backend=clblast -q
"$ffcl" "$demo" sampler.count=2 output.npz=b.npz blas.backend=clblast -q > /dev/null 2>&1
check "an npz is the same bytes" cmp a.npz b.npz

finish

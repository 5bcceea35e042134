#!/bin/bash
# SPDX-License-Identifier: MIT
# The table of commands: help of each at 80 columns, words that are no command, options.  No device
# is needed.
. "$(dirname "$0")/lib.sh"

# ---- help ----

wide() { # FILE: lines that do not fit 80 columns
    awk 'length > 79' "$1"
}
works "--help" --help
same "--help: nothing on stderr" "$(cat "$work/stderr")" ""
same "--help fits 80 columns" "$(wide "$work/stdout")" ""
cp "$work/stdout" overview
works "help" help
check "help and --help are one" cmp "$work/stdout" overview
commands=$(sed -n '/^commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p' overview)
same "the overview names the commands" "$(lacks overview sample devices bench verify tune keys)" ""
for command in $commands; do
    works "help $command" help "$command"
    same "help $command: usage and options" \
        "$(lacks "$work/stdout" "usage: ffcl" --quiet --help)" ""
    same "help $command fits 80 columns" "$(wide "$work/stdout")" ""
    cp "$work/stdout" one
    works "$command --help" "$command" --help
    check "$command --help is the same" cmp "$work/stdout" one
    works "-h before $command" -h "$command"
    check "-h before $command is the same" cmp "$work/stdout" one
done
works "version" version
cp "$work/stdout" one
works "--version" --version
check "version and --version are one" cmp "$work/stdout" one

works "presets" presets
same "presets fits 80 columns" "$(wide "$work/stdout")" ""
same "presets: all of the text" "$(tr -s ' \n' ' ' < "$work/stdout" |
    grep -c 'Pixel Mean Flows, arXiv 2601.22158 github.com/Lyy-iiis/pMF@')" 1

# ---- words ----

refuses "a word that is nearly a command" 2 "devces is neither a command nor a file" \
    "did you mean ffcl devices?" -- devces
refuses "a key of other programs" 3 "did you mean [sampler] count?" -- "$demo" sampler.num_samples=3
refuses "a word that is none" 2 "xyzzy is neither a command nor a file; see" -- xyzzy
refuses "a name of a file that is missing" 4 "cannot open gone.ini" -- gone.ini
refuses "a path that is missing" 4 "cannot open runs/gone" -- runs/gone
refuses "help for what is no command" 2 "there is no command tun" "did you mean tune?" -- help tun
refuses "help for two" 2 "one command at a time" -- help tune bench
refuses "a command of other programs" 2 "did you mean ffcl sample?" -- generate
refuses "a short word is not near to everything" 2 "run is neither" "ffcl sample?" -- run
refuses "an option that is a key" 2 "--seed: this is a key, sampler.seed=VALUE" -- "$demo" --seed 3
refuses "an option that is a key with its section" 2 "this is a key, sampler.seed=3" -- "$demo" \
    --sampler.seed=3
refuses "an address in place of a file" 4 "https://x.org/n.ini is an address" "download it" -- \
    sample https://x.org/n.ini
refuses "an address in place of a checkpoint" 4 "https://x.org/n.pt is an address" \
    "download it" -- "$demo" model.checkpoint=https://x.org/n.pt output.grid="$out/x.png"
refuses "an address in place of a VAE" 4 "s3://b/v.safetensors is an address" "download it" -- \
    "$demo" vae.weights=s3://b/v.safetensors output.grid="$out/x.png"
refuses "an address to evaluate" 4 "https://x.org/a.npz is an address" "download it" -- eval \
    https://x.org/a.npz
refuses "an address to inspect" 4 "https://x.org/n.pt is an address" "download it" -- inspect \
    https://x.org/n.pt
refuses "an option that is a key, with its value" 2 "sampler.guidance=7.5" -- "$demo" \
    --cfg-scale=7.5
refuses "a key of no command" 2 "unknown option --steps; see ffcl devices --help" -- devices --steps
refuses "an unknown key of keys" 2 "did you mean sampler.seed?" -- keys sampler.sed
refuses "devices takes no argument" 2 "takes no argument: x" -- devices x

# ---- habits from other programs ----

# Each line: what is typed behind ffcl, a colon, what the sentence says; code 2.
echo '[sampler]' > d.ini
while IFS=: read -r line want; do
    read -ra words <<< "$line"
    refuses "a habit: ffcl $line" 2 "$want" -- "${words[@]}"
done << 'HABITS'
-i d.ini:named without an option
-m X.pt:model.checkpoint=VALUE
d.ini -n 4:sampler.count=VALUE
d.ini -s 4:sampler.seed=VALUE
d.ini -b4:sampler.batch=VALUE
d.ini -ngl 9:unknown option -n; see
d.ini -steps 4:sampler.steps=VALUE
d.ini -seed=4:sampler.seed=4
d.ini -overwrite:did you mean --overwrite?
d.ini -force:--overwrite replaces
d.ini -output x.png:did you mean --output?
d.ini -y:--overwrite replaces
devices -y:unknown option -y; see
d.ini --DRY-RUN:did you mean --dry-run?
d.ini -W 512:that of the checkpoint
-p cat:classes, not of texts
--list-devices:ffcl devices lists them
-L:ffcl devices lists them
--benchmark:ffcl bench
gpus:did you mean ffcl devices?
quantize a b:did you mean ffcl convert?
d.ini seed 3:did you mean sampler.seed=VALUE?
d.ini sampler.seed;3:expected section.key=value instead of
d.ini out.png:-o out.png
d.ini x.pt:model.checkpoint=x.pt
d.ini set.npz:output.npz=set.npz
--json d.ini out.json:--json > out.json
sampler.count=1 d.ini:the INI file comes before the keys
eval a b:--reference b
eval a --fid:all measures are computed
report x.txt:-o x.txt
init -o x.ini:ffcl init FILE.ini
init --force:--overwrite replaces
convert -i a -o b:ffcl convert IN OUT.safetensors
convert a b --fp16:--dtype half
convert a b.safetensors --dtype bf16:did you mean bfloat16?
inspect -:not standard input
bench -r 5:--repeats N
bench -o x:--json FILE
tune --quick:--minutes N
HABITS
refuses "a key with a colon" 2 "did you mean sampler.seed=3?" -- d.ini sampler.seed:3
cp "$root/docs/demo.png" p.png
refuses "an image in place of the INI file" 2 "ffcl inspect p.png says" -- p.png
refuses "behind sample a word is a file" 4 "cannot open sample" -- sample sample
POSIXLY_CORRECT=1 works "options behind words, whatever POSIXLY_CORRECT says" classes tabby --json
works "-V" -V
check "-V is --version" grep -q '^built with' "$work/stdout"
for word in sampler Sampler '[sampler]' sampler. sampler.seed; do
    works "keys $word" keys "$word"
    check "keys $word: it is there" grep -q '^  seed = 0$' "$work/stdout"
done

# Files that other programs have on stdout, and names that would be replaced by something else.
for key in output.grid output.folder output.npz eval.save_stats; do
    refuses "$key=- is not stdout" 3 "= -: it is written to a file" -- "$demo" "$key=-"
done
for value in none off no; do
    refuses "output.grid=$value is no file" 3 "nothing behind = stands for none" -- "$demo" \
        output.grid=$value
done
refuses "-o - is not stdout" 3 "never to stdout" -- "$demo" -o -
refuses "--sheet - is not stdout" 2 "never to stdout" -- eval a.npz --sheet -
refuses "init - is not stdout" 2 "never to stdout" -- init -
echo weights > X.pt
for words in "init X.pt" "init X.pt --overwrite" "report -o X.pt" "$demo --profile=X.pt"; do
    read -ra line <<< "$words"
    refuses "a checkpoint is not replaced: ffcl $words" 2 X.pt -- "${line[@]}"
done
same "it is as it was" "$(cat X.pt)" weights
mkfifo pipe.ini
refuses "an INI file from a pipe" 4 "ffcl - reads an INI file" -- pipe.ini
rm d.ini X.pt pipe.ini

# ---- what a file is ----

works "inspect a checkpoint" inspect "$demo_sit"
same "inspect: the model, and what is missing" "$(lacks "$work/stdout" "format       weights" \
    "SiT: 6 blocks of width 144" "10 classes" "set model.heads")" ""
works "inspect a VAE" inspect "$demo_vae"
same "inspect: the VAE" "$(lacks "$work/stdout" "VAE decoder: 4 latent channels" "8 times")" ""
works "inspect as JSON" inspect "$demo_sit" --json
same "inspect: every tensor" "$(python3 - "$work/stdout" "$demo_sit" << 'PYTHON'
import json, sys
m = json.load(open(sys.argv[1]))
n = 1
total = 0
for t in m["list"]:
    n = 1
    for k in t["shape"]:
        n *= k
    total += n
print(m["tensors"] == len(m["list"]), m["parameters"] == total, m["list"][0]["type"] != "")
PYTHON
)" "True True True"
works "inspect a PNG" inspect "$root/docs/demo.png"
same "inspect: its size" "$(grep -c '^size .* x ' "$work/stdout")" 1
works "inspect a PNG as JSON" inspect "$root/docs/demo.png" --json
same "JSON: its size" "$(python3 -c '
import json, sys
print(json.load(open(sys.argv[1]))["format"])' "$work/stdout")" PNG
works "inspect weights whose family keys must say" inspect "$data/zoo/pmf_zoo.pt" --json
same "every gap is named" "$(python3 -c '
import json, sys
print([m.split(": ")[-1][:9] for m in json.load(open(sys.argv[1]))["missing"]])' \
    "$work/stdout")" "['set model', 'add \"h_em']"
if "$ffcl" devices > /dev/null 2>&1; then
    works "an npz and a folder" -q "$demo" sampler.count=3 output.folder=set output.npz=set.npz \
        output.npz_labels=yes
    works "inspect an npz" inspect set.npz
    same "inspect: its arrays, images, labels" "$(lacks "$work/stdout" \
        "arr_0: uint8, (3, 64, 64, 3)" "arr_1: int64, (3,)" \
        "3 of 64 x 64" "3, of classes 0 to 2")" ""
    works "inspect a folder" inspect set
    same "inspect: its settings and end" "$(lacks "$work/stdout" "manifest of a sample set" \
        "complete" "sampler.guidance          2" "crc32 ")" ""
    works "inspect a manifest as JSON" inspect set/manifest.json --json
    same "inspect: settings as JSON" "$(python3 -c '
import json, sys
m = json.load(open(sys.argv[1]))
print(m["settings"]["sampler.count"], m["end"], m["runs"], len(m["device"]))' "$work/stdout")" \
        "3 complete 1 1"
    head -c 3000 set.npz > cut.npz
    refuses "inspect an npz that is cut" 5 cut.npz -- inspect cut.npz
    rm -rf set set.npz
fi
refuses "inspect what is nothing" 5 "$demo" -- inspect "$demo"
refuses "inspect what is not there" 4 gone.pt -- inspect gone.pt
refuses "inspect without a file" 2 "inspect takes one file; see" -- inspect
refuses "inspect two files" 2 "one file, and not also b" -- inspect a b
for words in "" "inspect" "classes" "init" "$demo sampler.seed=1"; do
    read -ra before <<< "$words"
    refuses "an empty argument: ffcl $words" 2 "an argument is empty" -- "${before[@]}" ""
done
refuses "inspect an INI file" 5 "is an INI file" "--dry-run" -- inspect "$demo"
refuses "inspect a folder that is no sample set" 4 "without manifest.json" -- inspect "$root/config"

# ---- devices, version ----

works "--version" --version
same "--version: commit and libraries" "$(lacks "$work/stdout" "ffcl " "CLBlast " "inih " \
    "libpng " "zlib " "libzip " "cJSON " "CBLAS  " "LAPACK  " "OpenCL  ")" ""
same "--version fits 80 columns" "$(awk 'length > 79' "$work/stdout")" ""
if command -v objdump > /dev/null; then
    # Every library that the program is linked with, by the name that people know it by.
    unnamed=$(objdump -p "$ffcl" | sed -n 's/^ *NEEDED *lib\([A-Za-z]*\).*/\1/p' |
        sed 's/^z$/zlib/; s/^c$/glibc/; s/^mpi$/Open MPI/' |
        grep -vxE 'm|dl|pthread|asan|ubsan|tsan|gcc_s|stdc' |
        while read -r name; do grep -qi "$name" "$work/stdout" || echo "$name"; done)
    same "--version names every library that it is linked with" "$unnamed" ""
    works "--version once more" --version
else
    skip "--version names every library that it is linked with" "no objdump"
fi
if python3 -c 'import ctypes; ctypes.CDLL("libopenblas.so.0")' 2> /dev/null; then
    same "--version: the BLAS that is loaded, and its version" \
        "$(grep -c 'OpenBLAS [0-9.]*, from libopenblas' "$work/stdout")" 2
else
    skip "--version: the BLAS that is loaded, and its version" "no OpenBLAS"
fi
if "$ffcl" devices > /dev/null 2>&1; then
    works "devices -l" devices -l
    same "devices -l: a line each" "$(wc -l < "$work/stdout")" \
        "$("$ffcl" devices | grep -c '^\[')"
    works "devices --json" devices --json
    same "devices --json: the same" "$(python3 -c '
import json, sys
print(len(json.load(open(sys.argv[1]))))' "$work/stdout")" "$("$ffcl" devices | grep -c '^\[')"
    same "numbers are numbers" "$(python3 -c '
import json, sys
for i, d in enumerate(json.load(open(sys.argv[1]))):
    counts = [d[k] for k in ("compute_units", "clock_mhz", "memory_bytes", "largest_buffer_bytes",
                             "local_memory_bytes", "largest_work_group")]
    assert all(isinstance(c, int) for c in counts) and counts[2] > 1e8, counts
    assert isinstance(d["shares_host_memory"], bool) and isinstance(d["half_precision"], bool)
    assert d["index"] == i and d["select"].count(":") == 1 and d["name"] and d["driver"], d
print("yes")' "$work/stdout")" "yes"
fi

# ---- names of outputs ----

refuses "a grid that is no PNG" 3 "grid = x.jpg" "a PNG" "x.png" -- "$demo" output.grid=x.jpg
refuses "an npz that is none" 3 "npz = x.npy" "x.npz" -- "$demo" output.grid= output.npz=x.npy
for pair in plot:SVG:svg html:HTML:html json:JSON:json jsonl:JSON:jsonl csv:CSV:csv \
    markdown:Markdown:md; do
    IFS=: read -r option format ending <<< "$pair"
    refuses "bench --$option of another name" 2 "--$option x.png: what is written is $format" \
        "x.$ending" -- bench softmax "--$option" x.png
done
refuses "eval's plot of another name" 2 "what is written is SVG, so name it x.svg" -- \
    eval --compare a.json b.json --plot x.png
refuses "eval's sheet of another name" 2 "name it x.png" -- eval a.npz --sheet x.jpg
refuses "eval's statistics of another name" 2 "name it x.npz" -- eval a.npz --save-stats x.npy
refuses "eval's network of another name" 2 "x.safetensors" -- eval --make-network x.pth

# ~ where no shell has replaced it, in every place that takes a path.
me=$(id -un) nobody=no-such-user-here
my_home=$(getent passwd "$me" | cut -d: -f6)
at_home() { # NAME CODE WORD... -- ARGUMENT...
    HOME=$work refuses "$@"
}
at_home "~ is the home: a key" 12 "$work/none/x.png" -- "$demo" "output.grid=~/none/x.png"
at_home "~: a library" 4 "$work/none.so" -- "$demo" "blas.library=~/none.so" \
    output.grid="$out/x.png"
at_home "~: classes of a file" 4 "$work/none.txt" -- "$demo" "sampler.classes=file:~/none.txt"
for line in "~/none.ini" "sample ~/none.ini" "inspect ~/none.pt" "convert ~/none.pt x.safetensors" \
    "init x.ini --checkpoint=~/none.pt" "classes --names=~/none.txt" "eval ~/none.npz" \
    "eval --compare ~/none.json b.json" "bench --compare ~/none.json softmax" \
    "verify ~/none.safetensors" "tune ~/none.ini" "selfcheck ~/none.ini" \
    "bench model ~/none.ini"; do
    read -ra words <<< "$line"
    at_home "~: ffcl $line" 4 "$work/none" -- "${words[@]}"
done
for line in "convert $demo_sit ~/none/x.safetensors" "init ~/none/x.ini" \
    "eval --make-network ~/none/x.safetensors" "report -o~/none/x.txt --op softmax" \
    "$demo --output=~/none/x.png" "$demo -o~/none/x.png"; do
    read -ra words <<< "$line"
    at_home "~: ffcl $line" 12 "$work/none" -- "${words[@]}"
done
refuses "~ of a user" 4 "$my_home/none.ini" -- "~$me/none.ini"
refuses "~ of nobody" 2 "there is no user $nobody here" -- inspect "~$nobody/x.pt"
refuses "~ of nobody behind =" 2 "there is no user $nobody here" -- classes "--names=~$nobody/x"
refuses "~ of nobody in a key" 3 "output.grid=" "there is no user $nobody here" -- "$demo" \
    "output.grid=~$nobody/x.png"
refuses "~ in a name without a folder is a letter" 4 "cannot open ~x.ini" -- "~x.ini"
unset_home() {
    env -u HOME "$ffcl" -q inspect "~/none.pt" > words 2>&1
}
unset_home
same "without HOME it is the user's" "$? $(grep -c "$my_home/none.pt cannot be opened" words)" "4 1"
if "$ffcl" devices > /dev/null 2>&1; then
    # shellcheck disable=SC2088 # as a file of settings has it
    HOME=$work FFCL_CACHE_DIR="~/cache" works "~ in FFCL_CACHE_DIR" -q "$demo" sampler.count=1 \
        output.grid="$out/x.png"
    same "it makes no folder of that name" "$(ls -d '~' 2>&1 | grep -c 'No such')" 1
    rm -f "$out/x.png"
fi

refuses "a grid that no file can hold, before weights are loaded" 3 "a grid of 6000 images" \
    "set [output] grid = (empty)" -- "$demo" sampler.count=6000 output.columns=1 \
    output.grid="$out/x.png" device.select=none-of-these
refuses "a checkpoint that is not there: where they are published" 4 \
    "FreeFlow-XL-2-256.pt cannot be opened: No such file or directory" \
    "github.com/ShangyuanTong/FreeFlow says" -- "$root/config/freeflow-xl2-256.ini" \
    output.grid="$out/x.png"
refuses "the same without a preset" 4 "gone.pt cannot be opened" "ffcl presets lists" -- "$demo" \
    model.preset=auto model.checkpoint=gone.pt output.grid="$out/x.png"

# ---- without a file, and an INI file to begin with ----

"$ffcl" > words 2>&1
same "ffcl alone explains itself" "$? $(lacks words "ffcl config/demo.ini" "ffcl init" \
    "ffcl devices" "no INI file and no command given")" "2 "
works "init" init
same "init: the file holds every key" "$("$ffcl" keys | sed -n 's/^  \([a-z_]*\) = .*/\1/p' |
    while read -r key; do grep -q "^;*$key =" ffcl.ini || echo "lacks $key"; done)" ""
run -q ffcl.ini output.grid="$out/x.png"
same "init: the file is read, up to its weights" \
    "$code $(grep -c 'FreeFlow-XL-2-256.pt' "$work/stderr")" "4 1"
cp ffcl.ini kept.ini
run init
same "init: a file that is there stays" "$code $(cmp ffcl.ini kept.ini)" "12 "
works "init --overwrite" init --overwrite
no_heads="cannot infer the head count for hidden size 144: set model.heads"
works "init for a checkpoint" init digits.ini --checkpoint "$demo_sit" --vae "$demo_vae"
same "it says what the checkpoint is, and what nobody can know" \
    "$(grep -c '6 blocks of width 144.*10 classes' digits.ini) $(grep -c "^$demo_sit: $no_heads\$" \
    "$work/stdout")" "1 1"
same "and what comes next" "$(head -n 1 "$work/stdout") $(tail -n 1 "$work/stdout")" \
    "wrote digits.ini; before it runs: then: ffcl digits.ini"
run inspect "$demo_sit"
same "inspect says it in the same words" "$(grep -c "$demo_sit: $no_heads\$" "$work/stdout")" 1
works "init for one without its VAE" init --overwrite other.ini --checkpoint "$demo_sit"
same "it says where that is" "$(grep -c '^sd-vae-ft-ema/.* is not there: .*huggingface.co/' \
    "$work/stdout") $(grep -c '^weights = sd-vae-ft-ema' other.ini)" "1 1"
works "init for one whose preset has its VAE" init repae.ini --checkpoint "$data/zoo/repae_zoo.pt"
same "the preset's stands" "$(grep -c '^;weights =' repae.ini) $(grep -c 'is not there' \
    "$work/stdout")" "1 0"
works "init for one that several families have" init sit.ini --checkpoint "$data/sit_h144_p2.pt"
same "it asks for the preset" "$(grep -c 'set preset under \[model\] to one of freeflow, sit' \
    "$work/stdout")" 1
works "init for one of which several keys must tell" init pmf.ini \
    --checkpoint "$data/zoo/pmf_zoo.pt"
same "it asks for each" "$(grep -c 'set preset\|set model.heads' "$work/stdout")" 2
run init wrong.ini --checkpoint "$demo"
same "init for a file that is none" "$code $(ls wrong.ini 2>&1 | grep -c 'No such')" "5 1"
long=$(printf 'd%.0s' {1..200})
while IFS= read -r name; do
    mkdir -p "$name"
    cp "$demo_sit" "$name/x.pt"
    refuses "a path that no INI file can hold: ${name:0:9}" 3 "cannot stand in an INI file" -- \
        init "$out/i.ini" --checkpoint "$name/x.pt"
    refuses "the VAE's: ${name:0:9}" 3 "[vae] weights = " "cannot stand" -- init "$out/i.ini" \
        --vae "$name/x.pt"
done << NAMES
a ;b
$long
NAMES
line_end=$'new\nline'
mkdir "$line_end"
cp "$demo_sit" "$line_end/x.pt"
refuses "one with a line end" 3 "it has a line end in it" -- init "$out/i.ini" \
    --checkpoint "$line_end/x.pt"
works "init in a folder with a line end" init "$line_end/i.ini"
run -q "$line_end/i.ini" output.grid="$out/x.png"
same "its comments have none" "$code $(grep -c 'FreeFlow-XL-2-256.pt' "$work/stderr")" "4 1"
sed "s|= demo/|= $root/config/demo/|" "$demo" > demo.ini
if "$ffcl" devices > /dev/null 2>&1; then
    "$ffcl" - sampler.count=2 output.grid=stdin.png < demo.ini > words 2>&1
    same "- reads standard input" "$?" 0
    works "the same from the file, as ffcl sample" sample demo.ini sampler.count=2 \
        output.grid=file.png
    check "the same image" cmp stdin.png file.png
    sed '/^grid/d' demo.ini > bare.ini
    works "a folder alone writes no grid" -q bare.ini sampler.count=1 output.folder=only
    same "it wrote none" "$(ls sample.png 2>&1 | grep -c 'No such') $(ls only/*.png)" \
        "1 only/000000.png"
    works "unless it is named" -q bare.ini sampler.count=1 output.folder=only output.grid=g.png
    check "it is there" [ -e g.png ]
    works "neither: the usual name" -q bare.ini sampler.count=1
    check "sample.png" [ -e sample.png ]
    run sample demo.ini sampler.count=2 output.grid=file.png
    same "the last line: what, where, how long, on what" "$(tail -n 1 "$work/stderr" |
        sed 's/; [0-9.]* s on .*/; N s on D/')" "2 images of 64 x 64 in file.png; N s on D"
fi
echo 'nonsense' | "$ffcl" -q - > words 2>&1
same "standard input: errors name it" "$? $(grep -c '^ffcl: standard input:1: ' words)" "3 1"

# ---- options ----

refuses "an option that is nearly one" 2 "--qiet" "did you mean --quiet?" -- --qiet "$demo"
refuses "an option of another command" 2 "unknown option --minutes" "ffcl verify --help" -- \
    verify --minutes 1
refuses "an option without its value" 2 "needs a value: --minutes" "ffcl tune --help" -- \
    tune --minutes
refuses "a value where none is taken" 2 "takes no value: --quiet=1" -- --quiet=1 "$demo"
refuses "an unknown letter" 2 "unknown option -x" -- -xq "$demo"
works "options before a command" -q keys

finish

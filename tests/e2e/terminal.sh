#!/bin/bash
# SPDX-License-Identifier: MIT
# What ffcl prints on a terminal of 40, 80 and 160 columns: progress in place, the preview, Ctrl-C.
. "$(dirname "$0")/lib.sh"
need_device
command -v script > /dev/null || { skip "terminals" "no script(1)"; finish; }

# pty COLUMNS ARGUMENT...: what a terminal of so many columns gets, in $work/tty.
pty() {
    local columns=$1
    shift
    script -qec "stty cols $columns rows 24; $(printf '%q ' "$ffcl" "$@")" /dev/null \
        < /dev/null > "$work/tty"
}

# ---- progress ----

export TERM=xterm
works "once, so that programs are compiled" -q "$demo" sampler.count=8
for columns in 40 80 160; do
    pty $columns --preview=off "$demo" sampler.count=60 sampler.batch=1 output.grid=g.png
    python3 - "$work/tty" $columns > "$work/command" << 'PYTHON'
import sys
text = open(sys.argv[1], newline="").read().replace("\r\n", "\n")
columns = int(sys.argv[2])
updated = [line for line in text.split("\n") if line.startswith("\r")]
steps = [step for line in updated for step in line.split("\r")[1:]]
sampling = [s for s in steps if s.startswith("sampling ")]
print(sum(len(s) > columns - 1 for s in steps), "too wide;",
      "in place" if len(sampling) > 3 and len(updated) <= 4 else (len(sampling), len(updated)),
      "end" if sampling[-1].startswith("sampling 60/60") else sampling[-1],
      "left" if columns < 80 or any(" left" in s for s in sampling) else "no estimate")
PYTHON
    same "$columns columns: progress fits, is updated in place, and ends" \
        "$(cat "$work/command")" "0 too wide; in place end left"
done

# ---- text ----

# Commands whose text is words: nothing is wider than the terminal but a word alone, or the value
# of a key.
mapfile -t commands < <("$ffcl" --help | sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')
for columns in 40 80; do
    wide=()
    for line in --help --version keys presets classes devices "selfcheck $demo" \
        "init $work/$columns.ini --checkpoint $root/tests/data/zoo/sit_zoo.pt" \
        "$demo sampler.count=1 --dry-run" "${commands[@]/%/ --help}"; do
        read -ra words <<< "$line"
        pty $columns --color=never "${words[@]}"
        [ -s "$work/tty" ] || wide+=("$line: nothing")
        long=$(tr '\r' '\n' < "$work/tty" | awk -v c=$columns '
            length > c && NF > 1 && !/^  [a-z_]+ = / { print; exit }')
        [ -z "$long" ] || wide+=("$line: $long")
    done
    same "$columns columns: texts of $((${#commands[@]} + 9)) commands fit" \
        "$(printf '%s\n' "${wide[@]:-}")" ""
done
"$ffcl" keys sampler.classes > "$work/keys"
same "in a file help has 79 columns" "$(awk 'length > 60' "$work/keys" | wc -l | grep -vc '^0$') $(
    awk 'length > 79' "$work/keys")" "1 "

# ---- tables ----

cat > a.json << 'JSON'
{"fid": 34.55402, "sfid": 63.9932, "inception_score": 1.03119, "inception_score_deviation": 0,
 "precision": 1, "recall": 0.925, "count": 50000, "like": "adm", "network": "n", "reference": "r"}
JSON
sed 's/34.5/33.7/; s/1.03119/1.04511/' a.json > a-name-that-is-longer-than-the-others.json
works "a bench to compare with" bench gemm 32x32x32 --repeats 2 --json old.json
tables=("eval --compare a.json a-name-that-is-longer-than-the-others.json"
    "eval --compare a.json a-name-that-is-longer-than-the-others.json a.json"
    "eval --compare a.json a.json a.json a-name-that-is-longer-than-the-others.json"
    "bench gemm 32x32x32 --repeats 2 --compare old.json" "bench qk_rms* --quick --repeats 2"
    "bench conv 1x8x8x16:16:3 --repeats 2" "bench --list qk_*" "bench model $demo --seconds 0.01"
    "-q --preview=off --profile=p.json $demo sampler.count=1")
for columns in 30 40 60 80; do
    wide=()
    for line in "${tables[@]}"; do
        set -f
        read -ra words <<< "$line"
        set +f
        pty $columns --color=never "${words[@]}"
        [ -s "$work/tty" ] || wide+=("$line: nothing")
        long=$(sed 's/\r*$//; s/.*\r//' "$work/tty" |
            awk -v c=$columns 'length >= c && NF > 1 { print; exit }')
        [ -z "$long" ] || wide+=("$line: $long")
    done
    same "$columns columns: ${#tables[@]} tables fit" "$(printf '%s\n' "${wide[@]:-}")" ""
done
# missing COLUMNS FILE: numbers of the file that are not whole in what the terminal gets.
missing() {
    pty "$1" --color=never eval --compare a.json a-name-that-is-longer-than-the-others.json
    tr -s ' \r\n' '\n\n\n' < "$2" | grep '^-*[0-9.]*[0-9]$' |
        grep -vxF -f <(tr -s ' \r\n' '\n\n\n' < "$work/tty")
}
works "the table in a file" eval --compare a.json a-name-that-is-longer-than-the-others.json
cp "$work/stdout" table.txt
same "numbers are whole at 30, 40 and 60 columns" \
    "$(grep -c 34.55 table.txt) $(for c in 30 40 60; do missing $c table.txt; done)" "1 "

# ---- the preview ----

works "a grid" -q "$demo" sampler.classes=3 sampler.count=1 output.grid=one.png
cat > look.py << 'PYTHON'
"""look.py KIND COLUMNS TTY PNG: is the preview in the output the image?"""
import base64, os, re, sys
sys.path.insert(0, os.environ["TESTS"])
import images
kind, columns, tty, png = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
data = open(tty, "rb").read()
width, height, rows = images.read(png)
def shrink(most_width, most_height):
    w, h = width, height
    if w > most_width:
        w, h = most_width, max(h * most_width // w, 1)
    if h > most_height:
        w, h = max(w * most_height // h, 1), most_height
    out = []
    for y in range(h):
        line = []
        top, bottom = y * height // h, max((y + 1) * height // h, y * height // h + 1)
        for x in range(w):
            left, right = x * width // w, max((x + 1) * width // w, x * width // w + 1)
            n = (bottom - top) * (right - left)
            line.append(tuple((sum(rows[v][3 * u + c] for v in range(top, bottom)
                                   for u in range(left, right)) + n // 2) // n for c in range(3)))
        out.append(line)
    return out
if kind == "kitty":
    pieces = re.findall(rb"\x1b_G([^;]*);([^\x1b]*)\x1b\\", data)
    bytes_ = base64.b64decode(b"".join(p[1] for p in pieces))
    ok = b"s=%d,v=%d," % (width, height) in pieces[0][0] and bytes_ == b"".join(
        bytes(r) for r in rows) and all(len(p[1]) <= 4096 for p in pieces) and \
        all((b"m=1" in p[0]) == (i + 1 < len(pieces)) for i, p in enumerate(pieces))
elif kind == "sixel":
    body = re.search(rb"\x1bP0;1;0q\"1;1;(\d+);(\d+)(.*?)\x1b\\", data, re.S)
    colours = {int(a): tuple(int(v) * 255 // 100 for v in (r, g, b)) for a, r, g, b in
               re.findall(rb"#(\d+);2;(\d+);(\d+);(\d+)", body.group(3))}
    seen, x, top, colour = {}, 0, 0, 0
    for token in re.finditer(rb"#(\d+)(;2;\d+;\d+;\d+)?|!(\d+)(.)|(.)", body.group(3)):
        number, definition, times, repeated, single = token.groups()
        if number:
            colour = int(number)
            continue
        letter, n = (repeated, int(times)) if times else (single, 1)
        if letter == b"$":
            x = 0
        elif letter == b"-":
            x, top = 0, top + 6
        else:
            for _ in range(n):
                for bit in range(6):
                    if letter[0] - 63 >> bit & 1:
                        assert (x, top + bit) not in seen
                        seen[x, top + bit] = colours[colour]
                x += 1
    ok = len(seen) == width * height and all(
        abs(seen[x, y][c] - rows[y][3 * x + c]) <= 26 for x in range(width)
        for y in range(height) for c in range(3))
else:
    want = shrink(columns, 44)
    lines = [l for l in data.decode().replace("\r\n", "\n").split("\n") if "\u2580" in l]
    ok = len(lines) == (len(want) + 1) // 2
    for i, line in enumerate(lines):
        cells = re.findall("\x1b\\[38;2;(\\d+);(\\d+);(\\d+)m(?:\x1b\\[48;2;(\\d+);(\\d+);(\\d+)m)?"
                           "\u2580", line)
        ok = ok and line.endswith("\x1b[0m") and len(cells) == len(want[0]) and all(
            tuple(map(int, c[:3])) == want[2 * i][x] and
            (2 * i + 1 >= len(want) or tuple(map(int, c[3:])) == want[2 * i + 1][x])
            for x, c in enumerate(cells))
print("the image" if ok else "another")
PYTHON
export TESTS=$root/tests
for columns in 40 80 160; do
    for kind in kitty sixel blocks; do
        pty $columns --preview=$kind "$demo" sampler.classes=3 sampler.count=1 output.grid=one.png
        same "$columns columns, $kind: the image" \
            "$(python3 look.py $kind $columns "$work/tty" one.png)" "the image"
    done
done
# shown VARIABLE...: what is printed by itself where the environment says so.
shown() {
    (export "$@"; pty 80 "$demo" sampler.classes=3 sampler.count=1 output.grid=one.png)
    python3 -c 'import sys
d = open(sys.argv[1], "rb").read()
print("kitty" if b"\x1b_G" in d else "sixel" if b"\x1bP" in d else
      "blocks" if b"\xe2\x96\x80" in d else "nothing")' "$work/tty"
}
same "by itself: kitty" "$(shown TERM=xterm-kitty)" kitty
same "by itself: WezTerm" "$(shown TERM_PROGRAM=WezTerm)" kitty
same "by itself: foot" "$(shown TERM=foot)" sixel
same "by itself: others, with UTF-8" "$(shown LC_ALL=C.UTF-8)" blocks
same "by itself: without UTF-8" "$(shown LC_ALL=C)" nothing
same "in tmux nothing but blocks" "$(shown TERM=tmux-256color KITTY_WINDOW_ID=1 LC_ALL=C.UTF-8)" \
    blocks
same "not on a dumb terminal" "$(shown TERM=dumb LC_ALL=C.UTF-8)" nothing
TERM=xterm-kitty run "$demo" sampler.count=1 output.grid=one.png
same "not in a file" "$(wc -c < "$work/stdout")" 0
refuses "another --preview" 2 "auto, off, kitty, sixel or blocks, not iterm" -- --preview=iterm \
    "$demo"

# ---- Ctrl-C, typed in a terminal ----

export NO_COLOR=1               # the sentences are looked for

cat > typist.py << 'PYTHON'
"""typist.py WAIT TIMES COMMAND...: types Ctrl-C when the words are there, so often, half a second
apart; prints how the command ended and what the terminal got."""
import os, pty, select, signal, sys, time
words, times, command = sys.argv[1].encode(), int(sys.argv[2]), sys.argv[3:]
child, fd = pty.fork()
if child == 0:
    os.execv(command[0], command)
seen, typed, begun = b"", 0, time.time()
while time.time() - begun < 120:
    if select.select([fd], [], [], 0.1)[0]:
        try:
            piece = os.read(fd, 65536)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    if typed < times and words in seen:
        os.write(fd, b"\x03")
        typed += 1
        if typed < times:
            time.sleep(0.5)
_, status = os.waitpid(child, 0)
how = "signal %d" % os.WTERMSIG(status) if os.WIFSIGNALED(status) else \
    "exit %d" % os.WEXITSTATUS(status)
print(how)
sys.stdout.flush()
sys.stdout.buffer.write(seen.replace(b"\r\n", b"\n"))
PYTHON
type_at() { # WORDS TIMES ARGUMENT...
    python3 typist.py "$1" "$2" "$ffcl" "${@:3}" > "$work/tty" 2>&1
    head -n 1 "$work/tty"
}
same "Ctrl-C in a run: dies by it" "$(type_at "sampling " 1 "$demo" sampler.count=100000 \
    output.grid= output.folder=many)" "signal 2"
same "it says what was kept and how to resume" "$(grep -c \
    '^ffcl: stopped: [0-9]* of 100000 images are there; run the same command again to resume$' \
    "$work/tty")" 1
same "and that is there" "$(sed -n 's/^ffcl: stopped: \([0-9]*\) of .*/\1/p' "$work/tty")" \
    "$(find many -name '*.png' | wc -l)"
same "Ctrl-C before the first image leaves nothing" "$(type_at "plan: " 1 "$demo" \
    sampler.count=100000 output.grid= output.folder=gone) $(ls -d gone 2>&1 | grep -c 'No such')" \
    "signal 2 1"
same "Ctrl-C in report: dies by it" "$(type_at "checking " 1 report -o report.txt)" "signal 2"
same "it says what was kept, which says where it ends" "$(grep -c \
    '^ffcl: stopped: the report so far is kept and says where it ends; ' "$work/tty") $(grep -c \
    'the report ends here, in: ' report.txt)" "1 1"
same "Ctrl-C in verify: dies by it" "$(type_at "loading " 1 verify \
    "$data/demo_seed1.ref.safetensors" "$demo")" "signal 2"
same "it says that not all was compared" "$(grep -c '^ffcl: stopped: not all was compared' \
    "$work/tty")" 1
same "Ctrl-C in tune: dies by it" "$(type_at "tuning " 1 tune "$demo" blas.backend=clblast \
    --minutes 5)" "signal 2"
same "it says what was kept" "$(grep -c \
    '^ffcl: stopped: what was tried is kept; run the same command again to resume$' \
    "$work/tty")" 1
same "Ctrl-C in bench: dies by it" "$(type_at "measuring the ceilings" 1 bench gemm --quick)" \
    "signal 2"
same "bench says that it finishes a call, and then what was timed" "$(grep -c \
    '^ffcl: finishing the call under way; Ctrl-C once more stops at once, without files$' \
    "$work/tty") $(grep -c '^ffcl: stopped: [0-9]* of [0-9]* cases were timed$' "$work/tty")" "1 1"
python3 "$root/tests/npz.py" images many.npz 3000 16 16 2
"$ffcl" eval --make-network net.safetensors
same "Ctrl-C in eval: dies by it" "$(type_at "evaluating " 1 eval many.npz --inception \
    net.safetensors --save-stats stats.npz)" "signal 2"
same "it says that there is nothing, and so it is" \
    "$(grep -c '^ffcl: stopped before the evaluation was done: there are no numbers' \
    "$work/tty") $(find . -name '*stats*')" "1 "

# A file that is being written when the program dies by a signal leaves nothing behind.
# end_at PATTERN: ends $pid where there is such a file.
end_at() {
    for ((n = 0; n < 3000; n++)); do
        [ -z "$(find . -name "$1")" ] || break
        sleep 0.002
    done
    kill -TERM "$pid"
    wait "$pid"
}
"$ffcl" eval --make-network cut.safetensors 2> words &
pid=$!
end_at '.cut*'
same "a network that is being written: dies by the signal, and nothing is left" \
    "$? $(find . -name '*cut*') $(tail -n 1 words)" \
    "143  ffcl: stopped: no network was written"
mkdir tmp
TMPDIR=$work/tmp "$ffcl" tune --minutes 1 > words 2>&1 &
pid=$!
end_at 'ffcl-xl2-*'
same "the weights that tune makes up: nothing is left" "$? $(ls tmp)" "143 "

finish

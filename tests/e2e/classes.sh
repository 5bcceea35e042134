#!/bin/bash
# SPDX-License-Identifier: MIT
# Names of classes: ffcl classes, and names in [sampler] classes.
. "$(dirname "$0")/lib.sh"

works "classes" classes
same "a thousand, from 0 on" "$(wc -l < "$work/stdout") $(sed -n '1p;208p;$p' "$work/stdout" |
    sed 's/,.*//' | tr -s '\n ' ' ')" "1000  0 tench 207 golden retriever 999 toilet tissue "
works "a pattern" classes retriever
same "it finds parts of names" "$(wc -l < "$work/stdout") $(lacks "$work/stdout" \
    "207  golden retriever" "208  Labrador retriever")" "5 "
works "a whole name with *" classes 'TABBY*'
works "a synset" classes n02099601
same "it is the golden retriever" "$(cat "$work/stdout")" "207  golden retriever"
works "a number" classes 985
same "it is the daisy" "$(grep -c '^985  daisy$' "$work/stdout")" 1
works "a range" classes 984-986
same "it is three" "$(cut -c 1-3 "$work/stdout" | tr '\n' ' ')" "984 985 986 "
refuses "a range that none is in" 2 "1000-1002" "out of range (0 to 999)" -- classes 1000-1002
works "as JSON" classes --json crane
same "JSON: class and names" "$(python3 -c '
import json, sys
print([(c["class"], c["names"][0]) for c in json.load(open(sys.argv[1]))])' "$work/stdout")" \
    "[(134, 'crane'), (517, 'crane')]"
refuses "a name that is none" 2 "no class of imagenet is called tabyb; did you mean tabby (281)?" \
    -- classes tabyb
refuses "two patterns" 2 "takes one pattern" -- classes golden retriever
refuses "a number that is none" 2 "class 1001 of imagenet is out of range (0 to 999)" -- \
    classes 1001
refuses "a file that is not there" 4 gone.txt -- classes --names gone.txt

refuses "a typo" 3 "golden retreiver is not a number, a range or a name of ImageNet's classes" \
    "did you mean golden retriever (207)?" -- "$demo" "sampler.classes=golden retreiver"
refuses "a name of two classes" 3 "crane is the name of 2 classes: 134 (crane), 517 (crane)" -- \
    "$demo" sampler.classes=crane
refuses "a word among names" 3 "random stands alone" -- "$demo" "sampler.classes=tench, random"

# The demo's ten digits are not ImageNet's classes, whatever their numbers are.
need_device
refuses "names of another set of classes" 3 "names of imagenet, which has 1000 classes" \
    "has 10: give numbers, or set [sampler] class_names" -- "$demo" sampler.classes=tench \
    output.grid="$out/x.png"
printf '%s\n' '# digits' 'zero, nought' one two three four five six seven eight nine > digits.txt
works "classes of a file" classes --names digits.txt 'n*'
works "numbers" -q "$demo" sampler.classes=0,7,9,3-5 sampler.count=6 output.grid=numbers.png
works "names" -q "$demo" sampler.class_names=digits.txt sampler.count=6 output.grid=names.png \
    "sampler.classes=Nought, seven, nine, 3, fo?r, five"
check "names are numbers" cmp numbers.png names.png
printf 'Nought\nseven, nine\n3-5' > list.txt
works "names in a file of labels, given before the names" -q "$demo" \
    sampler.classes=file:list.txt sampler.class_names=digits.txt sampler.count=6 \
    output.grid=listed.png
check "the same image" cmp numbers.png listed.png
works "a folder by numbers" -q "$demo" sampler.classes=0-1 sampler.count=2 output.folder=set
works "the same by names resumes" "$demo" sampler.classes=zero,one sampler.count=2 \
    output.folder=set sampler.class_names=digits.txt
head -n 9 digits.txt > nine.txt
refuses "names of too few classes" 3 "nine.txt, which has 8 classes" "has 10" -- "$demo" \
    sampler.class_names=nine.txt sampler.classes=one output.grid="$out/x.png"
refuses "names that no label needs, whose file is not there" 4 "cannot open gone.txt" -- "$demo" \
    sampler.class_names=gone.txt sampler.classes=1 output.grid="$out/x.png"

finish

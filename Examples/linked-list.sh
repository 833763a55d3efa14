#!/usr/bin/env bash
# A sorted list: `cd -P next` goes on, copying a symbolic link cuts out. Editors on two mounts take
# an element out and put one in, as one transaction; a walk in a transaction finds the list whole.
# What is single-quoted here is expanded later.
# shellcheck disable=SC2016
# shellcheck source=lib/setup.bash
source "$(dirname "${BASH_SOURCE[0]}")/lib/setup.bash"

edits=10

# The first element, which names/list leads to, has no value. The last one has no next: looking
# for that first would be too early, outside of a transaction.
walk() {
    cd -P names/list
    while cd -P next 2>/dev/null; do
        echo "$(<value)"
    done
}

# seek VALUE: goes to the last element with a smaller one.
seek() {
    cd -P "$RAINBOW/names/list"
    while [[ -e next ]] && (($(<next/value) < $1)); do
        cd -P next
    done
}

remove() {
    seek "$1"
    ln -sfn "$(readlink next/next)" next
}

insert() {
    local new
    new=$(rainbowfs new "$RAINBOW/regions/transactional/app" Element value="$1")
    seek "$1"
    ln -sfn "$(readlink next)" "$RAINBOW/$new/next"
    ln -sfn "../${new##*/}" next
}

# replace OLD NEW: the note stays outside of the mount, whatever becomes of the transaction.
replace() {
    echo >>"$attempts"
    remove "$1"
    insert "$2"
    echo "$1 $2"
}
export -f walk seek remove insert replace

# editor NUMBER MOUNT VALUE...: replaces one of these values, which are its own, again and again.
editor() {
    local number=$1 own=("${@:3}") i which new
    cd "$scratch/$2"
    export attempts=$scratch/attempts.$number
    RANDOM=$number
    for ((i = 0; i < edits; i++)); do
        which=$((RANDOM % ${#own[@]})) new=$((1 + RANDOM % 9))$i$number
        rainbowfs atomic -- bash -e -c "replace ${own[which]} $new"
        own[which]=$new
    done >"$scratch/edits.$number"
}

# reader COMMAND...: walks again and again with this command before it, a line each time.
reader() {
    while :; do
        "$@" bash -c walk | paste -s -d ' '
        [[ -e $scratch/working ]] || break
    done
}

mount_space chain one
mount_space chain two
cd "$scratch/one"
printf 'align 64\nref<Element> next\nint64 value\n' >classes/Element # A line each.
mkdir regions/transactional/app
ln -s "../$(rainbowfs new regions/transactional/app Element)" names/list
RAINBOW=$PWD
for value in 14 11 16 13 15 12; do
    insert "$value"
done
cd "$RAINBOW"
unset RAINBOW
expect "what was put in comes out sorted" "11 12 13 14 15 16" "$(bash -c walk | paste -s -d ' ')"

touch "$scratch/working"
start reader rainbowfs atomic -- >"$scratch/walks.atomic"
start reader env >"$scratch/walks.env"
start editor 1 one 11 12 13
editors=($!)
start editor 2 two 14 15 16
editors+=($!)
join "${editors[@]}"
rm "$scratch/working"
join

# A good walk has six elements, each larger than the one before it.
good() {
    awk '{ good = NF == 6; for (i = 2; i <= NF; i++) good = good && $i > $(i - 1); sum += good }
        END { print sum + 0 }' "$1"
}
for number in 1 2; do
    echo "editor $number|$(wc -l <"$scratch/edits.$number")|$(wc -l <"$scratch/attempts.$number")|"
done >"$scratch/rows"
for way in atomic env; do
    walks=$(wc -l <"$scratch/walks.$way")
    echo "walks, $way|$walks|$walks|$((walks - $(good "$scratch/walks.$way")))"
done >>"$scratch/rows"
table 'who|done|attempts|wrong' <"$scratch/rows"

expect "every walk in a transaction found six elements in order" \
    "$(wc -l <"$scratch/walks.atomic")" "$(good "$scratch/walks.atomic")"
expect "the list holds what the edits left" \
    "$({
        seq 11 16
        cut -d ' ' -f 2 "$scratch"/edits.*
        cut -d ' ' -f 1 "$scratch"/edits.*
    } | sort -n | uniq -u)" "$(bash -c walk)"

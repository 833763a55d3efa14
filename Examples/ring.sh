#!/usr/bin/env bash
# A ring of objects: references set and followed as symbolic links, by name, by hand and by find.
# shellcheck source=lib/setup.bash
source "$(dirname "${BASH_SOURCE[0]}")/lib/setup.bash"

mount_space ring mount
cd "$scratch/mount"
printf 'ref<Station> next\nstring name[16]\n' >classes/Station
mkdir regions/transactional/line
names=(north east south west)
declare -A path
for name in "${names[@]}"; do
    path[$name]=$(rainbowfs new regions/transactional/line Station name="$name")
    ln -s "../${path[$name]}" "names/$name"
done
for i in 0 1 2 3; do
    ln -sfn "../${path[${names[(i + 1) % 4]}]#objects/}" "${path[${names[i]}]}/next"
done

walk() {
    local at=names/north round=''
    for ((i = 0; i < $1; i++)); do
        round+="$(rainbowfs get "$at" name) "
        at+=/next
    done
    echo "${round% }"
}
expect "the ring leads back to its start" "north east south west north" "$(walk 5)"
expect "find follows references and stops at the loop" 4 \
    "$(find -L names/north -maxdepth 5 -name name 2>/dev/null | wc -l)"

rm names/south/next
expect "rm sets a reference to null" null "$(rainbowfs get names/south next)"
ln -sfn "../${path[north]#objects/}" "${path[south]}/next"
expect "the ring is shorter now" "north east south north" "$(walk 4)"

if ln -sfn ../../classes/Station "${path[west]}/next" 2>/dev/null; then
    echo "WRONG: a reference took something that is no object" >&2
    exit 1
fi
expect "what a reference refuses leaves it as it was" "${path[north]}" \
    "$(rainbowfs get names/west next)"
echo "The mount says: $(tail -n 1 messages)"

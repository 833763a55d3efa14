#!/usr/bin/env bash
# Shells count together in one file: read the number, think, write the next one. Two that read the
# same number lose one update. A lock helps; `rainbowfs atomic` helps without naming what to lock.
# shellcheck source=lib/setup.bash
source "$(dirname "${BASH_SOURCE[0]}")/lib/setup.bash"

shells=4 steps=10

increment() {
    read -r count <names/counter/count
    sleep 0.005
    echo $((count + 1)) >names/counter/count
}
export -f increment

count() {
    local i
    for ((i = 0; i < steps; i++)); do
        "$@" bash -c increment
    done
}

# experiment NAME COMMAND...: all shells count, each time with this command before it.
experiment() {
    local name=$1 i count begin=${EPOCHREALTIME/./}
    echo 0 >names/counter/count
    for ((i = 0; i < shells; i++)); do
        start count "${@:2}"
    done
    join
    count=$(<names/counter/count)
    lost[$name]=$((shells * steps - count))
    echo "$name|$((shells * steps))|$count|${lost[$name]}|$(((${EPOCHREALTIME/./} - begin) / 1000))"
}

mount_space counting mount
cd "$scratch/mount"
echo 'int64 count' >classes/Counter
mkdir regions/transactional/app
ln -s "../$(rainbowfs new regions/transactional/app Counter)" names/counter

declare -A lost
{
    experiment nothing env
    experiment flock flock "$scratch/lock"
    experiment atomic rainbowfs atomic --
} >"$scratch/rows"
table 'guarded by|updates|counted|lost|milliseconds' <"$scratch/rows"

expect "without a guard, updates are lost" 1 $((lost[nothing] > 0))
expect "with flock nothing is lost" 0 "${lost[flock]}"
expect "with rainbowfs atomic nothing is lost" 0 "${lost[atomic]}"

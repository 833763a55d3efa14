#!/usr/bin/env bash
# Two counters, each counted by a shell of its own. Neighbours in a line of 64 bytes make
# transactions conflict though they share no value; those in two lines of a page do not, which
# `metrics` counts: comparing pages would have made them fail. `align 64` in the text of a class
# gives each object lines of its own.
# shellcheck source=lib/setup.bash
source "$(dirname "${BASH_SOURCE[0]}")/lib/setup.bash"

rounds=10

# increment PATH, of a counter.
increment() {
    local count
    read -r count <"$1/count"
    echo $((count + 1)) >"$1/count"
}
export -f increment

# overlap COUNTER COUNTER: two transactions at a time, side by side; prints how many of them failed.
overlap() {
    local i conflicts=0
    mkdir transactions/left transactions/right
    for ((i = 0; i < rounds; i++)); do
        increment "transactions/left/$1"
        increment "transactions/right/$2"
        echo commit >transactions/left/control
        if ! { echo commit >transactions/right/control; } 2>/dev/null; then
            conflicts=$((conflicts + 1))
            echo restart >transactions/right/control
            increment "transactions/right/$2"
            echo commit >transactions/right/control
        fi
        echo restart >transactions/left/control
        echo restart >transactions/right/control
    done
    rmdir transactions/left transactions/right
    echo "$conflicts"
}

# avoided: the conflicts so far that only comparing whole pages would have found.
avoided() {
    awk '/^rainbowfs_conflicts_total.*"false_sharing_avoided"/ { n += $2 } END { print n }' metrics
}

# count COUNTER MOUNT NOTES: as fast as it can; a line of the notes is an attempt.
count() {
    cd "$scratch/$2"
    local i
    for ((i = 0; i < rounds; i++)); do
        rainbowfs atomic -- bash -c "echo >>$3; increment $1"
    done
}

mount_space lines one
mount_space lines two
cd "$scratch/one"
echo 'int64 count' >classes/Counter
printf 'align 64\nint64 count\n' >classes/Aligned
mkdir regions/transactional/app
mapfile -t counters < <(rainbowfs new regions/transactional/app Counter -n 600)
mapfile -t aligned < <(rainbowfs new regions/transactional/app Aligned -n 2)

for pair in "${counters[0]} ${counters[0]}" "${counters[0]} ${counters[1]}" \
    "${aligned[*]}" "${counters[0]} ${counters[8]}" "${counters[0]} ${counters[500]}"; do
    read -r mine other <<<"$pair"
    apart=$((${other#objects/} - ${mine#objects/})) # A path has the address.
    if [[ $other == "$mine" ]]; then
        place='one counter' wanted="$rounds 0" each=$((4 * rounds))
    elif [[ $mine == "${aligned[0]}" ]]; then
        place='one page, align 64' wanted="0 $rounds" each=$((2 * rounds))
    elif ((${other#objects/} >> 6 == ${mine#objects/} >> 6)); then
        place='one line' wanted="$rounds 0" each=$((2 * rounds))
    elif ((${other#objects/} >> 12 == ${mine#objects/} >> 12)); then
        place='two lines of a page' wanted="0 $rounds" each=$((2 * rounds))
    else
        place='two pages' wanted='0 0' each=$((2 * rounds))
    fi

    echo 0 | tee "$mine/count" >"$other/count"
    before=$(avoided)
    failed=$(overlap "$mine" "$other")
    more=$(($(avoided) - before))
    : >"$scratch/attempts"
    start count "$mine" one "$scratch/attempts"
    start count "$other" two "$scratch/attempts"
    join
    again=$(($(wc -l <"$scratch/attempts") - 2 * rounds))
    echo "$place|$apart|$failed|$((failed + more))|$again" >>"$scratch/rows"

    expect "$place: conflicts, and those that lines avoid" "$wanted" "$failed $more"
    ((failed > 0)) || expect "$place: transactions of two shells that ran again" 0 "$again"
    expect "$place: nothing is lost" "$each $each" "$(<"$mine/count") $(<"$other/count")"
done
table "counters in|bytes apart|$rounds overlaps: failed|if by pages|two shells: run again" <"$scratch/rows"

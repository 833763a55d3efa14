#!/usr/bin/env bash
# Five philosophers with a fork between each two, and no deadlock: a transaction takes both forks or
# none, and who finds one of them in use sleeps until `rainbowfs watch` tells of a commit to either.
# What is single-quoted here is expanded later.
# shellcheck disable=SC2016
# shellcheck source=lib/setup.bash
source "$(dirname "${BASH_SOURCE[0]}")/lib/setup.bash"

names=(plato laozi hypatia kant arendt)
meals=4 # Of each.

# take NUMBER, in a transaction: ends with 1 if a fork is in use, and so takes none.
take() {
    for fork in left right; do
        (($(<$fork/user) == 0)) || exit 1
        echo "$1" >$fork/user
    done
}

# give, in a transaction.
give() {
    echo 0 >left/user
    echo 0 >right/user
    echo $(($(<meals) + 1)) >meals
}
export -f take give

# philosopher NUMBER
philosopher() {
    local name=${names[$1 - 1]} waits=0 i
    cd "$scratch/mount/names"
    exec {news}< <(rainbowfs watch --initial --timeout 600 "$name/left" "$name/right")
    read -r <&"$news" # It listens.
    for ((i = 0; i < meals; i++)); do
        until rainbowfs atomic -C "$name" -- bash -c "take $1"; do
            (($? == 1)) # Anything else ends this shell.
            read -r <&"$news"
            waits=$((waits + 1))
        done
        sleep 0.01 # Eats.
        rainbowfs atomic -C "$name" -- bash -c give
        sleep 0.01 # Thinks.
    done
    echo "$name|$(<"$name/meals")|$waits" >"$scratch/row.$1"
}

# look: prints who uses the forks, again and again, each time at one version.
look() {
    cd "$scratch/mount"
    while :; do
        rainbowfs atomic -- bash -c 'cat names/*/left/user' | paste -s -d ' '
        [[ -e $scratch/eating ]] || break
    done
}

mount_space table mount
cd "$scratch/mount"
printf 'align 64\nint64 user\n' >classes/Fork # A line each: only who shares a fork conflicts.
printf 'align 64\nref<Fork> left\nref<Fork> right\nint64 meals\n' >classes/Philosopher
mkdir regions/transactional/table
mapfile -t forks < <(rainbowfs new regions/transactional/table Fork -n 5)
for i in 0 1 2 3 4; do
    philosopher=$(rainbowfs new regions/transactional/table Philosopher \
        left="${forks[i]}" right="${forks[(i + 1) % 5]}")
    ln -s "../$philosopher" "names/${names[i]}"
done

touch "$scratch/eating"
start look >"$scratch/looks"
philosophers=()
for number in 1 2 3 4 5; do
    start philosopher $number
    philosophers+=($!)
done
join "${philosophers[@]}"
rm "$scratch/eating"
join
table 'philosopher|meals|waits' < <(cat "$scratch"/row.*)

expect "everybody ate" "$meals" "$(cat names/*/meals | sort -u)"
expect "all forks are free" 0 "$(cat names/*/left/user | sort -u)"
expect "nobody was ever seen with one fork, nor with three" "" "$(awk '
    { delete forks; for (i = 1; i <= 5; i++) forks[$i]++ }
    { for (user in forks) if (user != 0 && forks[user] != 2) print }' "$scratch/looks")"
awk '{ n = 0; for (i = 1; i <= 5; i++) n += $i > 0; seen[n / 2]++ }
    END { for (n = 0; n <= 2; n++) printf "%d at once were seen eating %d times.\n", n, seen[n] }' \
    "$scratch/looks"

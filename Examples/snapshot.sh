#!/usr/bin/env bash
# A backup of a bank at full speed: two shells move money, each transfer a transaction, as fast as
# they can. tar of a snapshot always has all the money; tar of the bank itself rarely has.
# shellcheck source=lib/setup.bash
source "$(dirname "${BASH_SOURCE[0]}")/lib/setup.bash"

accounts=40 total=4000

# mover NUMBER MOUNT: restarts one transaction again and again, so that no program is called.
mover() {
    cd "$scratch/$2"
    mkdir "transactions/mover$1"
    cd "transactions/mover$1"
    RANDOM=$1
    local from to amount there here
    while [[ -e $scratch/working ]]; do
        from=names/$((RANDOM % accounts))/balance to=names/$((RANDOM % accounts))/balance
        [[ $from != "$to" ]] || continue
        amount=$((RANDOM % 100))
        read -r there <"$from"
        read -r here <"$to"
        echo $((there - amount)) >"$from"
        echo $((here + amount)) >"$to"
        { echo commit >control; } 2>/dev/null || true # Another shell was faster.
        echo restart >control
    done
    cd ../..
    rmdir "transactions/mover$1"
}

# backup FOLDER FILE: a tar of all balances, following the links of names/.
backup() {
    (cd "$1" && tar -chf "$2" names/*/balance)
}

version() { sed -n 's/^rainbowfs_version //p' metrics; }

add_up() { awk '{ sum += $1 } END { print sum }'; }

mount_space bank one
mount_space bank two
cd "$scratch/one"
printf 'align 64\nint64 balance\nstring owner[48]\n' >classes/Account
mkdir regions/transactional/bank
account=0
for path in $(rainbowfs new regions/transactional/bank Account balance=100 -n "$accounts"); do
    ln -s "../$path" "names/$((account++))"
done

touch "$scratch/working"
start mover 1 one
start mover 2 two
for day in mon tue wed thu fri; do
    mkdir "snapshots/$day"
    backup "snapshots/$day" "$scratch/$day.tar"
    backup . "$scratch/live.tar" 2>/dev/null || (($? == 1)) # "file changed as we read it"
    backup "snapshots/$day" "$scratch/again.tar"
    cmp "$scratch/$day.tar" "$scratch/again.tar"
    taken=$(getfattr --only-values -n user.rainbow.version "snapshots/$day")
    until now=$(version) && ((now > taken)); do sleep 0.01; done
    sum=$(tar -xOf "$scratch/$day.tar" | add_up)
    echo "$day|$taken|$((now - taken))|$sum|$(tar -xOf "$scratch/live.tar" | add_up)"
done >"$scratch/rows"
rm "$scratch/working"
join
table 'snapshot|version|commits since|sum of its tar|sum of a tar of the bank' <"$scratch/rows"

expect "the bank never stood still" 5 "$(awk -F '|' '$3 > 0' "$scratch/rows" | wc -l)"
expect "the sum of each snapshot's tar" "$total" "$(cut -d '|' -f 4 "$scratch/rows" | sort -u)"
expect "monday is still what it was" "$total" "$(cat snapshots/mon/names/*/balance | add_up)"
expect "no money was lost in the bank" "$total" "$(cat names/*/balance | add_up)"
rmdir snapshots/*

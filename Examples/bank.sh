#!/usr/bin/env bash
# A bank and its tellers, shells on two mounts. `rainbowfs atomic` makes what a transfer reads and
# writes one transaction: audits find all the money, and what tellers noted explains each balance.
# shellcheck source=lib/setup.bash
source "$(dirname "${BASH_SOURCE[0]}")/lib/setup.bash"

owners=(ada bob cleo dan eve)
transfers=20

# transfer FROM TO AMOUNT, in a transaction: without the money it ends with 1, which undoes it all.
transfer() {
    echo >>"$attempts" # Outside of the mount: this stays, whatever becomes of the transaction.
    read -r from <"names/$1/balance"
    read -r to <"names/$2/balance"
    echo $((to + $3)) >"names/$2/balance"
    ((from >= $3)) || exit 1
    echo $((from - $3)) >"names/$1/balance"
    echo "$1 $2 $3"
}
export -f transfer

# teller NUMBER MOUNT: what a transfer prints appears once, when it is committed.
teller() {
    cd "$scratch/$2"
    export attempts=$scratch/attempts.$1
    RANDOM=$1
    local i from to
    for ((i = 0; i < transfers; i++)); do
        from=$((RANDOM % 5)) to=$(((from + 1 + RANDOM % 4) % 5))
        rainbowfs atomic -- bash -c "transfer ${owners[from]} ${owners[to]} $((RANDOM % 80))" ||
            (($? == 1)) # Refused. Anything else ends this shell.
    done >"$scratch/ledger.$1"
}

add_up() { awk '{ sum += $1 } END { print sum }'; }

# auditor COMMAND...: adds all balances up again and again, with this command before it.
auditor() {
    while :; do
        "$@" bash -c 'cat names/*/balance' | add_up
        [[ -e $scratch/working ]] || break
    done
}

mount_space bank one
mount_space bank two
cd "$scratch/two"
printf 'align 64\nint64 balance\nstring owner[48]\n' >classes/Account
mkdir regions/transactional/bank
for owner in "${owners[@]}"; do
    account=$(rainbowfs new regions/transactional/bank Account balance=100 owner="$owner")
    ln -s "../$account" "names/$owner"
done

touch "$scratch/working"
start auditor rainbowfs atomic -- >"$scratch/audits"
start auditor env >"$scratch/glances"
tellers=()
for teller in 1 2 3 4; do
    mount=one
    ((teller < 3)) || mount=two
    start teller $teller $mount
    tellers+=($!)
done
join "${tellers[@]}"
rm "$scratch/working"
join

for teller in 1 2 3 4; do
    done=$(wc -l <"$scratch/ledger.$teller")
    tried=$(wc -l <"$scratch/attempts.$teller")
    echo "$teller|$done|$((transfers - done))|$((tried - transfers))"
done | table 'teller|transfers|refused|run again'

expect "the money at the end" 500 "$(cat names/*/balance | add_up)"
expect "the balances below zero" "" "$(grep -hx -e '-.*' names/*/balance || true)"
expect "every audit in a transaction" 500 "$(sort -u "$scratch/audits")"
expect "each balance is what the tellers noted" \
    "$(awk -v owners="${owners[*]}" '
        { change[$1] -= $3; change[$2] += $3 }
        END { n = split(owners, o, " "); for (i = 1; i <= n; i++) print o[i], 100 + change[o[i]] }
    ' "$scratch"/ledger.*)" \
    "$(for owner in "${owners[@]}"; do echo "$owner $(<"names/$owner/balance")"; done)"
wrong=$(grep -cvx 500 "$scratch/glances" || true)
echo "$(wc -l <"$scratch/audits") audits were transactions."
echo "Of $(wc -l <"$scratch/glances") that were not, $wrong found a wrong sum."

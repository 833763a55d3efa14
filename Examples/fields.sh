#!/usr/bin/env bash
# A bank in one object: the writer moves money with commands of several fields, each of them one
# transaction; a reader on another mount adds all balances up from single reads: no money is lost.
# shellcheck source=lib/setup.bash
source "$(dirname "${BASH_SOURCE[0]}")/lib/setup.bash"

mount_space bank writer
mount_space bank reader

cd "$scratch/writer"
echo 'int64 balances[8]' >classes/Bank
mkdir regions/transactional/bank
bank=$(rainbowfs new regions/transactional/bank Bank balances=100,100,100,100,100,100,100,100)
ln -s "../$bank" names/bank
expect "the bank opens with 800" 800 "$(awk '{ sum += $1 } END { print sum }' names/bank/balances)"

touch "$scratch/working"
(
    while :; do
        awk '{ sum += $1 } END { print sum }' "$scratch/reader/names/bank/balances"
        [[ -e $scratch/working ]] || break
    done
) >"$scratch/sums" &
reader=$!

for ((i = 0; i < 200; i++)); do
    mapfile -t balances <names/bank/balances
    from=$((RANDOM % 8)) to=$((RANDOM % 8)) amount=$((RANDOM % 50))
    ((from != to)) || continue
    echo "set names/bank balances[$from]=$((balances[from] - amount))" \
        "balances[$to]=$((balances[to] + amount))" >control
done
rm "$scratch/working"
wait "$reader"

expect "every sum that was read on the other mount" 800 "$(sort -u "$scratch/sums")"
expect "the sum at the end" 800 "$(awk '{ sum += $1 } END { print sum }' names/bank/balances)"
echo "$(wc -l <"$scratch/sums") sums were read while 200 transfers ran."

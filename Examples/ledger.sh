#!/usr/bin/env bash
# A program that links RainbowCore works on the space beside a mount: see Ledger/Ledger.swift.
# shellcheck source=lib/setup.bash
source "$(dirname "${BASH_SOURCE[0]}")/lib/setup.bash"

mount_space ledger mount
cd "$scratch/mount"
echo 'int64 balance' >classes/Account
mkdir regions/transactional/bank
for name in alice bob; do
    ln -s "../$(rainbowfs new regions/transactional/bank Account balance=100)" "names/$name"
done

ledger=$(dirname "$program")/ledger
expect "the program moves money" "alice has 70 left." "$("$ledger" ledger alice bob 30)"
expect "the mount shows it at once" "70 130" "$(<names/alice/balance) $(<names/bob/balance)"
echo 200 >names/alice/balance
expect "and the other way round" "alice has 150 left." "$("$ledger" ledger alice bob 50)"
expect "what it refuses changes nothing" "Nothing was moved: alice has too little." \
    "$("$ledger" ledger alice bob 1000)"
expect "no money was lost" 330 "$(($(<names/alice/balance) + $(<names/bob/balance)))"

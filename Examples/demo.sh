#!/usr/bin/env bash
# What RainbowFS is, in a minute: a space, its tree, and two mounts of it at once.
# What is single-quoted here is expanded later, or not at all.
# shellcheck disable=SC2016,SC2164
# shellcheck source=lib/setup.bash
source "$(dirname "${BASH_SOURCE[0]}")/lib/setup.bash"

# Shows a command as typed, and runs it.
run() {
    printf '\n\033[1m$ %s\033[0m\n' "$*"
    eval "$*"
}
[[ -t 1 ]] || run() {
    printf '\n$ %s\n' "$*"
    eval "$*"
}

cd "$scratch"
run mkdir one two
run rainbowfs demo one
run rainbowfs demo two
run cd one
run "printf 'int64 balance\nref<Account> heir\n' > classes/Account"
run mkdir regions/transactional/bank
run 'a=$(rainbowfs new regions/transactional/bank Account balance=100)'
run 'b=$(rainbowfs new regions/transactional/bank Account balance=7)'
run 'ln -s ../$a names/alice && ln -s ../$b names/bob'
run 'ln -sfn ../${b##*/} names/alice/heir'
run ls . regions/transactional/bank
run ls -l names '$a/'
run cat names/alice/heir/balance
run 'od -A x -t x1z $a/raw'

printf '\nThe same space through the other mount, at once:\n'
run cd ../two
run 'echo 93 > names/alice/balance'
run cat ../one/names/alice/balance
run rainbowfs set names/alice balance=50 heir=null
run rainbowfs get ../one/names/alice

printf '\nWhat is wrong is refused, with a reason:\n'
run 'echo many 2>/dev/null > names/alice/balance || tail -n 1 messages'

printf '\nThe space outlives its mounts:\n'
run cd ..
run fusermount3 -u one
run fusermount3 -u two
until [[ $(rainbowfs ls --json) == *'"live_nodes": 0'* ]]; do sleep 0.02; done
run rainbowfs ls
run rainbowfs fsck demo
run rainbowfs destroy demo

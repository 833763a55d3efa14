#!/usr/bin/env bash
# Two mounts of one space: what one writes the other reads; tar and rsync copy it; one is killed and
# the other goes on.
# shellcheck source=lib/setup.bash
source "$(dirname "${BASH_SOURCE[0]}")/lib/setup.bash"

mount_space shared one
mount_space shared two
cd "$scratch"

printf 'int64 count\nstring label[32]\n' >one/classes/Counter
mkdir one/regions/transactional/app
counter=$(rainbowfs new -m one regions/transactional/app Counter label='two words')
ln -s "../$counter" two/names/counter
for ((i = 1; i <= 50; i++)); do
    echo "$i" >one/names/counter/count
    [[ $(<two/names/counter/count) == "$i" ]] || expect "count $i" "$i" "$(<two/names/counter/count)"
done
expect "fifty writes were read through the other mount at once" 50 "$(<two/names/counter/count)"
expect "a value with a blank" "two words" "$(rainbowfs get two/names/counter label)"

mkdir copy
tar -C "one/$counter" -cf - count label | tar -C copy -xf -
expect "tar copies fields" 50 "$(<copy/count)"
rsync --archive --whole-file --inplace "two/$counter/count" copy/again
expect "rsync copies fields" 50 "$(<copy/again)"
raw=$(readlink -f "one/$counter/raw")
expect "the raw file ends in the padded label" "two words" \
    "$(tail -c 32 "$raw" | xxd -p -c 32 | xxd -r -p | tr -d '\0')"
expect "an object tells its class" Counter \
    "$(getfattr --only-values -n user.rainbow.class "one/$counter")"

for node in two/nodes/*; do
    ! grep -q '^mount point: .*/one$' "$node" || pid=$(sed -n 's/^pid: //p' "$node")
done
kill -KILL "$pid"
echo 51 >two/names/counter/count
expect "the other mount goes on after kill -9" 51 "$(<two/names/counter/count)"
fusermount3 -uz one
rainbowfs shared one
expect "mounted again, everything is there" 51 "$(<one/names/counter/count)"

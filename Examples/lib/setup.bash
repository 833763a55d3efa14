# Read by the examples: a folder of their own for spaces and mounts, and its removal at the end.
# RAINBOWFS names the program; without it, the one that `make build` makes.
# shellcheck shell=bash
set -euo pipefail
shopt -s inherit_errexit

# What is printed and compared is the same for every user.
export LC_ALL=C.UTF-8
unset CDPATH LANGUAGE
umask 022

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
program=$(realpath "${RAINBOWFS:-$here/.build/release/rainbowfs}")
if [[ ! -x $program ]]; then
    echo "There is no $program; 'make build' makes it." >&2
    exit 1
fi

scratch=$(mktemp -d)
RAINBOWFS_DIR=$(mktemp -d -p /dev/shm)
export RAINBOWFS_DIR
mkdir "$scratch/bin"
ln -s "$program" "$scratch/bin/rainbowfs"
PATH=$scratch/bin:$PATH

started=()
clean_up() {
    trap '' INT TERM HUP # Ctrl-C again must not stop it half-way.
    cd /
    local mount process
    for process in "${started[@]}"; do
        kill -- "-$process" 2>/dev/null && wait "$process" 2>/dev/null || true
    done
    for mount in "$scratch"/*/; do
        if mountpoint -q "$mount" 2>/dev/null || [[ ! -e $mount ]]; then
            fusermount3 -u "$mount" 2>/dev/null || fusermount3 -uz "$mount" || true
        fi
    done
    rm -rf --one-file-system "$scratch" "$RAINBOWFS_DIR"
}
trap clean_up EXIT

# mount_space SPACE FOLDER: mounts below the scratch folder.
mount_space() {
    mkdir -p "$scratch/$2"
    rainbowfs "$1" "$scratch/$2"
}

# start COMMAND...: runs it beside the example as process $!, in a group of its own.
start() {
    set -m
    "$@" </dev/null &
    started+=($!)
    set +m
}

# join PROCESS...: waits for these, which must succeed; without any, for all that was started.
join() {
    local process
    if (($# == 0)); then
        join "${started[@]}"
        started=()
    fi
    for process; do
        if ! wait "$process"; then
            echo "WRONG: a shell that ran beside the example failed." >&2
            exit 1
        fi
    done
}

# table HEADER: shows the lines of standard input below it, with columns where a | is.
table() {
    echo
    { echo "$1" && cat; } | column --table --separator '|'
    echo
}

# expect WHAT WANTED GOT: ends the example when the two differ.
expect() {
    if [[ $2 != "$3" ]]; then
        printf 'WRONG: %s\n  wanted: %s\n  got:    %s\n' "$1" "$2" "$3" >&2
        exit 1
    fi
    printf 'right: %s\n' "$1"
}

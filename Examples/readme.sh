#!/usr/bin/env bash
# Runs the session of README.md as a reader would paste it, and compares what it prints.
# What is single-quoted here is expanded later, or not at all.
# shellcheck disable=SC2016
# shellcheck source=lib/setup.bash
source "$(dirname "${BASH_SOURCE[0]}")/lib/setup.bash"

session=$(sed -n '/^```console$/,/^```$/p' "$here/README.md" | sed '/^```/d')
commands=$(sed -n 's/^\$ //p' <<<"$session")
wanted=$(sed '/^\$ /d' <<<"$session")
cd "$scratch"
got=$(bash -e <<<"$commands")
expect "the session of README.md prints what it says" "$wanted" "$got"

#!/bin/bash
# Checks the models of the commit protocol, of old versions and of the cluster: every configuration must be searched to
# the end without an error. With --mutants: every broken protocol must be found out.
# Needs spin and gcc; runs two searches at a time, each within 1.5 GB. See README.md.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# The model that `search` builds: commit, snapshot or cluster.
model=commit

# search NAME CHECK OPTION...: builds and runs one search in a folder of its own and leaves
# there the report. CHECK is safety (assertions and deadlocks) or cycles (endless runs).
search() {
    local name=$1 check=$2 kind=-DSAFETY how=
    shift 2
    mkdir "$folder/$name"
    cd "$folder/$name"
    cp "$here"/*.pml "$here"/*.inc .
    if [ "$check" = cycles ]; then
        kind=-DNP
        how=-l
    fi
    spin "$@" -a $model.pml
    gcc -O2 -w $kind -DCOLLAPSE -DVECTORSZ=512 -DMEMLIM=1500 -o pan pan.c
    ./pan -m100000 $how >report 2>&1 || true
    rm -f pan pan.? $model.pml.trail
}

# holds NAME CHECK OPTION...: the protocol keeps its promises in this configuration.
holds() {
    search "$@"
    local states depth errors
    states=$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' report)
    depth=$(sed -n 's/.*depth reached \([0-9]*\),.*/\1/p' report)
    errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' report)
    printf '%-12s %-7s %9s states, depth %4s, errors %s\n' \
        "$1" "$2" "${states:-?}" "${depth:-?}" "${errors:-?}"
    if [ "$errors" != 0 ] ||
        grep -Eq 'Search not completed|max search depth|out of memory' report; then
        cat report
        touch failed
    fi
}

# caught MUTANT OPTION...: spin finds an error in the broken protocol.
caught() {
    local mutant=$1 found
    shift
    search "$mutant" safety "-DMUTANT_$mutant" "$@"
    found=$(sed -n 's/^pan:[0-9]*: \(.*\) (at depth.*/\1/p' report | head -n 1)
    printf '%-28s %s\n' "$mutant" "${found:-NOT FOUND}"
    if [ -z "$found" ]; then touch failed; fi
}

# two COMMAND ARGUMENT...: starts it as soon as fewer than two are running.
running=0
two() {
    if [ "$running" = 2 ]; then
        wait -n || true
        running=1
    fi
    ("$@") &
    running=$((running + 1))
}

checkProtocol() {
    two holds bank safety -DCONSERVED -DWORKERS=3 -DKILLS=1
    two holds takeover safety -DCONSERVED -DKIND2=AUDIT -DKIND4=LEFT -DKILLS=2 -DATTACHES
    two holds attach safety -DCONSERVED -DKILLS=1 -DATTACHES -DGIVES_BACK
    two holds give-back safety -DCONSERVED -DGIVES_BACK -DKIND2=LEFT -DKILLS=2
    two holds skew safety -DSKEWED -DKIND1=SKEW0 -DKIND2=SKEW1 -DKILLS=1 -DATTACHES
    two holds skew-read safety -DSKEWED -DWORKERS=3 -DKIND1=SKEW0 -DKIND2=SKEW1 -DKILLS=1
    two holds blind safety -DCONSERVED -DWORKERS=3 -DKIND2=RESET -DKILLS=1
    two holds lines safety -DCONSERVED -DLINES=3 -DWORKERS=3 -DKIND2=NEXT
    two holds serial safety -DCONSERVED -DPATIENCE=0 -DKILLS=2 -DATTACHES
    two holds starvation safety -DKIND1=TICK0 -DTIMES=6 -DKIND2=SKEW1 -DKILLS=1
    two holds ring safety -DCONSUMER -DKIND1=TICK0 -DKIND2=TICK1 -DTIMES=2 -DRING=1 -DKILLS=1
    two holds ring-abort safety -DCONSUMER -DKIND1=SKEW0 -DKIND2=SKEW1 -DKILLS=1
    two holds cache safety -DCONSUMER -DCACHE -DKIND1=TICK0 -DKIND2=TICK1 -DRING=1 -DKILLS=1
    two holds ends cycles -DKIND1=SKEW0 -DKIND2=SKEW1 -DKILLS=1
    model=snapshot
    two holds old-crash safety -DWRITES1=3 -DKILLS=1
    two holds old-sweep safety $sweep
    two holds old-recycle safety $recycle
    two holds old-short safety $short
    two holds old-given safety $given
    two holds old-chains safety $chains
    two holds old-pair safety -DCOMMITS1=1 -DWRITES2=2
    two holds old-guest safety $guest
    two holds old-relief safety -DRELIEVES -DFRESH=2
    two holds old-room safety $room -DKILLS=1
    two holds old-room2 safety $room -DTAKES2=1 -DREADS2=1
    model=cluster
    two holds log-late safety -DBOUND=3 -DLATE=2
    two holds log-kill safety -DKILLS=1 -DLATE=1 -DWINDOW=1
    two holds log-careless safety -DCARELESS -DKILLS=1 -DLATE=1
    two holds log-fence safety -DENDS=1 -DLATE=1
    two holds log-claims safety -DCLAIMS=1 -DENDS=1
    two holds log-parts safety -DLEN=6 -DPARTS -DWINDOW=2 -DBOUND=4
    two holds log-parts2 safety -DLEN=5 -DPARTS -DWINDOW=2 -DBOUND=4 -DKILLS=1
    two holds log-strict safety -DLEN=5 -DBOUND=3 -DSTRICT=1
    two holds log-trim safety -DLEN=6 $trim
    two holds log-trim-kill safety $trim -DKILLS=1
    two holds log-trim-loss safety $trim -DLOSSES=1
}

# Configurations of the model of old versions.
sweep="-DLINES=1 -DOPENED=1 -DTAKES2=1 -DREADS1=1 -DKILLS=1 -DVICTIMS=16"
recycle="-DLINES=1 -DOPENED=1 -DTAKES2=1 -DREADS1=1 -DCOMMITS1=3"
chains="-DCHAINS=2 -DOPENED=1 -DTAKES2=1 -DREADS1=1 -DCOMMITS1=3 -DLAST1=2"
short="-DWRITES1=3 -DRECORDS=1"
given="-DWRITES1=3 -DRECORDS=1 -DCOMMITS1=1 -DOPENED=1 -DTAKES2=1 -DREADS1=0 -DREADS2=1"
room="-DMAKES_ROOM -DRECORDS=1 -DWRITES1=1 -DLAST1=2 -DOPENED=1 -DREADS1=1"
guest="-DENTRIES=1 -DTAKES1=2 -DREADS1=0 -DGUESTREADS=1"
three="-DLINES=3 -DRECORDS=1 -DOPENED=2 -DTAKES2=1 -DREADS1=0 -DLAST1=4 -DWRITES2=2"

# Configuration of the model of the cluster: a log that is soon trimmed.
trim="-DCHECKPOINTS=1 -DWINDOW=1"

checkMutants() {
    local bank="-DCONSERVED -DKIND2=AUDIT" skew="-DSKEWED -DKIND1=SKEW0 -DKIND2=SKEW1"
    local ring="-DCONSUMER -DKIND1=TICK0 -DKIND2=TICK1 -DRING=1"
    local reuse="-DCONSERVED -DKIND2=AUDIT -DKIND4=LEFT -DATTACHES"
    two caught NOT_VALIDATED $skew
    two caught UNLOCKED_FIRST $bank
    two caught TICKET_BEFORE_LOCKS $bank
    two caught WORD_NOT_READ_AGAIN $bank
    two caught EXTENDED_UNCHECKED $bank
    two caught OLD_WORD_LOGGED_LATE -DCONSERVED -DWORKERS=3 -DKILLS=1
    two caught COMMITTED_RESTORED $bank -DKILLS=1
    two caught RECOVERY_WRITES_ALL_LINES -DCONSERVED -DKILLS=1 -DATTACHES
    two caught OWNER_NOT_CHECKED_AGAIN $reuse -DKILLS=1
    two caught RECOVERER_CLEARED_FIRST $reuse -DKILLS=2
    two caught RECOVERER_WITHOUT_GENERATION $reuse -DKILLS=2
    two caught NODE_NUMBER_REUSED -DKIND1=TICK0 -DKIND2=TICK0 -DKILLS=1 -DATTACHES
    two caught LOCKS_KEPT -DCONSERVED -DKILLS=1 -DATTACHES -DGIVES_BACK
    two caught SERIAL_LEFT -DCONSERVED -DPATIENCE=0 -DKILLS=1 -DATTACHES
    two caught SERIAL_IGNORED -DKIND1=TICK0 -DTIMES=6 -DKIND2=SKEW1
    two caught TICKET_NOT_ANNOUNCED $ring
    two caught RING_WITHOUT_CLAIM $ring
    two caught GAP_CLAIMED_EARLY $ring -DTIMES=2
    two caught ENTRY_NOT_READ_AGAIN $ring
    model=snapshot
    two caught VERSION_BEFORE_PENDING
    two caught PENDING_NOT_ANNOUNCED
    two caught ENTRY_BEHIND_END
    two caught EPOCH_BEFORE_VERSION
    two caught SAVED_AFTER_COMMITTED -DKILLS=1
    two caught SAVED_BELOW_NEWEST
    two caught SWEPT_AT_FROM $sweep
    two caught SWEPT_BEFORE_UNTIL $sweep
    two caught NOT_CHECKED_AFTER $short
    two caught SEQUENCE_NOT_CHECKED $recycle
    two caught LINKED_LATE $recycle
    two caught COUNTED_LATE $recycle
    two caught CHAIN_NOT_CHECKED $chains
    two caught NOT_GIVEN_UP $short
    two caught GIVEN_UP_OVERWRITTEN $short
    two caught SWEPT_BEFORE_GIVEN_UP $room
    two caught RESET_AT_ONCE
    two caught RESET_WITHOUT_EPOCH $three
    model=cluster
    two caught ONE_LINE_COMPARED
    two caught READS_NOT_COMPARED_AGAIN
    two caught WINDOW_NOT_COMPARED -DWINDOW=1 -DKILLS=1
    two caught NUMBER_NOT_COMPARED -DCARELESS -DLATE=1 -DCLAIMS=1 -DKILLS=1
    two caught EPOCH_NOT_COMPARED -DCARELESS -DLATE=1 -DKILLS=1
    two caught ACKNOWLEDGED_AT_APPEND
    two caught PROPOSED_AGAIN_EARLY -DKILLS=1
    two caught CLAIM_IGNORED -DCLAIMS=1
    two caught CLAIM_LEFT -DCLAIMS=1 -DENDS=1
    two caught PART_NOT_ASKED_FOR -DPARTS -DWINDOW=1 -DBOUND=4
    two caught APPLIED_OVER_NEWER -DKILLS=1
    two caught STRICT_NOT_ASKED -DSTRICT=1
    two caught READ_BETWEEN_PAGES $trim -DLOSSES=1
    two caught CHECKPOINT_AFTER_PAGES $trim -DLOSSES=1
    two caught WINDOW_FORGOTTEN -DCHECKPOINTS=1 -DWINDOW=2 -DLOSSES=1
    two caught WINDOW_TRIMMED $trim -DLOSSES=1
    two caught VERDICT_NOT_TAKEN $trim -DKILLS=1
}

case "${1:-}" in
    "") checkProtocol ;;
    --mutants) checkMutants ;;
    *) echo "usage: check.sh [--mutants]" >&2; exit 2 ;;
esac
wait

# Every search has left its report, and none has failed.
for search in "$folder"/*/; do
    if [ -e "$search/failed" ] || [ ! -s "$search/report" ]; then
        echo "check.sh: failed: $(basename "$search")" >&2
        failed=yes
    fi
done
if [ -n "${failed:-}" ]; then exit 1; fi

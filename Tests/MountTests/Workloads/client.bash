# A client of the recorded histories (HistoryTests): works on the registers of a mounted space and
# notes each transaction, with the time before and after it. Stops when the file $STOP is there.
#
#   bash client.bash MOUNT LOG FIRST_VALUE SEED
#
# $OTHER is another mount of the space.
# The registers are the fields a, b, c[0] and c[1] of the objects whose addresses are in $CELLS, in
# that order. HistoryLog.swift says what the words of the log mean.
#
# rainbowfs atomic runs this script, too, with a log for each transaction: then RAINBOW is set, and
# it does the steps of one transaction and nothing else.
set -u
export LC_ALL=C

mount=$1 log=$2 first=$3 RANDOM=$4
read -ra cells <<<"$CELLS"
registers=$((${#cells[@]} * 4))
names=(a b c c)
count=0 number=0 commands=0
# So that nothing is left open when all processes of a client are gone, and errors can be looked up.
exec >>"$log" 2>>"$log.errors"

now() { time=${EPOCHREALTIME/./}; }
begin() { now; echo "begin $time"; }
end() { now; echo "end $time $1"; }
fresh() { value=$((first + ++count)); }
pick() { register=$((RANDOM % registers)); }

# file ROOT: the path of the register's field, its place in it, and its object.
file() {
    cell=${cells[register / 4]}
    path=$1/objects/$cell/${names[register % 4]}
}

# Prints the value of the register below ROOT; of an array all elements are of one version.
look() {
    local values
    file "$1"
    mapfile -t values <"$path" || return
    ((${#values[@]} > 0)) || return
    if ((register % 4 < 2)); then
        echo "read $register ${values[0]}"
    else
        local array=$((register / 4 * 4 + 2))
        echo "read $array ${values[0]} read $((array + 1)) ${values[1]}"
    fi
}

# All registers of an object, from its memory: 8 bytes of header, then the fields.
look_raw() {
    local words object=$((RANDOM % ${#cells[@]}))
    mapfile -t words < <(od -An -v -td8 -w8 "$1/regions/transactional/cells/${cells[object]}.Cell")
    ((${#words[@]} >= 5)) || return
    object=$((object * 4))
    echo "read $object ${words[1]} read $((object + 1)) ${words[2]}" \
        "read $((object + 2)) ${words[3]} read $((object + 3)) ${words[4]}"
}

# Writes a field, by > or >>, or both elements of an array in one line.
put() {
    fresh
    file "$1"
    if ((register % 4 >= 2)); then
        local array=$((register / 4 * 4 + 2))
        echo "write $array $value write $((array + 1)) $((value + 1))" "${2-}"
        echo "$value $((value + 1))" >"$path" || return
        fresh
    elif ((RANDOM % 2)); then
        echo "write $register $value" "${2-}"
        echo "$value" >"$path"
    else
        echo "write $register $value" "${2-}"
        printf %s "$value" >>"$path"
    fi
}

# Sets a field of each of two objects, or two of one, with one write to control.
put_both() {
    local one=$((RANDOM % registers / 4 * 4)) other=$((RANDOM % registers / 4 * 4 + 3))
    fresh
    echo "write $one $value write $other $((value + 1))" "${2-}"
    # While nothing is mounted here, control would be a new file of the folder below: names/ is not.
    local control=$1/names/../control text="set ${cells[one / 4]} a=$value"
    if ((one / 4 == other / 4)); then
        echo "$text c[1]=$((value + 1))" >"$control" || return
    else
        # cat passes both lines in one write, echo would not.
        cat <<<"$text"$'\n'"set ${cells[other / 4]} c[1]=$((value + 1))" >"$control" || return
    fi
    fresh
}

# A few reads and writes below a root.
steps() {
    local step last=$((RANDOM % 4 + 1))
    for ((step = 0; step < last; step++)); do
        pick
        case $((RANDOM % 8)) in
            0 | 1 | 2) look "$1" || return ;;
            3) look_raw "$1" || return ;;
            4) put_both "$1" || return ;;
            5) put "$1" || return ;;
            *) look "$1" && put "$1" || return ;;
        esac
    done
}

# Ends a transaction of one operation; what failed to write may yet be done.
single() {
    if "$@"; then end committed; else
        end unknown
        wait_for_mount
    fi
}

wait_for_mount() {
    until [[ -e $mount/names || -e $STOP ]]; do sleep 0.01; done
}

one_operation() {
    pick
    begin
    case $((RANDOM % 7)) in
        0 | 1) single look "$mount" ;;
        2) single look_raw "$mount" ;;
        3 | 4 | 5) single put "$mount" try ;;
        *) single put_both "$mount" try ;;
    esac
}

# A transaction as a directory: some reads and writes, and then mostly a commit.
transaction() {
    local root=$mount/transactions/client-$first-$((++number)) losses=0
    begin
    if mkdir "$root"; then
        until attempt "$root"; do :; done
        rmdir "$root"
    else
        end aborted
        wait_for_mount
    fi
}

# One run of it; fails if there is to be another one, which has begun.
attempt() {
    if ! steps "$1"; then
        end aborted
        wait_for_mount
        return 0
    fi
    case $((RANDOM % 10)) in
        0)
            end aborted
            return 0
            ;;
        1)
            begin_again "$1" restart
            return
            ;;
    esac
    echo try
    if echo commit >"$1/control"; then
        end committed
    elif ! grep -q '^state: conflict$' "$1/control"; then
        end unknown
        wait_for_mount
    elif ((++losses < 3)); then
        begin_again "$1" restart
    else
        # At last it keeps the others waiting.
        begin_again "$1" "restart serial"
    fi
}

# Fails if there is another run, as attempt does.
begin_again() {
    now
    local before=$time
    if echo "$2" >"$1/control"; then
        echo "again $before"
        return 1
    fi
    end aborted
}

# A transaction as a command. What it notes is its own, since it may live longer than atomic.
atomically() {
    local own=$log.atomic-$((++commands))
    now
    echo "from $time" >>"$own"
    rainbowfs atomic -m "$mount" -- bash "$0" "$mount" "$own" "$first" "$RANDOM"
    case $? in
        0) end committed ;;
        3) end aborted ;;
        *)
            end unknown
            wait_for_mount
            ;;
    esac >>"$own"
}

# One run of its command.
run_atomically() {
    now
    echo "again $time"
    # Unlike those of other runs and clients: the time, and then the client's number.
    first=$((time % 1000000000000 * 10000 + first / 1000000 % 100 * 100))
    steps "$RAINBOW" || exit 3
    ((RANDOM % 10)) || exit 3
    now
    echo "try from $time"
    exit 0
}

# A snapshot, which shows the version at which it was taken, however late and by any mount.
snapshot() {
    local name=snapshots/client-$first-$((++number)) taken root
    begin
    if ! mkdir "$mount/$name"; then
        end aborted
        wait_for_mount
        return
    fi
    now
    taken=$time
    for root in "$mount" "$mount" "$OTHER" "$OTHER" "$mount"; do
        pick
        if ((RANDOM % 2)); then look "$root/$name"; else look_raw "$root/$name"; fi
    done
    echo "end $taken committed"
    rmdir "$mount/$name"
}

[[ -z ${RAINBOW-} ]] || run_atomically
while [[ ! -e $STOP ]]; do
    case $((RANDOM % 10)) in
        0) transaction ;;
        1) snapshot ;;
        2) atomically ;;
        *) one_operation ;;
    esac
done
exit 0

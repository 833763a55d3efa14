#!/usr/bin/env bash
# Measures RainbowFS and what else a user would pick, side by side, and prints one table.
# README.md beside this file says what each row means.
set -euo pipefail

usage() {
    cat <<'END'
usage: Benchmarks/run.sh [options]
  --rounds N     rounds, interleaved; medians are shown (5)
  --seconds S    how long each measurement runs (0.5)
  --small        one short round: shows that everything works, not how fast it is
  --only REGEX   only the rows whose key in rows.txt matches
  --scaling      how the bank scales from 1 to 16 workers instead of the usual rows
  --peers-only   leave RainbowFS out
  --raw FILE     also write every single measurement to FILE
Environment:
  RAINBOWFS      the program to measure (.build/release/rainbowfs)
  PEERS          where the peers are built (.build/peers)
END
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=Benchmarks/mounts.sh
source "$here/mounts.sh"

rainbowfs=$(realpath -m "${RAINBOWFS:-$here/../.build/release/rainbowfs}")
peers=${PEERS:-$here/../.build/peers}
rounds=5
milliseconds=500
objects=1000000
only=.
rows='^(bank|snap|alloc|fs|shell|mount|memory)'
with_rainbowfs=true
raw=

while (($# > 0)); do
    case $1 in
    --rounds) rounds=$2 && shift ;;
    --seconds) milliseconds=$(awk -v s="$2" 'BEGIN { printf "%d", s * 1000 }') && shift ;;
    --small) rounds=1 milliseconds=50 objects=100000 ;;
    --only) only=$2 && shift ;;
    --scaling) rows='^scale' ;;
    --peers-only) with_rainbowfs=false ;;
    --raw) raw=$2 && shift ;;
    -h | --help) usage && exit ;;
    *) usage >&2 && exit 2 ;;
    esac
    shift
done

if $with_rainbowfs && [[ ! -x $rainbowfs ]]; then
    echo "There is no $rainbowfs: 'make build' makes it; --peers-only goes without it." >&2
    exit 2
fi

work=$(mktemp -d -p /dev/shm)
space=bench-$$
failures=0
readonly listed=10000

clean_up() {
    trap - EXIT INT TERM
    end_mounts
    if $with_rainbowfs; then
        local one
        for one in "$space" "$space-life"; do
            "$rainbowfs" destroy "$one" >/dev/null 2>&1 || true
            rm -rf "${RAINBOWFS_DIR:-/dev/shm}/rainbowfs.$one"
        done
    fi
    rm -rf --one-file-system "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# --- measuring -----------------------------------------------------------------------------------

has_peer() { # PROGRAM
    [[ -e $peers/$1 ]]
}

record() { # ROW SUBJECT VALUE
    printf '%s %s %s\n' "$@" >>"$work/samples"
}

fail_row() { # ROW SUBJECT REASON
    echo "$1, $2: $3" >&2
    failures=$((failures + 1))
}

# Prints the number of a field of a line of JSON.
number_of() { # FIELD JSON
    local pattern="\"$1\"[[:space:]]*:[[:space:]]*([0-9.eE+-]+)"
    [[ $2 =~ $pattern ]] && printf '%s' "${BASH_REMATCH[1]}"
}

# Runs a command and records a field of the JSON that it prints.
measure() { # ROW SUBJECT FIELD COMMAND...
    local row=$1 subject=$2 field=$3 output value
    shift 3
    if ! output=$(timeout -k 5 120 "$@"); then
        fail_row "$row" "$subject" "'$*' failed"
    elif [[ $output =~ \"sum_ok\"[[:space:]]*:[[:space:]]*false ]]; then
        fail_row "$row" "$subject" "the sum is wrong: $output"
    elif ! value=$(number_of "$field" "$output"); then
        fail_row "$row" "$subject" "no $field in: $output"
    elif [[ $row == fs.list.* ]] && (($(number_of entries "$output") < listed)); then
        fail_row "$row" "$subject" "the listing is too short: $output"
    else
        record "$row" "$subject" "$value"
    fi
}

# Prints the arguments, beginning with another one each round, so that none is always first.
rotated() { # ROUND ARGUMENT...
    local start=$((($1 - 1) % ($# - 1)))
    shift
    printf '%s\n' "${@:1+start}" "${@:1:start}"
}

# The first two CPUs that this process may use, the second one empty where there is one only.
read -r first_cpu second_cpu _ < <(taskset -cp $$ | sed 's/.*: //' | tr ',' '\n' |
    awk -F- '{ for (cpu = $1; cpu <= ($2 == "" ? $1 : $2); cpu++) printf "%d ", cpu }') || true
both_cpus=$first_cpu${second_cpu:+,$second_cpu}

measure_bank() { # ROW KIND WORKERS ROUND
    local row=$1 kind=$2 workers=$3 subject
    local common=(--workers "$workers" --milliseconds "$milliseconds" --pin --directory "$work")
    local subjects=(rainbowfs mutex lmdb_writemap lmdb sqlite)
    local -A program=([mutex]=bank_mutex [lmdb]=bank_lmdb [lmdb_writemap]=bank_lmdb
        [sqlite]=bank_sqlite [tl2]=bank_tl2 [libitm]=bank_itm)
    if [[ $kind == process ]]; then
        common+=(--processes)
    else
        subjects+=(tl2 libitm)
    fi
    for subject in $(rotated "$4" "${subjects[@]}"); do
        case $subject in
        rainbowfs)
            local plural=threads
            [[ $kind == thread ]] || plural=processes
            ! $with_rainbowfs || measure "$row" rainbowfs transfers_per_second \
                "$rainbowfs" bench bank "--$plural" "$workers" --milliseconds "$milliseconds" \
                --pin --json
            ;;
        lmdb_writemap)
            measure "$row" "$subject" transfers_per_second \
                "$peers/bank_lmdb" "${common[@]}" --writemap
            ;;
        *)
            measure "$row" "$subject" transfers_per_second \
                "$peers/${program[$subject]}" "${common[@]}"
            ;;
        esac
    done
}

# What a snapshot that somebody keeps open costs the bank. The peer is the bank without one.
measure_snapshot() { # ROW KIND WORKERS MILLISECONDS ROUND
    local row=$1 workers=$3 every=$4 plural=threads subject
    [[ $2 == thread ]] || plural=processes
    $with_rainbowfs || return 0
    for subject in $(rotated "$5" rainbowfs no_snapshot); do
        local options=(--snapshot-milliseconds "$every")
        [[ $subject == rainbowfs ]] || options=()
        measure "$row" "$subject" transfers_per_second "$rainbowfs" bench bank \
            "--$plural" "$workers" --milliseconds "$milliseconds" --pin --json "${options[@]}"
    done
}

# Objects made one by one by several workers in one allocator. The peer has an allocator a worker.
measure_make() { # ROW KIND WORKERS ROUND
    local row=$1 workers=$3 plural=threads subject
    [[ $2 == thread ]] || plural=processes
    $with_rainbowfs || return 0
    for subject in $(rotated "$4" rainbowfs own_allocators); do
        local options=()
        [[ $subject == rainbowfs ]] || options=(--own-allocators)
        measure "$row" "$subject" objects_per_second "$rainbowfs" bench make \
            "--$plural" "$workers" --milliseconds "$milliseconds" --pin --json "${options[@]}"
    done
}

measure_java() { # ROW SUBJECT JAVA-OPTION...
    local row=$1 subject=$2
    shift 2
    measure "$row" "$subject" ns_per_object java "$@" -cp "$peers" NewBench "$objects"
}

measure_c_allocators() { # ROW
    local line
    local -A subject=([calloc-kept]=calloc [bump-fresh]=bump_fresh [bump-warm]=bump_warm)
    while IFS= read -r line; do
        local name=${line#*\"name\":\"}
        name=${name%%\"*}
        [[ -z ${subject[$name]:-} ]] ||
            record "$1" "${subject[$name]}" "$(number_of ns_per_object "$line")"
    done < <("$peers/alloc" --objects "$objects")
}

measure_alloc() { # ROW ROUND
    local row=$1 subject young=$((256 + objects / 1000))
    for subject in $(rotated "$2" rainbowfs c_allocators java_idle java_serial java_g1); do
        [[ $subject != java_* ]] || has_peer NewBench.class || continue
        case $subject in
        rainbowfs)
            ! $with_rainbowfs || measure "$row" rainbowfs ns_per_object \
                "$rainbowfs" bench alloc --objects "$objects" --json
            ;;
        c_allocators) measure_c_allocators "$row" ;;
        java_idle) # so much young memory, touched before, that no collection is needed
            measure_java "$row" "$subject" -XX:+UseSerialGC -XX:+AlwaysPreTouch \
                "-Xms$((young * 2))m" "-Xmx$((young * 2))m" "-Xmn${young}m"
            ;;
        java_serial) measure_java "$row" "$subject" -XX:+UseSerialGC ;;
        java_g1) measure_java "$row" "$subject" -XX:+UseG1GC ;;
        esac
    done
}

# What fsops works on in each file system: two files and a directory.
declare -A file_a=() file_b=() listing=() mountpoint_of=()

measure_fs() { # ROW OPERATION BYTES THREADS FILES ROUND
    local row=$1 operation=$2 bytes=$3 threads=$4 files=$5 subject cpus=$first_cpu
    ((threads == 1)) || cpus=$both_cpus
    for subject in $(rotated "$6" rainbowfs null_fs passthrough); do
        [[ -n ${mountpoint_of[$subject]:-} ]] || continue
        local paths=("${file_a[$subject]}")
        ((files == 1)) || paths+=("${file_b[$subject]}")
        [[ $operation != list ]] || paths=("${listing[$subject]}")
        # The server runs where its clients run: see README.md.
        taskset -acp "$cpus" "${daemon_of[${mountpoint_of[$subject]}]}" >/dev/null
        measure "$row" "$subject" operations_per_second \
            "$peers/fsops" "$operation" --bytes "$((bytes > 0 ? bytes : 1))" \
            --threads "$threads" --milliseconds "$milliseconds" --cpus "$cpus" "${paths[@]}"
    done
}

# Transactions that a shell makes, in the ways of shell_bank.sh.
measure_shell() { # ROW WHAT ROUND
    local row=$1 subject subjects directory field=transactions_per_second
    local -A kind=([flock]=flock [sqlite_shell]=sqlite_pipe [rainbowfs]=transactions
        [rainbowfs_set]=transactions_set [rainbowfs_new]=transactions_new)
    case $2 in
    one) subjects=(rainbowfs rainbowfs_set rainbowfs_new flock sqlite_shell) ;;
    process)
        subjects=(rainbowfs flock sqlite_shell)
        kind=([rainbowfs]=atomic [flock]=flock_each [sqlite_shell]=sqlite_each)
        ;;
    true)
        subjects=(rainbowfs flock plain)
        kind=([rainbowfs]=true_atomic [flock]=true_flock [plain]='true')
        field=milliseconds_each
        ;;
    esac
    mkdir -p "$work/shell"
    for subject in $(rotated "$3" "${subjects[@]}"); do
        directory=$work/shell
        if [[ $subject == rainbowfs* ]]; then
            $with_rainbowfs || continue
            directory=${mountpoint_of[rainbowfs]}
            taskset -acp "$first_cpu" "${daemon_of[$directory]}" >/dev/null
        fi
        measure "$row" "$subject" "$field" env RAINBOWFS="$rainbowfs" taskset -c "$first_cpu" \
            bash "$here/shell_bank.sh" "${kind[$subject]}" "$milliseconds" "$directory"
    done
}

measure_mount_ready() { # ROW
    local start took mountpoint=$work/ready
    start=$EPOCHREALTIME
    mount_peer "$mountpoint" "$mountpoint/a" "$peers/null_fs" "$mountpoint"
    record "$1" null_fs "$(milliseconds_since "$start")"
    unmount "$mountpoint"
    $with_rainbowfs || return 0
    start=$EPOCHREALTIME
    if mount_space "$rainbowfs" "$space-life" "$mountpoint"; then
        took=$(milliseconds_since "$start")
        unmount "$mountpoint" && record "$1" rainbowfs "$took" && return
    fi
    fail_row "$1" rainbowfs "mounting and unmounting failed"
}

measure_recovery() { # ROW
    local took
    $with_rainbowfs || return 0
    if took=$(kill_and_recover "$work/life"); then
        record "$1" rainbowfs "$took"
    else
        fail_row "$1" rainbowfs "recovery failed"
    fi
}

# Kills a mount while a client writes, mounts again and reads. Prints how many milliseconds there
# were between the kill and the first good read. Runs in a subshell, with a cleaner of its own.
kill_and_recover() { # MOUNTPOINT
    local mountpoint=$1 start took file writer bytes=
    daemon_of=()
    trap end_mounts EXIT
    mount_space "$rainbowfs" "$space-life" "$mountpoint" || return
    file=$(life_file "$mountpoint") || return
    "$peers/fsops" pwrite --milliseconds 10000 "$file" >/dev/null 2>&1 &
    writer=$!
    pause 0.1
    start=$EPOCHREALTIME
    kill_mount "$mountpoint" || return
    mount_space "$rainbowfs" "$space-life" "$mountpoint" || return
    IFS='' LC_ALL=C read -rN 64 bytes <"$file" || true
    took=$(milliseconds_since "$start")
    wait "$writer" || true # it ended at the kill, with an error
    unmount "$mountpoint" || return
    if ((${#bytes} != 64)); then
        echo "the first read after the kill gave ${#bytes} bytes of 64" >&2
        return 1
    fi
    echo "$took"
}

# Prints the file that the writer writes, made at the first call.
life_file() { # MOUNTPOINT
    if [[ ! -e $work/life_object ]]; then
        printf 'bytes data[8192]\n' >"$1/classes/Blob" || return
        mkdir "$1/regions/transactional/life" || return
        (cd "$1" && "$rainbowfs" new regions/transactional/life Blob) >"$work/life_object" || return
    fi
    echo "$1/$(<"$work/life_object")/data"
}

measure_memory() { # ROW WHAT
    $with_rainbowfs || return 0
    local anonymous file shared
    read -r anonymous file shared < <(awk '
        $1 == "RssAnon:" { anonymous = $2 }
        $1 == "RssFile:" { file = $2 }
        $1 == "RssShmem:" { shared = $2 }
        END { printf "%.3f %.3f %.3f\n", anonymous / 1024, file / 1024, shared / 1024 }
    ' "/proc/${daemon_of[${mountpoint_of[rainbowfs]}]}/status")
    case $2 in
    own) record "$1" rainbowfs "$(awk -v a="$anonymous" -v f="$file" 'BEGIN { print a + f }')" ;;
    anonymous) record "$1" rainbowfs "$anonymous" ;;
    file) record "$1" rainbowfs "$file" ;;
    space) record "$1" rainbowfs "$shared" ;;
    esac
}

measure_row() { # ROW ROUND
    local kind what bytes threads files
    IFS=. read -r kind what bytes threads files <<<"$1"
    case $kind in
    bank | scale) measure_bank "$1" "$what" "$bytes" "$2" ;;
    snap) measure_snapshot "$1" "$what" "$bytes" "$threads" "$2" ;;
    alloc) measure_alloc "$1" "$2" ;;
    make) measure_make "$1" "$what" "$bytes" "$2" ;;
    shell) measure_shell "$1" "$what" "$2" ;;
    fs) measure_fs "$1" "$what" "$bytes" "$threads" "$files" "$2" ;;
    mount) if [[ $what == ready ]]; then measure_mount_ready "$1"; else measure_recovery "$1"; fi ;;
    memory) measure_memory "$1" "$what" ;;
    esac
}

# --- preparing -----------------------------------------------------------------------------------

# Fills a mounted space: two objects to read and write, and a directory of small ones.
fill_space() { # MOUNTPOINT
    local mountpoint=$1 allocator=$1/regions/transactional/listing
    printf 'bytes data[8192]\n' >"$mountpoint/classes/Blob"
    printf 'int64 value\n' >"$mountpoint/classes/Small"
    mkdir "$mountpoint/regions/transactional/b" "$allocator"
    file_a[rainbowfs]=$mountpoint/$(cd "$mountpoint" &&
        "$rainbowfs" new regions/transactional/b Blob)/data
    file_b[rainbowfs]=$mountpoint/$(cd "$mountpoint" &&
        "$rainbowfs" new regions/transactional/b Blob)/data
    local made
    for ((made = 0; made < listed; made++)); do
        echo 'new Small' >"$allocator/allocator"
    done
    listing[rainbowfs]=$allocator
}

fill_directory() { # DIRECTORY, for passthrough_ll to show
    local i name
    mkdir -p "$1/listing"
    head -c 65536 /dev/zero | tee "$1/a" >"$1/b"
    for ((i = 0; i < listed; i++)); do
        printf -v name '0x%016x.Blob' $((0x1040 + i * 64))
        : >"$1/listing/$name"
    done
}

mount_file_systems() {
    local mountpoint=$work/null_fs subject
    mount_peer "$mountpoint" "$mountpoint/a" "$peers/null_fs" "$mountpoint"
    mountpoint_of[null_fs]=$mountpoint
    if has_peer passthrough_ll; then
        mountpoint=$work/passthrough
        fill_directory "$work/source"
        mount_peer "$mountpoint" "$mountpoint/a" "$peers/passthrough_ll" -f \
            -o "source=$work/source,cache=never,timeout=0" "$mountpoint"
        mountpoint_of[passthrough]=$mountpoint
    fi
    for subject in "${!mountpoint_of[@]}"; do
        file_a[$subject]=${mountpoint_of[$subject]}/a
        file_b[$subject]=${mountpoint_of[$subject]}/b
        listing[$subject]=${mountpoint_of[$subject]}/listing
    done
    if $with_rainbowfs; then
        mountpoint=$work/rainbowfs
        # In the foreground, as its peers: another session would be another group of processes to
        # the scheduler, which costs each request a switch of groups on a busy machine.
        mount_peer "$mountpoint" "$mountpoint/control" "$rainbowfs" "$space" "$mountpoint" -f
        mountpoint_of[rainbowfs]=$mountpoint
        fill_space "$mountpoint"
    fi
}

describe_machine() {
    local model load
    model=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
    load=$(cut -d' ' -f1-3 /proc/loadavg)
    echo "$(nproc) CPUs (${model:-unknown}), Linux $(uname -r), load $load"
    echo "$rounds rounds of $milliseconds ms, interleaved; medians." \
        "A ratio above 1: RainbowFS is better."
    [[ -c /dev/fuse ]] || echo "Without /dev/fuse the rows of the mount are left out."
    has_peer NewBench.class && command -v java >/dev/null || echo "Java is not here."
    has_peer passthrough_ll || echo "passthrough_ll.c is not among libfuse3-dev's examples here."
    echo
}

plan_rows() {
    local key
    while IFS='| ' read -r key _; do
        [[ -n $key && $key != '#'* && $key =~ $rows && $key =~ $only ]] || continue
        [[ $key != @(fs|shell|mount|memory).* || -c /dev/fuse ]] || continue
        [[ $key != scale.* ]] || ((${key##*.} <= $(nproc))) || continue
        echo "$key"
    done <"$here/rows.txt" >"$work/planned"
}

# A function, so that bash has read all of this file before it begins.
main() {
    make -s -C "$here" BUILD="$peers"
    : >"$work/samples"
    plan_rows
    describe_machine
    ! grep -qE '^(fs|shell|memory)\.' "$work/planned" || mount_file_systems
    local round row
    for ((round = 1; round <= rounds; round++)); do
        [[ ! -t 2 ]] || printf '\rround %d of %d' "$round" "$rounds" >&2
        while IFS= read -r row <&3; do
            measure_row "$row" "$round"
        done 3<"$work/planned"
    done
    [[ ! -t 2 ]] || printf '\r\033[K' >&2
    awk -f "$here/table.awk" "$here/subjects.txt" "$here/rows.txt" "$work/planned" "$work/samples"
    [[ -z $raw ]] || cp "$work/samples" "$raw"
    if ((failures > 0)); then
        echo "$failures measurements failed; see above." >&2
        exit 1
    fi
}

main

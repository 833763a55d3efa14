# shellcheck shell=bash
# Mounting and ending file systems for run.sh. Everything mounted here is ended by end_mounts.

# Mount points in use, and the process that serves each.
declare -A daemon_of=()

milliseconds_since() { # START, an earlier $EPOCHREALTIME
    local now=${EPOCHREALTIME/[.,]/} start=${1/[.,]/}
    printf '%d.%03d' $(((now - start) / 1000)) $(((now - start) % 1000))
}

# Waits without starting a process: a pipe that nobody writes to.
exec {never}<> <(:)
pause() { # SECONDS
    read -rt "$1" -u "$never" || true
}

# Waits until PATH, which only the mounted file system has, is there.
wait_for_path() { # PATH
    local attempt
    for ((attempt = 0; attempt < 10000; attempt++)); do
        [[ -e $1 ]] && return
        pause 0.001
    done
    echo "$1 did not appear within 10 seconds" >&2
    return 1
}

wait_for_end() { # PID
    local attempt
    for ((attempt = 0; attempt < 500; attempt++)); do
        [[ -e /proc/$1 ]] || return 0
        pause 0.01
    done
    return 1
}

# Mounts with a program that stays in the foreground, as peers do.
mount_peer() { # MOUNTPOINT PATH_THAT_APPEARS COMMAND...
    local mountpoint=$1 appears=$2
    shift 2
    mkdir -p "$mountpoint"
    "$@" 2>"$mountpoint.log" &
    daemon_of[$mountpoint]=$!
    wait_for_path "$appears" || {
        cat "$mountpoint.log" >&2
        return 1
    }
}

# Mounts a space. The command returns when the mount answers, so what it takes is what a user
# waits for.
mount_space() { # RAINBOWFS SPACE MOUNTPOINT
    mkdir -p "$3"
    # Not to standard output: where that is a caller's pipe, the mount would keep it open.
    "$1" "$2" "$3" >&2 || {
        echo "$1 $2 $3 has failed" >&2
        return 1
    }
    find_daemon "$1" "$3" || return
    if [[ ! -e $3/control ]]; then
        echo "rainbowfs $2 $3 has returned, but $3 does not answer" >&2
        return 1
    fi
}

# Finds the process of a mount by its program and its argument.
find_daemon() { # PROGRAM MOUNTPOINT
    local process argument
    for process in /proc/[0-9]*; do
        [[ $process/exe -ef $1 ]] || continue
        while IFS= read -rd '' argument; do
            if [[ $argument == "$2" ]]; then
                daemon_of[$2]=${process#/proc/}
                return
            fi
        done 2>/dev/null <"$process/cmdline"
    done
    echo "no process of $1 serves $2" >&2
    return 1
}

unmount() { # MOUNTPOINT
    fusermount3 -u "$1" || return
    wait_for_end "${daemon_of[$1]}" || {
        echo "the process of $1 goes on 5 seconds after the unmount" >&2
        return 1
    }
    unset "daemon_of[$1]"
}

# Kills the mount's process and clears its corpse away. Any use of it fails until then.
kill_mount() { # MOUNTPOINT
    kill -KILL "${daemon_of[$1]}"
    fusermount3 -uz "$1"
    unset "daemon_of[$1]"
}

end_mounts() {
    local mountpoint daemon
    for mountpoint in "${!daemon_of[@]}"; do
        daemon=${daemon_of[$mountpoint]}
        fusermount3 -uz "$mountpoint" 2>/dev/null || true
        wait_for_end "$daemon" || kill -KILL "$daemon" 2>/dev/null || true
    done
}

#!/usr/bin/env bash
# Whether the commands of the README do all the set-up that they need: makes a Debian 12 that has make, git,
# ca-certificates and the Swift toolchain and nothing else, and runs them there, as root and as an ordinary user
# with sudo, in homes that nobody else can enter. Its root is no mount point, as in many a build system.
#
#     fresh.sh [--all]    with --all all tests run, not only those that such a place can disturb
#
# Mirror, proxy and keyring are those of this machine's apt, and git finds packages where this machine's does.
# The mounts and processes are in namespaces of their own, which end with the script, however it ends.
# What is single-quoted here is expanded in the fresh system, or by apt.
# shellcheck disable=SC2016
set -euo pipefail
shopt -s inherit_errexit

release=bookworm
usual_mirror=http://deb.debian.org/debian
usual_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The tests that act as other users or mount over the system's folders: where the home is closed to others or the
# root is no mount point, some have failed.
few_tests='MountUserTests|Permission(Rule)?Tests|MountRefusalTests|TransactionTests/strangers|MemoryLimitTests'
fewest_tests=15

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

fail() {
    echo "make fresh: $1" >&2
    exit 1
}

# --- Outside: what this machine has, and the removal of everything at the end. ---

main() {
    local tests=$few_tests
    case ${1:-} in
    --all) tests= ;;
    '') ;;
    *) fail "give --all or nothing, not '$1'" ;;
    esac
    if [[ $(id -u) != 0 ]]; then
        exec sudo env "PATH=$PATH" "HOME=$HOME" "OFFLINE=${OFFLINE:-}" "${proxies[@]}" bash "$0" "$@"
    fi
    command -v apt-get >/dev/null || fail 'there is no apt-get here, which knows the mirror to take Debian from'

    work=$(mktemp -d -p "${TMPDIR:-/var/tmp}" rainbowfs-fresh.XXXXXX)
    chmod 755 "$work"
    process=
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    trap clean_up EXIT

    find_mirrors
    [[ -s $work/sources ]] || unreachable
    make -C "$here" --no-print-directory packages-fresh
    toolchain=$(find_toolchain)

    export work toolchain tests
    # Signals that are ignored here must not be so for tests that send them.
    env --default-signal setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child \
        bash "$here/Tests/fresh.sh" --inside &
    process=$!
    local status=0
    wait "$process" || status=$?
    process=
    if ((status == 0)); then return; fi
    # What failed may have been a download.
    find_mirrors
    [[ -s $work/sources ]] || unreachable
    fail 'the fresh system shows a failure, see above'
}

clean_up() {
    trap '' INT TERM HUP
    if [[ -n $process ]]; then
        kill -KILL "$process" 2>/dev/null || true
        wait "$process" 2>/dev/null || true
    fi
    rm -rf --one-file-system "$work"
}

proxies=()
for variable in http_proxy https_proxy no_proxy; do
    [[ -z ${!variable:-} ]] || proxies+=("$variable=${!variable}")
done

# Lines of apt's sources for the fresh system, each of which was reached just now.
find_mirrors() {
    local suite mirror entry
    while read -r suite mirror entry; do
        [[ $suite == "$release"* && $mirror == http* ]] || continue
        try_mirror "$suite" "${mirror%/}" || continue
        echo "deb ${mirror%/} $suite main"
        [[ $suite != "$release" ]] || keyring_of "${entry%:*}" >"$work/keyring"
    done >"$work/sources" < <(
        apt-get indextargets --format '$(RELEASE) $(REPO_URI) $(SOURCESENTRY)' \
            'Created-By: Packages' 'Component: main' | sort -u
    )
    if grep -q " $release " "$work/sources"; then return; fi
    : >"$work/sources"
    # This machine is no Debian 12.
    if try_mirror "$release" "$usual_mirror"; then
        echo "deb $usual_mirror $release main" >"$work/sources"
        echo "$usual_keyring" >"$work/keyring"
    fi
}

# Loads with apt's own settings, and looks whether the mirror is one of Debian.
try_mirror() {
    local file=$work/InRelease
    rm -f "$file"
    /usr/lib/apt/apt-helper -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 \
        -o Acquire::Retries=2 download-file "$2/dists/$1/InRelease" "$file" >"$work/log" 2>&1 &&
        grep -q '^Origin: Debian$' "$file"
}

keyring_of() {
    local keyring
    keyring=$(sed -n 's/^Signed-By: *//p; s/.*signed-by=\([^] ]*\).*/\1/p' "$1" | head -n 1)
    [[ $keyring == /*.gpg && -f $keyring ]] || keyring=$usual_keyring
    echo "$keyring"
}

# With OFFLINE=warn this is no failure.
unreachable() {
    sed 's/^/    /' "$work/log" >&2
    if [[ ${OFFLINE:-} == warn ]]; then
        echo 'WARNING: no mirror of Debian can be reached, so nothing was tried in a fresh system.' >&2
        exit 0
    fi
    fail 'no mirror of Debian can be reached'
}

# The folder of the toolchain, also where `swift` in PATH only starts the one that was chosen.
find_toolchain() {
    local resources
    resources=$(cd "$here" && swiftc -print-target-info | jq -er .paths.runtimeResourcePath)
    resources=${resources%/lib/swift}
    [[ $resources == /*/usr ]] || fail "the toolchain in $resources must be in a folder of its own"
    echo "$resources"
}

# --- Inside: in namespaces of mounts and processes that end with this process. ---

inside() {
    read -r _ mirror _ < <(grep " $release " "$work/sources")
    keyring=$(<"$work/keyring")
    step 'make a fresh Debian' make_system "$work/root"
    cp -a "$work/root" "$work/user"
    chroot "$work/user" useradd --create-home --shell /bin/bash somebody
    echo 'somebody ALL=(ALL) NOPASSWD: ALL' >"$work/user/etc/sudoers.d/somebody"
    furnish "$work/root" root
    furnish "$work/user" somebody

    step 'make demo as root' enter "$work/root" root make demo
    step 'make test as root' check_tests "$work/root" root
    step 'make demo as a user' enter "$work/user" somebody make demo
    [[ -n $tests ]] || step 'make test as a user' check_tests "$work/user" somebody
}

step() {
    local name=$1 begin=$SECONDS
    shift
    echo "== fresh: $name"
    "$@"
    echo "== fresh: $name took $((SECONDS - begin)) s"
}

make_system() {
    local proxy=
    eval "$(apt-config shell proxy Acquire::http::Proxy)"
    if [[ -n $proxy ]]; then export http_proxy=$proxy; fi
    debootstrap --variant=minbase --keyring="$keyring" --include=make,git,ca-certificates,sudo \
        "$release" "$1" "$mirror" >"$work/log" 2>&1 || {
        tail -n 20 "$work/log" "$1/debootstrap/debootstrap.log" >&2 || true
        return 1
    }
    set_up_apt "$1"
    set_up_git "$1"
    cp -L /etc/hosts /etc/resolv.conf "$1/etc"
    # In a Debian that was booted systemd has made this one, and fusermount3 wants it.
    ln -s ../proc/self/mounts "$1/etc/mtab"
    # It trusts whom this machine trusts.
    cp -L /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs"
}

set_up_apt() {
    cp "$work/sources" "$1/etc/apt/sources.list"
    [[ $keyring == "$usual_keyring" ]] || cp "$keyring" "$1/etc/apt/trusted.gpg.d"
    apt-config dump | grep -E '^Acquire::(https?::|Check-|Retries)' |
        grep -v Auto-Detect >"$1/etc/apt/apt.conf.d/machine" || true
    # It lives for minutes and need not survive a crash of the machine.
    echo force-unsafe-io >"$1/etc/dpkg/dpkg.cfg.d/unsafe"
}

set_up_git() {
    local entry key folder
    : >"$work/folders"
    while IFS= read -r -d '' entry; do
        key=${entry%%$'\n'*}
        git config --file "$1/etc/gitconfig" --add "$key" "${entry#*$'\n'}"
        folder=${key#url.}
        folder=${folder%.insteadof}
        folder=${folder#file://}
        [[ -d $folder ]] || folder=${folder%/*}
        if [[ $folder == /*/* ]]; then echo "$folder" >>"$work/folders"; fi
    done < <(cd "$here" && git config -z --get-regexp '^url\..*\.insteadof$')
    # The user reads there what is root's.
    git config --file "$1/etc/gitconfig" safe.directory '*'
}

# furnish SYSTEM USER: mounts what it needs, and copies the repository as it is now.
furnish() {
    local folder
    mkdir -p "$1/opt/swift/usr"
    mount --bind -o ro "$toolchain" "$1/opt/swift/usr"
    sort -u "$work/folders" | while read -r folder; do
        mkdir -p "$1$folder"
        mount --bind -o ro "$folder" "$1$folder"
    done
    mount -t proc proc "$1/proc"
    mount --rbind /sys "$1/sys"
    mount --bind /dev "$1/dev"
    mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts "$1/dev/pts"
    mount -t tmpfs -o mode=1777 shm "$1/dev/shm"
    # Debian lets everybody open this device; whatever made the one of this machine may not.
    mkdir -p "$work/dev"
    [[ -c $work/dev/fuse ]] || mknod -m 666 "$work/dev/fuse" c 10 229
    mount --bind "$work/dev/fuse" "$1/dev/fuse"

    local home
    home=$(chroot "$1" sh -c "echo ~$2")
    mkdir "$1$home/rainbowfs"
    (cd "$here" && git -c safe.directory='*' ls-files -z --cached --others --exclude-standard |
        while IFS= read -r -d '' file; do
            [[ ! -e $file ]] || printf '%s\0' "$file"
        done | tar --create --null --files-from=- --file=-) | tar --extract -C "$1$home/rainbowfs"
    chroot "$1" chown -R "$2:$2" "$home"
    chmod 700 "$1$home"
}

# enter SYSTEM USER COMMAND...: runs it in the repository, with what a login would set.
enter() {
    local system=$1 user=$2 home path=/opt/swift/usr/bin:/usr/local/bin:/usr/bin:/bin
    shift 2
    home=$(chroot "$system" sh -c "echo ~$user")
    [[ $user != root ]] || path+=:/usr/local/sbin:/usr/sbin:/sbin
    chroot "$system" runuser -u "$user" -- env -i "HOME=$home" "USER=$user" "PATH=$path" \
        SHELL=/bin/bash TERM=dumb "${proxies[@]}" bash -c 'cd ~/rainbowfs && exec "$@"' enter "$@"
}

check_tests() {
    enter "$1" "$2" make test FILTER="$tests" 2>&1 | tee "$work/log"
    local count
    count=$(sed -n 's/.*Test run with \([0-9]*\) tests* .*passed.*/\1/p' "$work/log" | tail -n 1)
    ((${count:-0} >= fewest_tests)) || fail "only ${count:-0} tests ran"
}

if [[ ${1:-} == --inside ]]; then inside; else main "$@"; fi

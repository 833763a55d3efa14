#!/usr/bin/env bash
# Transactions from the shell: each reads ten accounts and writes them, moving 1 from five of them
# to the five others. run.sh runs it; README.md says what each kind is.
#
#   shell_bank.sh KIND MILLISECONDS DIRECTORY    prints a line of JSON
#
# DIRECTORY is the mount of RainbowFS, or a folder in tmpfs where the files of the peers are made.
set -euo pipefail

readonly accounts=1000 per_transaction=10
# Account i of a transaction is (start + i * step) % accounts, so that all ten differ.
readonly step=97
rainbowfs=${RAINBOWFS:-rainbowfs}
self=${BASH_SOURCE[0]}

# Where the file of account N is: printf -v path "$format" $((first + N * distance)).
first=${BANK_FIRST:-0} distance=${BANK_DISTANCE:-1} format=${BANK_FORMAT:-accounts/%d}

# --- what a transaction does ---------------------------------------------------------------------

# Prepares the paths of ten accounts, and says what is added to each.
pick() { # START
    local i
    for ((i = 0; i < per_transaction; i++)); do
        ids[i]=$((($1 + i * step) % accounts))
        printf -v "paths[$i]" "$format" $((first + ids[i] * distance))
        change[i]=$((i % 2 * 2 - 1))
    done
}

read_files() {
    local i
    for ((i = 0; i < per_transaction; i++)); do
        read -r "values[$i]" <"${paths[i]}" || return
    done
}

write_files() {
    local i
    for ((i = 0; i < per_transaction; i++)); do
        echo $((values[i] + change[i])) >"${paths[i]}" || return
    done
}

transfer_in_files() { # START
    pick "$1"
    read_files && write_files
}

sum_files() {
    local i path value sum=0
    for ((i = 0; i < accounts; i++)); do
        printf -v path "$format" $((first + i * distance))
        read -r value <"$path"
        sum=$((sum + value))
    done
    echo "$sum"
}

# --- files in tmpfs, and flock(1) ----------------------------------------------------------------

prepare_files() {
    local i
    mkdir -p accounts
    for ((i = 0; i < accounts; i++)); do echo 0 >"accounts/$i"; done
}

prepare_flock() { prepare_files; }
run_flock() { # START: one shell; flock(1) locks the file that the shell holds open
    {
        flock 9
        transfer_in_files "$1"
    } 9>lock
}
sum_flock() { sum_files; }

prepare_flock_each() { prepare_files; }
run_flock_each() { flock lock "$BASH" "$self" body "$1"; }
sum_flock_each() { sum_files; }

# --- SQLite's shell ------------------------------------------------------------------------------

prepare_sqlite_each() {
    rm -f bank.db*
    sqlite3 -batch bank.db "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;
        CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);
        WITH RECURSIVE ids (id) AS (SELECT 0 UNION ALL SELECT id + 1 FROM ids
            WHERE id < $accounts - 1) INSERT INTO accounts SELECT id, 0 FROM ids;" >/dev/null
}
sum_sqlite_each() { sqlite3 -batch bank.db 'SELECT SUM(balance) FROM accounts;'; }

# A process cannot be told what it read, so SQL adds.
run_sqlite_each() { # START
    pick "$1"
    local i reads='' writes=''
    for ((i = 0; i < per_transaction; i++)); do
        reads+="SELECT balance FROM accounts WHERE id = ${ids[i]};"
        writes+="UPDATE accounts SET balance = balance + (${change[i]}) WHERE id = ${ids[i]};"
    done
    mapfile -t values < <(sqlite3 -batch -cmd '.timeout 10000' -cmd 'PRAGMA synchronous = OFF' \
        bank.db "BEGIN IMMEDIATE; $reads $writes COMMIT;")
    ((${#values[@]} == per_transaction))
}

prepare_sqlite_pipe() {
    prepare_sqlite_each
    coproc sqlite {
        exec sqlite3 -batch -cmd '.timeout 10000' -cmd 'PRAGMA synchronous = OFF' bank.db
    }
    exec {ask}>&"${sqlite[1]}" {answer}<&"${sqlite[0]}"
}

# Two requests: all reads, and once the shell has computed the new balances all writes.
run_sqlite_pipe() { # START
    pick "$1"
    local i text='BEGIN IMMEDIATE;'
    for ((i = 0; i < per_transaction; i++)); do
        text+="SELECT balance FROM accounts WHERE id = ${ids[i]};"
    done
    echo "$text" >&"$ask"
    for ((i = 0; i < per_transaction; i++)); do read -r "values[$i]" <&"$answer"; done
    text=''
    for ((i = 0; i < per_transaction; i++)); do
        text+="UPDATE accounts SET balance = $((values[i] + change[i])) WHERE id = ${ids[i]};"
    done
    echo "$text COMMIT; SELECT 'done';" >&"$ask"
    read -r text <&"$answer"
    [[ $text == 'done' ]]
}

sum_sqlite_pipe() {
    local sum
    echo 'SELECT SUM(balance) FROM accounts;' >&"$ask"
    read -r sum <&"$answer"
    echo "$sum"
}

# --- RainbowFS -----------------------------------------------------------------------------------

# Finds the accounts of the mount, made at the first call.
prepare_accounts() {
    local made=regions/transactional/shell
    if [[ ! -d $made ]]; then
        printf 'int64 balance\n' >classes/ShellAccount
        mkdir "$made"
        local i
        for ((i = 0; i < accounts; i++)); do echo 'new ShellAccount' >"$made/allocator"; done
    fi
    local objects=("$made"/0x*)
    local ends=("${objects[0]##*/}" "${objects[1]##*/}")
    first=${ends[0]%.*} distance=$((${ends[1]%.*} - ${ends[0]%.*}))
    first=$((first)) format='objects/0x%016x/balance'
    ((${#objects[@]} == accounts))
}

prepare_transactions() {
    prepare_accounts
    top=$PWD
    mkdir transactions/shell
    cd transactions/shell
    exec {control}<>control
}

# Commits and begins again; false if it lost to another commit.
commit_and_restart() {
    local is_committed=true
    echo commit >&"$control" || is_committed=false
    echo restart >&"$control"
    $is_committed
}

# One transaction that begins again each time.
run_transactions() { # START
    until transfer_in_files "$1" && commit_and_restart; do :; done
}

sum_transactions() {
    local sum
    exec {control}>&-
    cd "$top"
    rmdir transactions/shell
    sum_files
}

prepare_transactions_set() { prepare_transactions; }
sum_transactions_set() { sum_transactions; }

# The same, but all writes in one write(2) to the control file.
run_transactions_set() { # START
    local i text
    while true; do
        pick "$1"
        read_files
        text=''
        for ((i = 0; i < per_transaction; i++)); do
            text+="set ${paths[i]%/*} balance=$((values[i] + change[i]))"$'\n'
        done
        printf '%s' "$text" >&"$control"
        ! commit_and_restart || return 0
    done
}

# One directory a transaction, by mkdir(1) and rmdir(1).
prepare_transactions_new() { prepare_accounts; }
run_transactions_new() { # START
    local is_committed=false
    until $is_committed; do
        mkdir transactions/shell
        cd transactions/shell
        transfer_in_files "$1"
        ! echo commit >control || is_committed=true
        cd ../..
        rmdir transactions/shell
    done
}
sum_transactions_new() { sum_files; }

prepare_atomic() {
    prepare_accounts
    export BANK_FIRST=$first BANK_DISTANCE=$distance BANK_FORMAT=$format
}
run_atomic() { "$rainbowfs" atomic -- "$BASH" "$self" body "$1"; }
sum_atomic() { sum_files; }

# --- one command, in each way --------------------------------------------------------------------

prepare_true() { :; }
run_true() { /bin/true; }
sum_true() { echo 0; }

prepare_true_flock() { :; }
run_true_flock() { flock lock /bin/true; }
sum_true_flock() { echo 0; }

prepare_true_atomic() { :; }
run_true_atomic() { "$rainbowfs" atomic -- /bin/true; }
sum_true_atomic() { echo 0; }

# -------------------------------------------------------------------------------------------------

# Sets the variable to the microseconds since 1970.
now() { printf -v "$1" '%d' "${EPOCHREALTIME/[.,]/}"; }

measure() { # KIND MILLISECONDS
    local kind=$1 start end time count=0 sum
    "prepare_$kind"
    RANDOM=1
    now start
    end=$((start + $2 * 1000))
    while true; do
        "run_$kind" $((RANDOM % accounts))
        count=$((count + 1))
        now time
        ((time < end)) || break
    done
    sum=$("sum_$kind")
    printf '{"transactions": %d, "transactions_per_second": %d, ' \
        "$count" $((count * 1000000 / (time - start)))
    printf '"milliseconds_each": %s, "sum_ok": %s}\n' \
        "$(awk -v us=$((time - start)) -v n="$count" 'BEGIN { printf "%.4f", us / 1000 / n }')" \
        "$([[ $sum == 0 ]] && echo true || echo false)"
}

declare -a ids=() paths=() change=() values=()
if [[ $1 == body ]]; then
    transfer_in_files "$2"
else
    cd "$3"
    measure "$1" "$2"
fi

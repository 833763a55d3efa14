#!/usr/bin/env bash
# A work queue with room for four jobs. Producers that find it full and consumers that find it empty
# sleep until `rainbowfs watch` prints a line: one for each commit to the queue, so nobody polls.
# shellcheck source=lib/setup.bash
source "$(dirname "${BASH_SOURCE[0]}")/lib/setup.bash"

jobs=10 # Of each producer.

# put JOB, in a transaction: ends with 1 if there is no room.
put() {
    local put taken slots
    read -r put <names/queue/put
    read -r taken <names/queue/taken
    ((put - taken < 4)) || exit 1
    mapfile -t slots <names/queue/slots
    slots[put % 4]=$1
    printf '%s\n' "${slots[@]}" >names/queue/slots
    echo $((put + 1)) >names/queue/put
}

# take, in a transaction: prints a job; ends with 1 if there is none, with 2 if none will come.
take() {
    local put taken slots
    read -r put <names/queue/put
    read -r taken <names/queue/taken
    ((put > taken)) || exit $(($(<names/queue/closed) + 1))
    mapfile -t slots <names/queue/slots
    echo $((taken + 1)) >names/queue/taken
    echo "${slots[taken % 4]}"
}
export -f put take

# listen: opens the news of the queue; the first line says that it does listen. The watch ends when
# nobody can read it any more.
listen() {
    waits=0
    exec {news}< <(rainbowfs watch --initial --timeout 600 names/queue)
    read -r <&"$news"
}

# attempt COMMAND: makes it a transaction. When that ends with 1, the next line of news says when to
# try again; it may be there already, since listening began before the first attempt.
attempt() {
    local status
    until rainbowfs atomic -- bash -c "$1"; do
        status=$?
        ((status == 1)) && read -r <&"$news" || return "$status"
        waits=$((waits + 1))
    done
}

# producer NUMBER MOUNT
producer() {
    local i
    cd "$scratch/$2"
    listen
    for ((i = 0; i < jobs; i++)); do
        attempt "put $1$i"
    done
    echo "producer $1|$jobs|$waits" >"$scratch/row.1$1"
}

# consumer NUMBER MOUNT: works until a take ends with 2.
consumer() {
    local status=0
    cd "$scratch/$2"
    listen
    while ((status == 0)); do
        attempt take || status=$?
        sleep 0.02 # Works.
    done >"$scratch/done.$1"
    echo "consumer $1|$(wc -l <"$scratch/done.$1")|$waits" >"$scratch/row.2$1"
    return $((status == 2 ? 0 : status))
}

mount_space queue one
mount_space queue two
cd "$scratch/one"
printf 'int64 put\nint64 taken\nint64 slots[4]\nint64 closed\n' >classes/Queue
mkdir regions/transactional/work
ln -s "../$(rainbowfs new regions/transactional/work Queue)" names/queue

for number in 1 2 3; do
    start consumer $number two
done
producers=()
for number in 1 2; do
    start producer $number one
    producers+=($!)
done
join "${producers[@]}"
echo 1 >names/queue/closed
join
table 'who|jobs|waits' < <(cat "$scratch"/row.*)

expect "each job was done once" "$(printf '%s\n' {1,2}{0..9})" "$(sort "$scratch"/done.*)"
for producer in 1 2; do
    for consumer in 1 2 3; do
        mapfile -t got < <(grep "^$producer" "$scratch/done.$consumer")
        expect "consumer $consumer got jobs of producer $producer in their order" \
            "$(printf '%s\n' "${got[@]}" | sort)" "$(printf '%s\n' "${got[@]}")"
    done
done
expect "the queue is empty" "$(<names/queue/put)" "$(<names/queue/taken)"

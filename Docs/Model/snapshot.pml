/*
 * Old versions for snapshots: committers that save what open snapshots need, readers at a
 * snapshot, sweeping and reuse of records, want of memory, kills. README.md says what each part
 * stands for; check.sh runs all configurations. The phases of a commit that have no part in it
 * are short here, and recovery is one step: commit.pml checks them.
 */

/* ---- Configuration (check.sh sets these) --------------------------------------------- */

#ifndef LINES
#define LINES 2
#endif
#ifndef CHAINS
#define CHAINS 1
#endif
#ifndef RECORDS
#define RECORDS 2       /* old versions that there is memory for */
#endif
#ifndef ENTRIES
#define ENTRIES 2       /* of the snapshot table */
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef WRITES1
#define WRITES1 1       /* lines that committer 1 overwrites, a bit each; 0: no such process */
#endif
#ifndef WRITES2
#define WRITES2 0
#endif
#ifndef LAST1
#define LAST1 WRITES1   /* those that its last commit overwrites */
#endif
#ifndef COMMITS1
#define COMMITS1 2      /* commits of committer 1 */
#endif
#ifndef COMMITS2
#define COMMITS2 1
#endif
#ifndef READS1
#define READS1 3        /* lines that the taker reads at its snapshot */
#endif
#ifndef READS2
#define READS2 0
#endif
#ifndef TAKES1
#define TAKES1 1        /* snapshots of taker 1, one after another */
#endif
#ifndef TAKES2
#define TAKES2 0
#endif
#ifndef GUESTREADS
#define GUESTREADS 0    /* lines that a third process reads at a snapshot that it did not take */
#endif

#ifndef OPENED
#define OPENED 0        /* takers that have their first snapshot from the start */
#endif
#ifndef VICTIMS
#define VICTIMS 30      /* processes that may be killed, a bit each */
#endif
/* RELIEVES: a committer sweeps after each commit.
   MAKES_ROOM: a committer who finds no record frees some. */
#ifndef FRESH
#define FRESH 0         /* lines that nobody has written at the start */
#endif

#define HAS(set, i) (((set) >> (i)) & 1)
#define CHAIN(line) ((line) % CHAINS)
#define noneListed (list[0] == 0 && list[ENTRIES - 1] == 0)

/* ---- Shared memory ------------------------------------------------------------------- */

#define LOCK(slot) (128 | (slot))
#define LOCKED(w) ((w) & 128)
#define SLOT(w) ((w) & 127)
#define IDLE 0
#define LOCKING 1
#define COMMITTED 2
#define PENDING 127     /* an entry whose version is not known yet: stands for every version */
#define STALE 128

typedef Entry {
    byte owner;         /* process, 0 = free */
    byte version;       /* 0 = none */
    byte number         /* tells users of the same entry apart */
}

typedef Record {
    byte sequence;      /* odd while alive */
    byte line;
    byte from;
    byte until;
    byte next;          /* record + 1: of the chain, or of the free list */
    byte left;          /* the data: two halves, so that torn ones show */
    byte right
}

typedef Slot {          /* slot i is of process i + 1 */
    byte phase;
    byte sequence;
    byte ticket;
    byte old[LINES]
}

byte clock = 1;
byte upToDate;          /* bit i: slot i's view has the present epoch */
byte inUse;             /* entries up to the last one in use */
byte tableLock;         /* process that has the lock of the table: the kernel's */
Entry entry[ENTRIES];
Record record[RECORDS];
byte head[CHAINS];
byte free;
byte end;
byte used;
byte word[LINES];
byte left[LINES];       /* the data of a line are the version that wrote them */
byte right[LINES];
Slot slot[2];

/* ---- Life and death; history for the assertions -------------------------------------- */

#define COMMITTER1 1
#define COMMITTER2 2
#define TAKER1 3
#define TAKER2 4
#define GUEST 5
#define CLOSER 6
#define ABSENT 0
#define RUNNING 1
#define DONE 2
#define DEAD 3
byte life[7];
byte kills;
int wrote[LINES];       /* bit v: commit v wrote the line */
byte saving;            /* bit i: slot i is saving a record; nobody must be at a reset */
bool resetting;
byte readUpTo[LINES];   /* someone has seen the line as it was at this version */

#define BETWEEN(low, high) ((1 << (high)) - (2 << (low)))    /* low < bit < high */

/* A reader at version `s` takes `a` and `b` for the halves of line `l`. */
inline saw(l, s, a, b) {
    assert(a == b);                                     /* not torn */
    assert(a == 0 || HAS(wrote[l], a));                 /* committed */
    assert(a <= s && (wrote[l] & BETWEEN(a, s + 1)) == 0);  /* neither too new nor too old */
    if
    :: readUpTo[l] < s -> readUpTo[l] = s
    :: else
    fi
}

/* ---- Recovery of a slot: one step, since nobody looks at what is locked --------------- */

inline recover(c) {
    d_step {
        if
        :: life[c + 1] == DEAD ->
            k = 0;
            do
            :: k < LINES ->
                if
                :: word[k] == LOCK(c) && slot[c].phase == LOCKING -> word[k] = slot[c].old[k]
                :: word[k] == LOCK(c) && slot[c].phase == COMMITTED ->
                    left[k] = slot[c].ticket;
                    right[k] = slot[c].ticket;
                    word[k] = slot[c].ticket
                :: else
                fi;
                k++
            :: else -> break
            od;
            slot[c].phase = IDLE
        :: else
        fi;
        k = 0
    }
}

/* Whoever finds line `l` locked waits, or recovers the dead owner. */
#define WAIT_FOR_LINE \
    :: LOCKED(w) && word[l] != w \
    :: LOCKED(w) && word[l] == w && life[SLOT(w) + 1] == DEAD -> recover(SLOT(w))

/* The first member of `set` from `first` on, or LINES. */
inline goTo(first, set) {
    l = first;
    do
    :: l < LINES && !HAS(set, l) -> l++
    :: else -> break
    od;
    k = 0           /* (spin wants a statement between a loop and the end of a d_step) */
}

#define raiseEpoch upToDate = 0
#define savingEnds saving = saving & (255 - (1 << mine))

/* ---- Committers ---------------------------------------------------------------------- */

/* The newest version that a snapshot needs, entry by entry. */
inline refreshSnapshots() {
    d_step { upToDate = upToDate | (1 << mine); newest = 0; m = 0 };
    d_step { c = inUse };
    do
    :: d_step { m < c ->
            if
            :: entry[m].version < STALE && entry[m].version > newest ->
                newest = entry[m].version
            :: else
            fi;
            m++ }
    :: m >= c -> break
    od;
    atomic { m = 0; c = 0 }
}

inline lookAtEpoch() {
    if
    :: !HAS(upToDate, mine) -> refreshSnapshots()
    :: HAS(upToDate, mine)
    fi
}

/* Gives up the oldest one that is listed. */
inline giveUpOldest() {
#ifdef MUTANT_SWEPT_BEFORE_GIVEN_UP
    d_step {
        m = (list[0] != 0 && (list[ENTRIES - 1] == 0 || list[0] <= list[ENTRIES - 1]) ->
            0 : ENTRIES - 1);
        q = list[m];
        list[m] = 0
    };
    sweepAll();
    d_step { list[m] = q; q = 0; m = 0 };
#endif
    d_step {
        m = (list[0] != 0 && (list[ENTRIES - 1] == 0 || list[0] <= list[ENTRIES - 1]) ->
            0 : ENTRIES - 1);
        if
        :: list[m] != 0 && entry[m].version == list[m] -> entry[m].version = list[m] | STALE
        :: else
        fi;
        m = 0
    };
    d_step { raiseEpoch }
}

/* Gives up all snapshots that may need a line's bytes since `version`, for want of memory. */
inline giveUpSnapshots(notOlderThan) {
#ifndef MUTANT_NOT_GIVEN_UP
    d_step { m = 0; c = inUse };
    do
    :: d_step { m < c ->
            if
            :: entry[m].version != 0 && entry[m].version < STALE &&
               entry[m].version >= notOlderThan ->
                entry[m].version = entry[m].version | STALE
            :: else
            fi;
            m++ }
    :: m >= c -> break
    od;
    atomic { m = 0; c = 0; raiseEpoch };
    refreshSnapshots()
#else
    skip
#endif
}

/* Fills record i with line `l`, and puts it into its chain. */
inline push() {
    d_step {
        record[i - 1].line = l;
        record[i - 1].from = slot[mine].old[l];
        record[i - 1].until = v;
        record[i - 1].left = left[l]
    };
    d_step {
        record[i - 1].right = right[l];
#ifndef MUTANT_LINKED_LATE
        n = head[CHAIN(l)]; record[i - 1].next = n
#endif
    };
#ifndef MUTANT_COUNTED_LATE
    d_step { record[i - 1].sequence = record[i - 1].sequence | 1; used++ };
#else
    d_step { record[i - 1].sequence = record[i - 1].sequence | 1 };
#endif
#ifdef MUTANT_LINKED_LATE
    d_step { n = head[CHAIN(l)]; record[i - 1].next = n };
#endif
    do
    :: d_step { head[CHAIN(l)] == n -> head[CHAIN(l)] = i; n = 0; savingEnds }; break
    :: d_step { head[CHAIN(l)] != n -> n = head[CHAIN(l)]; record[i - 1].next = n }
    od;
    i = 0;
#ifdef MUTANT_COUNTED_LATE
    atomic { used++ };
#endif
}

/* Frees a record for a committer who found none, the lines of the commit still locked: sweeps, gives
   up as many snapshots as need be, the oldest first, and sweeps again. Only if nobody has the
   table's lock. */
inline makeRoom() {
    d_step { tableLock == 0 -> tableLock = me };
    if
    :: free == 0 ->
        dropSnapshotsOfDeadNodes();
        listVersions();
        sweepAll();
        if
        :: free == 0 && !noneListed ->
            giveUpOldest();
            listVersions();
            if
            :: !noneListed -> giveUpOldest(); listVersions()
            :: skip
            fi;
            sweepAll()
        :: free != 0 || noneListed
        fi;
        atomic { list[0] = 0; list[ENTRIES - 1] = 0 }
    :: else
    fi;
    atomic { hasRoom = (free != 0) };
    unlockTable()
}

/* Keeps the bytes of line `l`, which the caller has locked; i is the record. */
inline save() {
    do
    ::
        /* The tagged heads of the free list make taking from it one step. */
        d_step {
            assert(!resetting);
            saving = saving | (1 << mine);
            i = 0;
            if
            :: free != 0 -> i = free; free = record[i - 1].next
            :: free == 0 && end < RECORDS -> end++; i = end
            :: else
            fi
        };
        if
        :: d_step { i == 0 -> savingEnds };
            hasRoom = false;
            if
#ifdef MAKES_ROOM
            :: makeRoom()
#endif
            :: skip         /* others kept the lock for too long */
            fi;
            if
            :: hasRoom -> refreshSnapshots()
            :: else -> giveUpSnapshots(slot[mine].old[l])
            fi;
            if
            :: d_step { hasRoom && slot[mine].old[l] <= newest -> hasRoom = false }
            :: d_step { !hasRoom || slot[mine].old[l] > newest -> hasRoom = false }; break
            fi
        :: else -> push(); break
        fi
    od
}

inline saveOldVersions() {
    if
    :: atomic { newest != 0 -> needed = newest; goTo(0, writes) };
        do
        :: l < LINES ->
            if
#ifdef MUTANT_SAVED_BELOW_NEWEST
            :: slot[mine].old[l] != 0 && slot[mine].old[l] < needed -> save()
#else
            :: slot[mine].old[l] != 0 && slot[mine].old[l] <= needed -> save()
#endif
            :: else
            fi;
            atomic { goTo(l + 1, writes) }
        :: else -> break
        od;
        atomic { needed = 0; l = 0 }
    :: newest == 0
    fi
}

inline commit() {
    d_step {
        slot[mine].sequence++;
        slot[mine].phase = LOCKING;
        goTo(0, writes)
    };
    do
    :: d_step { l < LINES && !LOCKED(word[l]) ->
            slot[mine].old[l] = word[l]; word[l] = LOCK(mine); goTo(l + 1, writes) }
    :: d_step { l < LINES && LOCKED(word[l]) -> w = word[l] };
        if
        WAIT_FOR_LINE
        fi;
        w = 0
    :: l >= LINES -> break
    od;
#ifdef MUTANT_EPOCH_BEFORE_VERSION
    lookAtEpoch();
#endif
    atomic { clock++; v = clock; assert(v < 30); slot[mine].ticket = v };
#ifndef MUTANT_EPOCH_BEFORE_VERSION
    lookAtEpoch();
#endif
#ifndef MUTANT_SAVED_AFTER_COMMITTED
    saveOldVersions();
#endif
    d_step {
        slot[mine].phase = COMMITTED;
        l = 0;
        do
        :: l < LINES ->
            if
            :: HAS(writes, l) -> assert(readUpTo[l] < v); wrote[l] = wrote[l] | (1 << v)
            :: else
            fi;
            l++
        :: else -> break
        od;
        goTo(0, writes)
    };
#ifdef MUTANT_SAVED_AFTER_COMMITTED
    saveOldVersions();
    d_step { goTo(0, writes) };
#endif
    do
    :: d_step { l < LINES -> left[l] = v; right[l] = v; goTo(l + 1, writes) }
    :: l >= LINES -> break
    od;
    atomic { goTo(0, writes) };
    do
    :: d_step { l < LINES -> word[l] = v; goTo(l + 1, writes) }
    :: l >= LINES -> break
    od;
    atomic { slot[mine].phase = IDLE; v = 0; l = 0 };
#ifdef RELIEVES
    relieve();
#endif
}

/* ---- Sweeping: for the holder of the table's lock ------------------------------------- */

inline listVersions() {
    d_step {
        m = 0;
        do
        :: m < ENTRIES ->
            list[m] = (entry[m].version < STALE -> entry[m].version : 0);
            m++
        :: else -> break
        od;
        m = 0
    }
}

#ifdef MUTANT_SWEPT_AT_FROM
#define reads(s, r) (s != 0 && record[r].from < s && s < record[r].until)
#else
#ifdef MUTANT_SWEPT_BEFORE_UNTIL
#define reads(s, r) (s != 0 && record[r].from <= s && s + 1 < record[r].until)
#else
#define reads(s, r) (s != 0 && record[r].from <= s && s < record[r].until)
#endif
#endif
#if ENTRIES == 1
#define isNeeded(r) reads(list[0], r)
#else
#define isNeeded(r) (reads(list[0], r) || reads(list[1], r))
#endif

inline release() {      /* of record f */
    d_step { record[f - 1].sequence++; assert(used > 0); used-- };
    d_step { record[f - 1].next = free; free = f; f = 0 }
}

inline sweepAll() {
    c = 0;
    do
    :: c < CHAINS ->
        d_step { link = 0; i = head[c] };
        do
        :: i != 0 ->
            d_step { n = record[i - 1].next };
            if
            :: isNeeded(i - 1) -> d_step { link = i; i = n }
            :: !isNeeded(i - 1) ->
                d_step {        /* takes it out of the chain */
                    if
                    :: link == 0 && head[c] != i -> i = head[c]
                    :: link == 0 && head[c] == i -> head[c] = n; f = i; i = n
                    :: else -> record[link - 1].next = n; f = i; i = n
                    fi
                };
                if
                :: f != 0 -> release()
                :: else
                fi
            fi
        :: else -> break
        od;
        c++
    :: else -> break
    od;
    atomic { c = 0; n = 0; link = 0; i = 0 }
}

/* Until every commit that is under way has saved what it saves, or is no more. */
inline awaitCommitsUnderWay() {
#ifndef MUTANT_RESET_AT_ONCE
    c = 0;
    do
    :: c < 2 ->
        if
        :: d_step { slot[c].phase == LOCKING -> n = slot[c].sequence };
            if
            :: slot[c].phase != LOCKING || slot[c].sequence != n
            :: slot[c].phase == LOCKING && slot[c].sequence == n && life[c + 1] == DEAD ->
                recover(c)
            fi
        :: slot[c].phase != LOCKING
        fi;
        d_step { c++; n = 0 }
    :: else -> break
    od;
    c = 0
#else
    skip
#endif
}

inline reset() {
    d_step { assert(saving == 0); resetting = true; c = 0 };
    do
    :: d_step { c < CHAINS -> head[c] = 0; c++ }
    :: c >= CHAINS -> break
    od;
    c = 0;
    atomic { free = 0; used = 0; end = 0 };
    if                  /* memory is given back, or not */
    :: d_step {
            c = 0;
            do
            :: c < RECORDS ->
                record[c].sequence = 0; record[c].line = 0; record[c].from = 0;
                record[c].until = 0; record[c].next = 0; record[c].left = 0;
                record[c].right = 0;
                c++
            :: else -> break
            od;
            c = 0
        }
    :: skip
    fi;
    resetting = false
}

inline sweepIfDue() {
    listVersions();
    if
    :: noneListed ->
#ifndef MUTANT_RESET_WITHOUT_EPOCH
        d_step { raiseEpoch };
#endif
        awaitCommitsUnderWay();
        reset()
    :: else -> sweepAll()
    fi;
    d_step { list[0] = 0; list[ENTRIES - 1] = 0 }
}

/* ---- The snapshot table --------------------------------------------------------------- */

inline freeEntry(e) {
    d_step { entry[e].version = 0 };
    d_step { entry[e].owner = 0 };
    d_step {
        do
        :: inUse > 0 && entry[inUse - 1].version == 0 -> inUse--
        :: else -> break
        od;
        k = 0
    };
    d_step { raiseEpoch }
}

#define isLeft(e) entry[e].owner != 0 && (entry[e].version == 0 || life[entry[e].owner] == DEAD)

inline dropSnapshotsOfDeadNodes() {
#if KILLS > 0
    m = 0;
    do
    :: m < ENTRIES && (isLeft(m)) -> freeEntry(m); m++
    :: m < ENTRIES && !(isLeft(m)) -> m++
    :: m >= ENTRIES -> break
    od;
    m = 0
#else
    skip
#endif
}

inline lockTable() { d_step { tableLock == 0 -> tableLock = me } }
inline unlockTable() { d_step { tableLock = 0 } }

/* Sets `at`, `number` and `s`; at == ENTRIES: the table is full. */
inline takeSnapshot() {
    lockTable();
    dropSnapshotsOfDeadNodes();
    d_step {
        at = 0;
        do
        :: at < ENTRIES && entry[at].owner != 0 -> at++
        :: else -> break
        od;
        if
        :: at < ENTRIES -> entry[at].number++; number = entry[at].number
        :: else
        fi
    };
    if
    :: at < ENTRIES ->
#ifdef MUTANT_VERSION_BEFORE_PENDING
        d_step { s = clock };
#endif
        d_step { entry[at].owner = me };
        d_step { entry[at].version = PENDING };
#ifndef MUTANT_ENTRY_BEHIND_END
        d_step { inUse = (at >= inUse -> at + 1 : inUse) };
#endif
#ifndef MUTANT_PENDING_NOT_ANNOUNCED
        d_step { raiseEpoch };
#endif
#ifdef MUTANT_ENTRY_BEHIND_END
        d_step { inUse = (at >= inUse -> at + 1 : inUse) };
#endif
#ifndef MUTANT_VERSION_BEFORE_PENDING
        d_step { s = clock };
#endif
        d_step {
            if
#ifndef MUTANT_GIVEN_UP_OVERWRITTEN
            :: entry[at].version != PENDING -> entry[at].version = s | STALE
#endif
            :: else -> entry[at].version = s
            fi
        };
        d_step { raiseEpoch }
    :: else
    fi;
    unlockTable()
}

inline endSnapshot() {
    lockTable();
    if
    :: (entry[at].version & 127) == s && entry[at].number == number ->
        freeEntry(at);
        sweepIfDue()
    :: else
    fi;
    unlockTable()
}

/* A committer's step towards less memory, if nobody else is at it. */
inline relieve() {
    if
    :: newest != 0 ->
        if
        :: d_step { tableLock == 0 -> tableLock = me };
            dropSnapshotsOfDeadNodes();
            listVersions();
            giveUpOldest();
            listVersions();
            sweepAll();
            d_step { list[0] = 0; list[ENTRIES - 1] = 0 };
            unlockTable()
        :: tableLock != 0
        fi
    :: else
    fi
}

/* ---- Readers at a snapshot ------------------------------------------------------------ */

/* The record of line `l` at version `s`: its data in `a` and `b`, or not `found`. */
inline findOld() {
    d_step { i = head[CHAIN(l)]; found = false };
    do
    :: i != 0 && !found ->
        d_step { q = record[i - 1].sequence };
        if
        :: (q & 1) == 0 -> d_step { i = head[CHAIN(l)] }
        :: else ->
            d_step {
                line = record[i - 1].line;
                n = record[i - 1].next;
                found = (line == l && record[i - 1].from <= s && s < record[i - 1].until)
            };
            if
            :: found -> d_step { a = record[i - 1].left }; d_step { b = record[i - 1].right }
            :: else
            fi;
            d_step {
                if
#ifndef MUTANT_SEQUENCE_NOT_CHECKED
                :: record[i - 1].sequence != q -> found = false; n = 255
#endif
#ifndef MUTANT_CHAIN_NOT_CHECKED
                :: record[i - 1].sequence == q && CHAIN(line) != CHAIN(l) -> n = 255
#endif
                :: else
                fi;
                line = 0; q = 0;
                i = n; n = 0
            };
            if
            :: i == 255 -> d_step { i = head[CHAIN(l)]; a = 0; b = 0 }
            :: else
            fi
        fi
    :: else -> break
    od;
    atomic { i = 0; q = 0 }
}

inline checkMoment() {
#ifndef MUTANT_NOT_CHECKED_AFTER
    d_step { isStale = (entry[at].version != s) };
#ifndef MUTANT_NUMBER_NOT_CHECKED
    d_step { isStale = isStale || (entry[at].number != number) }
#endif
#else
    skip
#endif
}

inline readLines(set) {
    d_step { goTo(0, set) };
    do
    :: d_step { l < LINES && !isStale -> w = word[l] };
        if
        WAIT_FOR_LINE
        :: d_step { !LOCKED(w) && w <= s -> a = left[l]; b = right[l] };
            d_step {
                if
                :: word[l] == w -> saw(l, s, a, b); goTo(l + 1, set)
                :: else
                fi;
                a = 0; b = 0; w = 0
            }
        :: !LOCKED(w) && w > s ->
            w = 0;
            findOld();
            checkMoment();
            d_step {
                if
                :: isStale
                :: !isStale -> saw(l, s, a, b); goTo(l + 1, set)   /* not found: zeros */
                fi;
                a = 0; b = 0; found = false
            }
        fi
    :: l >= LINES || isStale -> break
    od;
    atomic { l = 0; w = 0 }
}

/* ---- Processes ------------------------------------------------------------------------ */

inline forget() {       /* private values that no longer matter would only make more states */
    s = 0; at = 0; number = 0; isStale = false; found = false; hasRoom = false; newest = 0; needed = 0;
    v = 0; l = 0; w = 0; i = 0; n = 0; q = 0; line = 0; a = 0; b = 0;
    k = 0; m = 0; c = 0; f = 0; link = 0; list[0] = 0; list[ENTRIES - 1] = 0
}

#define PRIVATE \
    byte s, at, number, newest, needed, v, l, w, i, n, q, line, a, b; \
    byte k, m, c, f, link; \
    byte list[ENTRIES]; \
    bool isStale, found, hasRoom

proctype Committer(byte me; byte mine; byte writes; byte times) {
    PRIVATE;
    {
        do
        :: times > 0 ->
            d_step {
                times--;
                if
                :: me == COMMITTER1 && times == 0 -> writes = LAST1
                :: else
                fi
            };
            commit()
        :: else -> break
        od;
        atomic { life[me] = DONE; forget() }
    } unless { d_step { life[me] == DEAD -> forget(); times = 0 } }
}

proctype Taker(byte me; byte set; byte times) {
    byte first = times;
    PRIVATE;
    {
        do
        :: times > 0 ->
            if
            :: me < TAKER1 + OPENED && times == first ->
                atomic { s = 1; number = 1; at = me - TAKER1 }
            :: else -> takeSnapshot()
            fi;
            if
            :: at < ENTRIES -> readLines(set); endSnapshot()
            :: else
            fi;
            d_step { times--; forget() }
        :: else -> break
        od;
        atomic { life[me] = DONE; forget() }
    } unless { d_step { life[me] == DEAD -> forget(); times = 0 } }
}

#if GUESTREADS
/* Reads at a snapshot that another process took, and may end or leave at any time. */
proctype Guest(byte me) {
    PRIVATE;
    if
    :: d_step {
            entry[0].version != 0 && entry[0].version < PENDING ->
            s = entry[0].version; number = entry[0].number
        };
        readLines(GUESTREADS)
    :: life[TAKER1] >= DONE
    fi;
    atomic { life[me] = DONE; forget() }
}
#endif

inline die(p) {         /* the kernel drops the lock of a process that is gone */
    life[p] = DEAD;
    kills++;
    saving = saving & (255 - (1 << (p - 1)));
    if
    :: tableLock == p -> tableLock = 0; resetting = false
    :: else
    fi
}

#define mayDie(p) (kills < KILLS && HAS(VICTIMS, p) && life[p] == RUNNING)

proctype Killer() {
end_quiet:
    do
    :: d_step { mayDie(COMMITTER1) -> die(COMMITTER1) }
    :: d_step { mayDie(COMMITTER2) -> die(COMMITTER2) }
    :: d_step { mayDie(TAKER1) -> die(TAKER1) }
    :: d_step { mayDie(TAKER2) -> die(TAKER2) }
    od
}

#define over(p) (life[p] != RUNNING)
#define nothingLeft (head[0] == 0 && head[CHAINS - 1] == 0 && used == 0 && free == 0 && end == 0)

/* When all are done or dead: looks at what is left, recovers, and takes the last snapshot. */
proctype Closer(byte me) {
    PRIVATE;
    atomic {
    (over(COMMITTER1) && over(COMMITTER2) && over(TAKER1) && over(TAKER2) && over(GUEST));
    assert(kills > 0 || nothingLeft);
    recover(0);
    recover(1);
    lockTable();
    dropSnapshotsOfDeadNodes();
    unlockTable();
    d_step {
        assert(entry[0].version == 0 && entry[ENTRIES - 1].version == 0);
        assert(entry[0].owner == 0 && entry[ENTRIES - 1].owner == 0);
        assert(tableLock == me || tableLock == 0);
        do
        :: l < LINES ->
            assert(!LOCKED(word[l]) && word[l] == left[l] && left[l] == right[l]);
            l++
        :: else -> break
        od;
        l = 0
    };
    takeSnapshot();
    endSnapshot();
    assert(nothingLeft);
    forget() }
}

#define begin(p, condition) life[p] = (condition -> RUNNING : ABSENT)

init {
    byte l;
    d_step {
        do
        :: l < LINES ->
            if
            :: !HAS(FRESH, l) -> word[l] = 1; left[l] = 1; right[l] = 1; wrote[l] = 2
            :: else
            fi;
            l++
        :: else -> break
        od;
        l = 0;
        do
        :: inUse < OPENED ->
            entry[inUse].owner = TAKER1 + inUse;
            entry[inUse].version = 1;
            entry[inUse].number = 1;
            inUse++
        :: else -> break
        od;
        begin(COMMITTER1, WRITES1 != 0);
        begin(COMMITTER2, WRITES2 != 0);
        begin(TAKER1, TAKES1 != 0);
        begin(TAKER2, TAKES2 != 0);
        begin(GUEST, GUESTREADS != 0)
    };
    atomic {
#if WRITES1
        run Committer(COMMITTER1, 0, WRITES1, COMMITS1);
#endif
#if WRITES2
        run Committer(COMMITTER2, 1, WRITES2, COMMITS2);
#endif
#if TAKES1
        run Taker(TAKER1, READS1, TAKES1);
#endif
#if TAKES2
        run Taker(TAKER2, READS2, TAKES2);
#endif
#if GUESTREADS
        run Guest(GUEST);
#endif
#if KILLS > 0
        run Killer();
#endif
        run Closer(CLOSER)
    }
}

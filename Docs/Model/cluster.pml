/* Two machines that share two lines over one log: the rule of Sources/Core/Cluster/Meld.swift, and what a
   sequencer has to do around it. Answers are lost, requests arrive late, sequencers and machines are killed,
   epochs end and are fenced, the log is trimmed to checkpoints. See README.md.

   A transaction reads both lines and adds 1 to one of them, if their sum is less than BOUND; with PARTS it adds
   1 to both, and one of the writes is sent before, as a part. A position is an index of the log: each record has
   one transaction at most. Each step is one call of the store, or of nobody else's concern. */

#ifndef LEN
#define LEN 4           /* records that the log takes */
#endif
#ifndef WINDOW
#define WINDOW 9        /* records: more than there are */
#endif
#ifndef BOUND
#define BOUND 2
#endif
#ifndef KILLS
#define KILLS 0         /* sequencers that are killed */
#endif
#ifndef LOSSES
#define LOSSES 0        /* machines that are killed with their replica */
#endif
#ifndef LATE
#define LATE 0          /* requests that arrive later than their sender waits */
#endif
#ifndef ENDS
#define ENDS 0          /* epochs that end without their machine's doing */
#endif
#ifndef CHECKPOINTS
#define CHECKPOINTS 0
#endif
#ifndef CLAIMS
#define CLAIMS 0
#endif
#ifndef STRICT
#define STRICT 0        /* 1: strict reads */
#endif

#define JOIN 1
#define INTENTION 2
#define PART 3
#define CLAIM 4
#define FENCE 5

#define OVER 255        /* the number of a machine whose epoch is over */

typedef Record {
    byte sender, epoch, number, kind;
    byte stamp;         /* of a fence: the epoch that is over */
    byte line;
    byte value[2];
    bit parted
}

/* What the rule keeps (Meld). */
typedef Rule {
    byte epoch[2], number[2];
    byte newest[2];     /* the position that wrote each line last, within the window; else 0 */
    byte claimant;      /* machine + 1 */
    byte part[2];       /* where the part is that a machine has sent */
    byte decided[2]     /* where the newest intention of a machine is */
}

/* ---- The store: what etcd has ---- */
Record log[LEN + 1];
byte top = 0;
byte tail[2];           /* the newest record of each machine */
byte member[2];         /* the epoch of each machine; 0: it is over */
byte lastEpoch = 1;
byte trimmed = 0;       /* records up to here are gone */
byte pageValue[2], pageVersion[2];
byte checkpointAt = 0;
Rule checkpointRule;
bit turn = 0;           /* somebody makes a checkpoint */
Record late[2];         /* a request that is under way, and its tail */
byte lateTail[2];

/* ---- The reference: the rule over all records, when they are appended ---- */
Rule whole;
bit verdict[LEN + 1], counts[LEN + 1];
typedef Lines { byte value[2], version[2] }
Lines at[LEN + 1];
byte commits[2];        /* times that the transaction of a machine's worker has committed */
byte acknowledged = 0;  /* the newest position that anybody acknowledged */
byte kills = KILLS, losses = LOSSES, lates = LATE, ends = ENDS, checkpoints = CHECKPOINTS, claims = CLAIMS;

#ifdef MUTANT_ONE_LINE_COMPARED
#define UNCHANGED(r, i) (r.newest[log[i].line] <= log[i].stamp)
#else
#define UNCHANGED(r, i) (r.newest[0] <= log[i].stamp && r.newest[1] <= log[i].stamp)
#endif
#ifdef MUTANT_WINDOW_NOT_COMPARED
#define IN_WINDOW(position, i) true
#else
#define IN_WINDOW(position, i) (position + WINDOW >= i - 1)
#endif
#ifdef MUTANT_CLAIM_IGNORED
#define ALLOWED(r, m) true
#else
#define ALLOWED(r, m) (r.claimant == 0 || r.claimant == m + 1)
#endif
#ifdef MUTANT_PART_NOT_ASKED_FOR
#define HAS_PART(r, i) true
#else
#define HAS_PART(r, i) (!log[i].parted || (r.part[log[i].sender] != 0 && r.part[log[i].sender] + WINDOW >= i))
#endif
#ifdef MUTANT_NUMBER_NOT_COMPARED
#define NUMBER_IS_NEW(r, i) (r.number[log[i].sender] != OVER)
#else
#define NUMBER_IS_NEW(r, i) (log[i].number > r.number[log[i].sender])
#endif
#ifdef MUTANT_EPOCH_NOT_COMPARED
#define EPOCH_HOLDS(r, i) true
#else
#define EPOCH_HOLDS(r, i) (log[i].epoch == r.epoch[log[i].sender])
#endif

inline endEpoch(r, m) {
    r.part[m] = 0;
#ifndef MUTANT_CLAIM_LEFT
    if :: r.claimant == m + 1 -> r.claimant = 0 :: else fi
#endif
}

/* Melds record i: sets `counted` and `committed`. */
inline meld(r, i) {
    counted = 0; committed = 0;
    if
    :: log[i].kind == JOIN && log[i].epoch > r.epoch[log[i].sender] ->
        counted = 1;
        r.epoch[log[i].sender] = log[i].epoch;
        endEpoch(r, log[i].sender)
    :: log[i].kind != JOIN && EPOCH_HOLDS(r, i) && NUMBER_IS_NEW(r, i) -> counted = 1
    :: else
    fi;
    if
    :: counted ->
        r.number[log[i].sender] = log[i].number;
        if
        :: log[i].kind == INTENTION ->
            committed = (ALLOWED(r, log[i].sender) && IN_WINDOW(log[i].stamp, i) && UNCHANGED(r, i) && HAS_PART(r, i));
            if :: r.claimant == log[i].sender + 1 -> r.claimant = 0 :: else fi;
            if
            :: committed ->
                r.newest[log[i].line] = i;
                if :: log[i].parted -> r.newest[1 - log[i].line] = i :: else fi
            :: else
            fi;
            r.part[log[i].sender] = 0;
            r.decided[log[i].sender] = i
        :: log[i].kind == PART -> r.part[log[i].sender] = i
        :: log[i].kind == CLAIM ->
            if :: r.claimant == 0 -> r.claimant = log[i].sender + 1 :: else fi
        :: log[i].kind == FENCE && r.epoch[1 - log[i].sender] == log[i].stamp ->
            r.number[1 - log[i].sender] = OVER;
            endEpoch(r, 1 - log[i].sender)
        :: else
        fi
    :: else
    fi;
    /* What leaves the window is not kept. */
    if :: r.newest[0] != 0 && r.newest[0] + WINDOW <= i -> r.newest[0] = 0 :: else fi;
    if :: r.newest[1] != 0 && r.newest[1] + WINDOW <= i -> r.newest[1] = 0 :: else fi
}

/* Appends what `record` has, and lets the reference decide it. */
inline put(record) {
    top = top + 1;
    log[top].sender = record.sender; log[top].epoch = record.epoch; log[top].number = record.number;
    log[top].kind = record.kind; log[top].stamp = record.stamp; log[top].line = record.line;
    log[top].value[0] = record.value[0]; log[top].value[1] = record.value[1];
    log[top].parted = record.parted;
    holder = whole.claimant;
    part = whole.part[record.sender];
    meld(whole, top);
    counts[top] = counted; verdict[top] = committed;
    at[top].value[0] = at[top - 1].value[0]; at[top].value[1] = at[top - 1].value[1];
    at[top].version[0] = at[top - 1].version[0]; at[top].version[1] = at[top - 1].version[1];
    if
    :: committed ->
        /* No lost update, no write skew, no half of a transaction, nothing beside a claim, nothing twice. */
        assert(log[top].value[log[top].line] == at[top].value[log[top].line] + 1);
        at[top].value[log[top].line] = log[top].value[log[top].line];
        at[top].version[log[top].line] = top;
        if
        :: log[top].parted ->
            assert(part != 0 && part + WINDOW >= top);
            assert(log[part].value[1 - log[top].line] == at[top].value[1 - log[top].line] + 1);
            at[top].value[1 - log[top].line] = log[part].value[1 - log[top].line];
            at[top].version[1 - log[top].line] = top
        :: else
        fi;
        assert(at[top].value[0] + at[top].value[1] <= BOUND);
        assert(holder == 0 || holder == log[top].sender + 1);
        commits[record.sender] = commits[record.sender] + 1;
        assert(commits[record.sender] == 1)
    :: else
    fi;
    /* Who holds a claim can end it. */
    assert(whole.claimant == 0 || whole.number[whole.claimant - 1] != OVER);
    holder = 0; part = 0; counted = 0; committed = 0
}

inline clear(record) {
    record.sender = 0; record.epoch = 0; record.number = 0; record.kind = 0; record.stamp = 0; record.line = 0;
    record.value[0] = 0; record.value[1] = 0; record.parted = 0
}

inline copyRule(to, from) {
    to.epoch[0] = from.epoch[0]; to.epoch[1] = from.epoch[1];
    to.number[0] = from.number[0]; to.number[1] = from.number[1];
    to.newest[0] = from.newest[0]; to.newest[1] = from.newest[1];
    to.claimant = from.claimant;
    to.part[0] = from.part[0]; to.part[1] = from.part[1];
    to.decided[0] = from.decided[0]; to.decided[1] = from.decided[1]
}

#define IDLE 0
#define PROPOSED 1
#define SENT 2

#ifdef PARTS
#define ROOM 2
#else
#define ROOM 1
#endif
#ifdef MUTANT_READ_BETWEEN_PAGES
#define READABLE true
#else
#define READABLE (position >= fetched)
#endif
#ifdef MUTANT_APPLIED_OVER_NEWER
#define OLDER(version) true
#else
#define OLDER(version) (version < melded)
#endif

inline forgetTransaction() { worker = IDLE; readAt = 0; line = 0; partSent = 0; sentEpoch = 0; sentNumber = 0 }

/* A transaction that runs again, or is acknowledged as lost, must not have committed. */
inline lose() { assert(commits[me] == 0); forgetTransaction() }

inline acknowledge(index) {
    assert(commits[me] == 1);
    commits[me] = 0;
    if :: index > acknowledged -> acknowledged = index :: else fi;
    forgetTransaction()
}

/* What an older epoch sent and is not here will never be. */
inline proposeAgain() { if :: worker == SENT -> worker = PROPOSED :: else fi }

inline newRecord(itsKind) {
    number = number + 1;
    sent.sender = me; sent.epoch = epoch; sent.number = number; sent.kind = itsKind
}

/* A sequencer begins: a new epoch, and a join after the newest record of its machine. */
inline start() {
    clear(sent);
    lastEpoch = lastEpoch + 1; epoch = lastEpoch; member[me] = epoch;
    own = tail[me]; number = 0; joined = 0; partSent = 0; need = 0; mustSee = 0;
    if :: making != 0 -> making = 0; makingAt = 0; turn = 0 :: else fi;
    newRecord(JOIN);
#ifdef MUTANT_PROPOSED_AGAIN_EARLY
    proposeAgain()
#endif
}

/* Whether its own records have come back. */
inline noteOwn() {
    if
    :: !joined && rule.epoch[me] == epoch -> joined = 1; proposeAgain()
    :: else
    fi;
    if
    :: sent.kind != 0 && rule.epoch[me] == epoch && rule.number[me] >= sent.number ->
        own = tail[me]; clear(sent)
    :: else
    fi
}

/* Begins with the state of the checkpoint. */
inline begin() {
    copyRule(rule, checkpointRule);
    melded = checkpointAt;
    /* The lines of the window are not in the checkpoint: its records are melded again. */
    rule.newest[0] = 0; rule.newest[1] = 0;
#ifndef MUTANT_WINDOW_FORGOTTEN
    j = (checkpointAt > WINDOW -> checkpointAt - WINDOW : 0);
    assert(j >= trimmed);
    do
    :: j < checkpointAt ->
        j = j + 1;
        if
        :: verdict[j] && j + WINDOW > checkpointAt ->
            rule.newest[log[j].line] = j;
            if :: log[j].parted -> rule.newest[1 - log[j].line] = j :: else fi
        :: else
        fi
    :: else -> break
    od;
    j = 0
#endif
}

proctype Machine(byte me) {
    /* The replica and its worker, which outlive the sequencer. */
    byte value[2], version[2];
    byte position = 0;              /* what is applied */
    byte fetched = 0;               /* lines as new as this were fetched */
    byte worker = IDLE;
    byte readAt = 0, line = 0;
    byte sentEpoch = 0, sentNumber = 0;     /* the record with its transaction */
    /* The sequencer. */
    Rule rule;
    byte melded = 0;
    byte epoch = 1, number = 0;
    byte own = 0;                   /* its newest record when it sent `sent` first */
    bit joined = 1;
    bit isNew = 0;                  /* a new replica, which has nothing */
    bit partSent = 0;
    Record sent;                    /* what it sends; kind 0: nothing */
    byte need = 0, mustSee = 0;     /* a strict read: what it waits for, and what it has to see */
    byte making = 0, makingAt = 0;  /* a checkpoint: steps that are done, and its index */
    Rule makingRule;
    bit counted, committed;
    byte holder, part, j;

    rule.epoch[0] = 1; rule.epoch[1] = 1;
end:
    do
    /* Takes the next record of the log. */
    :: d_step { !isNew && melded < top && melded >= trimmed ->
        melded = melded + 1;
        part = rule.part[log[melded].sender];
        meld(rule, melded);
        assert(committed == verdict[melded] && counted == counts[melded]);
        if
        :: committed ->
            if
            :: OLDER(version[log[melded].line]) ->
                value[log[melded].line] = log[melded].value[log[melded].line];
                version[log[melded].line] = melded
            :: else
            fi;
            if
            :: log[melded].parted && OLDER(version[1 - log[melded].line]) ->
                value[1 - log[melded].line] = log[part].value[1 - log[melded].line];
                version[1 - log[melded].line] = melded
            :: else
            fi
        :: else
        fi;
        if :: melded > position -> position = melded :: else fi;
        /* All machines have the same at the same position. */
        if
        :: READABLE -> assert(value[0] == at[position].value[0] && value[1] == at[position].value[1])
        :: else
        fi;
        if
        :: worker == SENT && counted && log[melded].sender == me && log[melded].epoch == sentEpoch &&
            log[melded].number == sentNumber ->
            if :: committed -> acknowledge(melded) :: else -> lose() fi
        :: else
        fi;
        noteOwn();
        part = 0; counted = 0; committed = 0
       }
    /* What it needs is gone from the log, or it is new: it begins with the checkpoint. */
    :: d_step { isNew || melded < trimmed ->
        isNew = 0;
        begin();
        if :: pageVersion[0] > version[0] -> value[0] = pageValue[0]; version[0] = pageVersion[0] :: else fi;
        if :: pageVersion[1] > version[1] -> value[1] = pageValue[1]; version[1] = pageVersion[1] :: else fi;
        if :: checkpointAt > fetched -> fetched = checkpointAt :: else fi;
        if :: version[0] > fetched -> fetched = version[0] :: else fi;
        if :: version[1] > fetched -> fetched = version[1] :: else fi;
        if :: melded > position -> position = melded :: else fi;
        if
        :: READABLE -> assert(value[0] == at[position].value[0] && value[1] == at[position].value[1])
        :: else
        fi;
#ifndef MUTANT_VERDICT_NOT_TAKEN
        /* A verdict whose record may be gone. */
        j = rule.decided[me];
        if
        :: worker == SENT && j != 0 && log[j].epoch == sentEpoch && log[j].number == sentNumber ->
            if :: verdict[j] -> acknowledge(j) :: else -> lose() fi
        :: else
        fi;
        j = 0;
#endif
        noteOwn()
       }
    /* A worker reads both lines. */
    :: d_step { !isNew && worker == IDLE && READABLE && top < LEN && value[0] + value[1] + ROOM <= BOUND ->
        worker = PROPOSED; readAt = position; line = me }
    :: d_step { !isNew && worker == IDLE && READABLE && top < LEN && value[0] + value[1] + ROOM <= BOUND ->
        worker = PROPOSED; readAt = position; line = 1 - me }
    /* The sequencer compares what was read, stamps it and makes a record. */
    :: d_step { !isNew && worker == PROPOSED && joined && sent.kind == 0 && position == melded && READABLE &&
        melded >= trimmed && top < LEN ->
        if
#ifndef MUTANT_READS_NOT_COMPARED_AGAIN
        :: version[0] > readAt || version[1] > readAt -> lose()
#endif
        :: else ->
#ifdef PARTS
            if
            :: !partSent ->
                newRecord(PART);
                sent.value[1 - line] = value[1 - line] + 1;
                partSent = 1
            :: else ->
                newRecord(INTENTION);
                sent.parted = 1
            fi;
#else
            newRecord(INTENTION);
#endif
            if
            :: sent.kind == INTENTION ->
                sent.stamp = melded;
                sent.line = line;
                sent.value[line] = value[line] + 1;
                worker = SENT; partSent = 0; sentEpoch = epoch; sentNumber = number
            :: else
            fi
        fi
       }
    /* It claims the space for its worker. */
    :: d_step { claims > 0 && !isNew && joined && sent.kind == 0 && worker == PROPOSED && !partSent && top < LEN ->
        claims = claims - 1;
        newRecord(CLAIM) }
    /* It sends, again and again; the answer may come or be lost. */
    :: d_step { !isNew && sent.kind != 0 && top < LEN && member[me] == epoch && tail[me] == own ->
        put(sent); tail[me] = top;
#ifdef MUTANT_ACKNOWLEDGED_AT_APPEND
        if :: sent.kind == INTENTION -> assert(verdict[top]) :: else fi
#endif
       }
    :: d_step { lates > 0 && late[me].kind == 0 && sent.kind != 0 ->
        lates = lates - 1;
        late[me].sender = me; late[me].epoch = epoch; late[me].number = sent.number; late[me].kind = sent.kind;
        late[me].stamp = sent.stamp; late[me].line = sent.line; late[me].parted = sent.parted;
        late[me].value[0] = sent.value[0]; late[me].value[1] = sent.value[1];
        lateTail[me] = own }
    /* What comes late. A careless store compares nothing then: the rule alone has to know it. */
    :: d_step { late[me].kind != 0 && top < LEN ->
        if
#ifdef CARELESS
        :: late[me].epoch != epoch || late[me].number < number || sent.kind == 0 || tail[me] != own -> put(late[me])
#else
        :: member[me] == late[me].epoch && tail[me] == lateTail[me] -> put(late[me]); tail[me] = top
#endif
        :: else
        fi;
        clear(late[me]); lateTail[me] = 0 }
    /* Its epoch is over, as it learns from the store or from the log. */
    :: d_step { !isNew && top < LEN && (member[me] != epoch || rule.number[me] == OVER && rule.epoch[me] == epoch) ->
        start() }
    :: d_step { !isNew && top < LEN && kills > 0 -> kills = kills - 1; start() }
    /* The next sequencer may begin with an older state of the rule than the lines have; readers go on. */
    :: d_step { !isNew && top < LEN && kills > 0 && melded > checkpointAt -> kills = kills - 1; start(); begin() }
    /* The machine is lost with its replica; another takes its number, where a real one gets a new one. */
    :: d_step { !isNew && top < LEN && losses > 0 && late[me].kind == 0 ->
        losses = losses - 1;
        start();
        forgetTransaction();
        commits[me] = 0;
        value[0] = 0; value[1] = 0; version[0] = 0; version[1] = 0;
        position = 0; fetched = 0; melded = 0;
        isNew = 1 }
    /* The epoch of the other one ends; then it is fenced. */
    :: d_step { ends > 0 && top < LEN && member[1 - me] != 0 -> ends = ends - 1; member[1 - me] = 0 }
    :: d_step { ENDS > 0 && !isNew && joined && sent.kind == 0 && !partSent && top < LEN && rule.number[1 - me] != OVER &&
        rule.epoch[1 - me] != member[1 - me] ->
        newRecord(FENCE);
        sent.stamp = rule.epoch[1 - me] }
    /* A read that sees all that was acknowledged before it began, of any machine. */
    :: d_step { STRICT && !isNew && need == 0 && mustSee == 0 && acknowledged > position ->
        mustSee = acknowledged;
#ifndef MUTANT_STRICT_NOT_ASKED
        need = top
#endif
       }
    :: d_step { STRICT && !isNew && mustSee != 0 && melded >= need && READABLE ->
        assert(position >= mustSee);
        need = 0; mustSee = 0 }
    /* It makes a checkpoint: the rule, then the lines as they are by then. */
    :: d_step { checkpoints > 0 && !isNew && joined && !turn && making == 0 && position == melded && READABLE &&
        melded > checkpointAt ->
        checkpoints = checkpoints - 1; turn = 1; making = 1;
        copyRule(makingRule, rule); makingAt = melded }
    :: d_step { making == 1 || making == 2 ->
        pageValue[making - 1] = value[making - 1]; pageVersion[making - 1] = version[making - 1];
        making = making + 1 }
    :: d_step { making == 3 ->
#ifdef MUTANT_CHECKPOINT_AFTER_PAGES
        copyRule(makingRule, rule); makingAt = melded;
#endif
        copyRule(checkpointRule, makingRule);
        checkpointAt = makingAt;
#ifdef MUTANT_WINDOW_TRIMMED
        trimmed = makingAt;
#else
        trimmed = (makingAt > WINDOW -> makingAt - WINDOW : 0);
#endif
        making = 0; makingAt = 0; turn = 0;
        makingRule.epoch[0] = 0; makingRule.epoch[1] = 0; makingRule.number[0] = 0; makingRule.number[1] = 0;
        makingRule.newest[0] = 0; makingRule.newest[1] = 0; makingRule.claimant = 0;
        makingRule.part[0] = 0; makingRule.part[1] = 0; makingRule.decided[0] = 0; makingRule.decided[1] = 0 }
    od
}

init {
    atomic {
        member[0] = 1; member[1] = 1; whole.epoch[0] = 1; whole.epoch[1] = 1;
        checkpointRule.epoch[0] = 1; checkpointRule.epoch[1] = 1;
        run Machine(0); run Machine(1)
    }
}

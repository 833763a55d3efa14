/*
 * The commit protocol of RainbowFS, with processes that are killed at any step and with
 * recovery. README.md says what each part stands for; check.sh runs all configurations.
 *
 * A `d_step` is one access to shared memory together with the private work around it.
 * (An `atomic` is the same, where spin does not let a loop end in front of a d_step.)
 */

#include "memory.inc"
#include "recovery.inc"
#include "phases.inc"
#include "transaction.inc"

/* ---- Processes ---------------------------------------------------------------------- */

inline forget() {       /* private values that no longer matter would only make more states */
    rv = 0; wv = 0; readSet = 0; held = 0; conflict = false; chosen = false; yielded = false; w = 0; half = 0;
    gaveBack = false;
    newest = 0;
    restarts = 0; l = 0; k = 0; n = 0; t = 0; e = 0; corpse = 0; previous = 0; ph = 0; q = 0;
    got[0] = 0; got[1] = 0; got[LINES - 1] = 0; seen[0] = 0; seen[1] = 0; seen[LINES - 1] = 0
}

#define PRIVATE \
    byte rv, wv, readSet, held, w, half, newest, restarts, l, k, n, t, e, other; \
    byte corpse, previous, ph, q; \
    byte got[LINES], seen[LINES]; \
    bool conflict, chosen, yielded, gaveBack

proctype Worker(byte me; byte mine; byte kind; byte times) {
    PRIVATE;
    {
        do
        :: times > 0 -> transact()
        :: else -> break
        od;
        atomic { life[me] = DONE; forget() }
    } unless { d_step { life[me] == DEAD -> forget(); times = 0; kind = 0; mine = 0 } }
}

#ifdef ATTACHES
/* Comes after a kill, recovers what it finds, and works with a slot that became free. */
proctype Attacher(byte me; byte kind) {
    byte mine, times;
    PRIVATE;
end_nobodyDied:
    (kills > 0);
    d_step {
        life[me] = RUNNING;
#if defined(MUTANT_NODE_NUMBER_REUSED) || defined(MUTANT_RECOVERER_WITHOUT_GENERATION)
        reused = (life[2] == DEAD)
#endif
    };
    {
        recoverAll();
        mine = 0;
        do
        :: mine < SLOTS ->
            d_step {
                if
                :: slot[mine].owner == 0 -> slot[mine].owner = me; half = 1
                :: else -> mine++
                fi
            };
            if
            :: half == 1 -> half = 0; break
            :: else
            fi
        :: else -> break
        od;
        if
        :: mine < SLOTS -> transact()
        :: else
        fi;
        d_step { life[me] = DONE; forget(); mine = 0 }
    } unless { d_step { life[me] == DEAD -> forget(); mine = 0; kind = 0 } }
}
#endif

#ifdef CONSUMER
#include "consumer.inc"
#endif

proctype Killer() {
    byte victim;
end:
    do
    :: d_step { kills < KILLS && life[1] == RUNNING -> life[1] = DEAD; kills++ }
    :: d_step { kills < KILLS && life[2] == RUNNING -> life[2] = DEAD; kills++ }
#if WORKERS > 2
    :: d_step { kills < KILLS && life[3] == RUNNING -> life[3] = DEAD; kills++ }
#endif
#ifdef ATTACHES
    :: d_step { kills < KILLS && life[ATTACHER] == RUNNING -> life[ATTACHER] = DEAD; kills++ }
#endif
    od
}

#define over(n) (life[n] >= DONE)
/* When all are done or dead: the last one attaches, recovers and looks at what is left. */
proctype Closer(byte me) {
    PRIVATE;
    byte mine, kind;
    (over(1) && over(2)
#if WORKERS > 2
        && over(3)
#endif
#ifdef ATTACHES
        && (over(ATTACHER) || kills == 0)
#endif
    );
    recoverAll();
    d_step {
        do
        :: l < LINES ->
            assert(!LOCKED(word[l]));
            assert(amount[l] == balance[l]);
            assert((wrote[l] >> stamp[l]) == 1 || (stamp[l] == 0 && wrote[l] == 0));
            l++
        :: else -> break
        od;
        l = 0;
        do
        :: l < SLOTS ->
            assert(slot[l].owner == 0 || alive(slot[l].owner));
            assert(slot[l].phase == IDLE && slot[l].ticket == 0);
            l++
        :: else -> break
        od;
        assert(serial == 0);
        assert(sumHolds(amount));
        life[me] = DONE;
        forget()
    }
}

init {
    byte i;
    d_step {
        do
        :: i < LINES -> amount[i] = OPENING; balance[i] = OPENING; i++
        :: else -> break
        od;
        i = 0;
        do
        :: i < WORKERS ->
            life[i + 1] = RUNNING;
            if
            :: i < SLOTS -> slot[i].owner = i + 1
            :: else
            fi;
            i++
        :: else -> break
        od;
        i = 0
    };
    atomic {
        run Worker(1, 0, KIND1, TIMES);
        run Worker(2, 1, KIND2, 1);
#if WORKERS > 2
        run Worker(3, 2, KIND3, 1);
#endif
#ifdef ATTACHES
        run Attacher(ATTACHER, KIND4);
#endif
#ifdef CONSUMER
        run Consumer(READER);
#endif
#if KILLS > 0
        run Killer();
#endif
        run Closer(CLOSER)
    }
}

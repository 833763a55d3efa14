// See stm.h for what this is.
//
// Memory is covered by a table of lock words, one for each 8-byte word, modulo the table.
// A lock word is `version << 1` when free and `address of the owner | 1` when locked. The owner
// alone changes a locked word; readers load word, value, word, and trust the value only if both
// words are the same free one. Values are stored before the word that makes them visible.

#include "measure.h"

#include "stm.h"

#include <stdalign.h>
#include <stdbool.h>

enum {
    LOCKS = 1 << 20,
    READS_MAX = 4096,
    WRITES_MAX = 64,
    ABORTS_BEFORE_YIELD = 64,
};

struct read_entry {
    stm_word *lock;
    uint64_t seen;
};

struct write_entry {
    stm_word *address;
    uint64_t value;
    stm_word *lock;
    uint64_t lock_before;
    bool took_lock; ///< false for a second word under a lock that is already held
};

struct stm_sets {
    alignas(CACHE_LINE_BYTES) uint64_t snapshot;
    unsigned reads_count;
    unsigned writes_count;
    struct write_entry writes[WRITES_MAX];
    struct read_entry reads[READS_MAX];
};

static alignas(CACHE_LINE_BYTES) stm_word version_clock;
static alignas(CACHE_LINE_BYTES) stm_word locks[LOCKS];

static stm_word *lock_of(const stm_word *address)
{
    return &locks[((uintptr_t)address >> 3) & (LOCKS - 1)];
}

static bool is_locked(uint64_t word)
{
    return word & 1;
}

static uint64_t locked_by(const struct stm_sets *sets)
{
    return (uintptr_t)sets | 1;
}

struct stm_transaction *stm_open(void)
{
    struct stm_transaction *transaction = allocate_zeroed(1, sizeof *transaction);
    transaction->sets = aligned_alloc(alignof(struct stm_sets), sizeof *transaction->sets);
    if (transaction->sets == NULL)
        fail("out of memory");
    return transaction;
}

void stm_close(struct stm_transaction *transaction)
{
    free(transaction->sets);
    free(transaction);
}

void stm_begin(struct stm_transaction *transaction)
{
    struct stm_sets *sets = transaction->sets;
    sets->snapshot = atomic_load_explicit(&version_clock, memory_order_acquire);
    sets->reads_count = 0;
    sets->writes_count = 0;
}

/// The word that a lock held by this transaction had before.
static uint64_t word_before(const struct stm_sets *sets, const stm_word *lock)
{
    for (unsigned i = 0; i < sets->writes_count; i++) {
        if (sets->writes[i].lock == lock)
            return sets->writes[i].lock_before;
    }
    fail("a lock without an entry");
}

/// True if nothing that was read has changed since.
static bool validate(const struct stm_sets *sets)
{
    for (unsigned i = 0; i < sets->reads_count; i++) {
        const struct read_entry *read = &sets->reads[i];
        uint64_t word = atomic_load_explicit(read->lock, memory_order_acquire);
        if (word == locked_by(sets))
            word = word_before(sets, read->lock);
        if (word != read->seen)
            return false;
    }
    return true;
}

/// Gives back the locks as they were and begins again. The owner of the lock that this needs may
/// not be running: after many aborts, let it run.
__attribute__((noreturn)) static void restart(struct stm_transaction *transaction)
{
    const struct stm_sets *sets = transaction->sets;
    for (unsigned i = 0; i < sets->writes_count; i++) {
        const struct write_entry *write = &sets->writes[i];
        if (write->took_lock)
            atomic_store_explicit(write->lock, write->lock_before, memory_order_release);
    }
    if (++transaction->aborts % ABORTS_BEFORE_YIELD == 0)
        sched_yield();
    siglongjmp(transaction->restart, 1);
}

/// Moves the snapshot to the present if what was read still holds there.
static void extend(struct stm_transaction *transaction)
{
    uint64_t now = atomic_load_explicit(&version_clock, memory_order_acquire);
    if (!validate(transaction->sets))
        restart(transaction);
    transaction->sets->snapshot = now;
}

static struct write_entry *find_write(struct stm_sets *sets, const stm_word *address)
{
    for (unsigned i = 0; i < sets->writes_count; i++) {
        if (sets->writes[i].address == address)
            return &sets->writes[i];
    }
    return NULL;
}

uint64_t stm_load(struct stm_transaction *transaction, stm_word *address)
{
    struct stm_sets *sets = transaction->sets;
    stm_word *lock = lock_of(address);
    for (;;) {
        uint64_t word = atomic_load_explicit(lock, memory_order_acquire);
        if (word == locked_by(sets)) {
            const struct write_entry *write = find_write(sets, address);
            return write != NULL ? write->value
                                 : atomic_load_explicit(address, memory_order_relaxed);
        }
        if (is_locked(word))
            restart(transaction);
        uint64_t value = atomic_load_explicit(address, memory_order_relaxed);
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(lock, memory_order_relaxed) != word)
            continue;
        if (word >> 1 > sets->snapshot) {
            extend(transaction);
            continue;
        }
        if (sets->reads_count == READS_MAX)
            fail("a transaction reads more than %d words", READS_MAX);
        sets->reads[sets->reads_count++] = (struct read_entry){.lock = lock, .seen = word};
        return value;
    }
}

/// Takes a free lock, whose word then was no newer than the snapshot, and returns that word.
static uint64_t take_lock(struct stm_transaction *transaction, stm_word *lock)
{
    uint64_t word = atomic_load_explicit(lock, memory_order_acquire);
    if (is_locked(word))
        restart(transaction);
    if (word >> 1 > transaction->sets->snapshot)
        extend(transaction);
    if (!atomic_compare_exchange_strong_explicit(lock, &word, locked_by(transaction->sets),
                                                 memory_order_acq_rel, memory_order_relaxed))
        restart(transaction);
    return word;
}

void stm_store(struct stm_transaction *transaction, stm_word *address, uint64_t value)
{
    struct stm_sets *sets = transaction->sets;
    stm_word *lock = lock_of(address);
    struct write_entry *write = find_write(sets, address);
    if (write != NULL) {
        write->value = value;
        return;
    }
    if (sets->writes_count == WRITES_MAX)
        fail("a transaction writes more than %d words", WRITES_MAX);
    bool held = atomic_load_explicit(lock, memory_order_relaxed) == locked_by(sets);
    uint64_t before = held ? word_before(sets, lock) : take_lock(transaction, lock);
    sets->writes[sets->writes_count++] = (struct write_entry){
        .address = address,
        .value = value,
        .lock = lock,
        .lock_before = before,
        .took_lock = !held,
    };
}

void stm_commit(struct stm_transaction *transaction)
{
    struct stm_sets *sets = transaction->sets;
    if (sets->writes_count == 0)
        return;
    uint64_t version = atomic_fetch_add(&version_clock, 1) + 1;
    if (version != sets->snapshot + 1 && !validate(sets))
        restart(transaction);
    for (unsigned i = 0; i < sets->writes_count; i++) {
        const struct write_entry *write = &sets->writes[i];
        atomic_store_explicit(write->address, write->value, memory_order_relaxed);
    }
    for (unsigned i = 0; i < sets->writes_count; i++) {
        const struct write_entry *write = &sets->writes[i];
        if (write->took_lock)
            atomic_store_explicit(write->lock, version << 1, memory_order_release);
    }
}

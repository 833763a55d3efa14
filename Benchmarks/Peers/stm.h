// A small word-based software transactional memory for threads of one process.
//
// It stands in for TinySTM, which Debian does not package, and follows the same published
// design: a global version clock (TL2: Dice, Shalev, Shavit, 2006), encounter-time locks with
// write-back and snapshot extension (LSA, TinySTM: Felber, Fetzer, Riegel, 2008). Like TinySTM
// it is a library that is called, not inlined, and restarts through sigsetjmp.
//
// A transaction:
//
//     sigsetjmp(transaction->restart, 0); // a conflict comes back here
//     stm_begin(transaction);
//     stm_store(transaction, &word, stm_load(transaction, &word) + 1);
//     stm_commit(transaction);

#ifndef RAINBOWFS_STM_H
#define RAINBOWFS_STM_H

#include <setjmp.h>
#include <stdatomic.h>
#include <stdint.h>

typedef _Atomic uint64_t stm_word;

struct stm_transaction {
    sigjmp_buf restart;
    uint64_t aborts; ///< counted up by each restart; the caller may set it to 0
    struct stm_sets *sets;
};

struct stm_transaction *stm_open(void);
void stm_close(struct stm_transaction *transaction);

void stm_begin(struct stm_transaction *transaction);
uint64_t stm_load(struct stm_transaction *transaction, stm_word *address);
void stm_store(struct stm_transaction *transaction, stm_word *address, uint64_t value);
void stm_commit(struct stm_transaction *transaction);

#endif

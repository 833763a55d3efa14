// The bank on a software transactional memory like TinySTM (see stm.h): threads of one process,
// volatile, nothing survives a kill. It is the measure of what transactions cost at all.
// What calls sigsetjmp stays out of the measuring loop, whose variables it would endanger.

#include "bank.h"
#include "stm.h"

struct account {
    int64_t number;
    stm_word balance;
};

static alignas(CACHE_LINE_BYTES) struct account accounts[ACCOUNTS];

static const char *bank_name(const struct bank_options *options)
{
    (void)options;
    return "tl2";
}

static void bank_setup(const struct bank_options *options)
{
    if (options->processes)
        fail("this STM works between threads of one process only");
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        accounts[i].number = i;
        atomic_store(&accounts[i].balance, OPENING_BALANCE);
    }
}

static void *bank_open(const struct bank_options *options)
{
    (void)options;
    return stm_open();
}

__attribute__((noinline))
static void bank_transfer(void *handle, unsigned from, unsigned to, uint64_t *aborts)
{
    struct stm_transaction *transaction = handle;
    stm_word *source = &accounts[from].balance;
    stm_word *target = &accounts[to].balance;
    sigsetjmp(transaction->restart, 0);
    stm_begin(transaction);
    stm_store(transaction, source, stm_load(transaction, source) - 1);
    stm_store(transaction, target, stm_load(transaction, target) + 1);
    stm_commit(transaction);
    *aborts += transaction->aborts;
    transaction->aborts = 0;
}

__attribute__((noinline))
static int64_t bank_total(void *handle, uint64_t *aborts)
{
    struct stm_transaction *transaction = handle;
    sigsetjmp(transaction->restart, 0);
    stm_begin(transaction);
    uint64_t total = 0;
    for (unsigned i = 0; i < ACCOUNTS; i++)
        total += stm_load(transaction, &accounts[i].balance);
    stm_commit(transaction);
    *aborts += transaction->aborts;
    transaction->aborts = 0;
    return (int64_t)total;
}

static void bank_close(void *handle)
{
    stm_close(handle);
}

static void bank_teardown(const struct bank_options *options)
{
    (void)options;
}

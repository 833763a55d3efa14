// The bank on gcc's own transactional memory (-fgnu-tm, libitm): threads of one process.
//
// With one thread libitm runs in its serial mode, without any bookkeeping. A transaction returns
// twice when it restarts, so it stays in a function of its own, out of the measuring loop.

#include "bank.h"

struct account {
    int64_t number;
    int64_t balance;
};

static struct account accounts[ACCOUNTS];

static const char *bank_name(const struct bank_options *options)
{
    (void)options;
    return "libitm";
}

static void bank_setup(const struct bank_options *options)
{
    if (options->processes)
        fail("libitm works between threads of one process only");
    for (unsigned i = 0; i < ACCOUNTS; i++)
        accounts[i] = (struct account){.number = i, .balance = OPENING_BALANCE};
}

static void *bank_open(const struct bank_options *options)
{
    (void)options;
    return accounts;
}

__attribute__((noinline))
static void bank_transfer(void *handle, unsigned from, unsigned to, uint64_t *aborts)
{
    (void)aborts; // libitm does not tell
    struct account *account = handle;
    __transaction_atomic {
        account[from].balance -= 1;
        account[to].balance += 1;
    }
}

__attribute__((noinline))
static int64_t bank_total(void *handle, uint64_t *aborts)
{
    (void)aborts;
    struct account *account = handle;
    int64_t total = 0;
    __transaction_atomic {
        total = 0;
        for (unsigned i = 0; i < ACCOUNTS; i++)
            total += account[i].balance;
    }
    return total;
}

static void bank_close(void *handle)
{
    (void)handle;
}

static void bank_teardown(const struct bank_options *options)
{
    (void)options;
}

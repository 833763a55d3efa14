// The bank under one robust process-shared mutex: fast, works across processes, and leaves a
// transfer half done when its owner is killed between the two stores.

#include "bank.h"

struct account {
    int64_t number;
    int64_t balance;
};

struct bank {
    pthread_mutex_t mutex;
    alignas(CACHE_LINE_BYTES) struct account accounts[ACCOUNTS];
};

static struct bank *bank;

static const char *bank_name(const struct bank_options *options)
{
    (void)options;
    return "robust-mutex";
}

static void bank_setup(const struct bank_options *options)
{
    (void)options;
    bank = mmap(NULL, sizeof *bank, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (bank == MAP_FAILED)
        fail("mmap: %s", strerror(errno));
    for (unsigned i = 0; i < ACCOUNTS; i++)
        bank->accounts[i] = (struct account){.number = i, .balance = OPENING_BALANCE};
    pthread_mutexattr_t attributes;
    check_error(pthread_mutexattr_init(&attributes), "pthread_mutexattr_init");
    check_error(pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED), "setpshared");
    check_error(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST), "setrobust");
    check_error(pthread_mutex_init(&bank->mutex, &attributes), "pthread_mutex_init");
    check_error(pthread_mutexattr_destroy(&attributes), "pthread_mutexattr_destroy");
}

static void *bank_open(const struct bank_options *options)
{
    (void)options;
    return bank;
}

static void lock(pthread_mutex_t *mutex)
{
    int error = pthread_mutex_lock(mutex);
    if (error == EOWNERDEAD)
        error = pthread_mutex_consistent(mutex);
    check_error(error, "pthread_mutex_lock");
}

static void bank_transfer(void *handle, unsigned from, unsigned to, uint64_t *aborts)
{
    (void)aborts;
    struct bank *shared = handle;
    lock(&shared->mutex);
    shared->accounts[from].balance -= 1;
    shared->accounts[to].balance += 1;
    check_error(pthread_mutex_unlock(&shared->mutex), "pthread_mutex_unlock");
}

static int64_t bank_total(void *handle, uint64_t *aborts)
{
    (void)aborts;
    struct bank *shared = handle;
    int64_t total = 0;
    lock(&shared->mutex);
    for (unsigned i = 0; i < ACCOUNTS; i++)
        total += shared->accounts[i].balance;
    check_error(pthread_mutex_unlock(&shared->mutex), "pthread_mutex_unlock");
    return total;
}

static void bank_close(void *handle)
{
    (void)handle;
}

static void bank_teardown(const struct bank_options *options)
{
    (void)options;
    check(munmap(bank, sizeof *bank), "munmap");
}

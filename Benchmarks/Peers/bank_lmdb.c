// The bank in LMDB without syncing: MDB_NOSYNC, with --writemap also MDB_WRITEMAP.
//
// Threads share one environment, as LMDB demands; processes open one each.

#include "bank.h"

#include <lmdb.h>
#include <sys/stat.h>

enum { MAP_BYTES = 64 << 20 };

struct connection {
    MDB_env *environment;
    MDB_dbi table;
    bool owns_environment;
};

static char directory[4096];
static MDB_env *threads_environment;

static void check_lmdb(int error, const char *what)
{
    if (error != MDB_SUCCESS)
        fail("%s: %s", what, mdb_strerror(error));
}

static const char *bank_name(const struct bank_options *options)
{
    return options->variant ? "lmdb-nosync-writemap" : "lmdb-nosync";
}

static MDB_env *open_environment(const struct bank_options *options)
{
    MDB_env *environment = NULL;
    unsigned flags = MDB_NOSYNC | MDB_NOTLS | (options->variant ? MDB_WRITEMAP : 0);
    check_lmdb(mdb_env_create(&environment), "mdb_env_create");
    check_lmdb(mdb_env_set_mapsize(environment, MAP_BYTES), "mdb_env_set_mapsize");
    check_lmdb(mdb_env_open(environment, directory, flags, 0600), "mdb_env_open");
    return environment;
}

static MDB_val key_of(unsigned *account)
{
    return (MDB_val){.mv_size = sizeof *account, .mv_data = account};
}

static void put_balance(MDB_txn *transaction, MDB_dbi table, unsigned account, int64_t balance)
{
    MDB_val key = key_of(&account);
    MDB_val value = {.mv_size = sizeof balance, .mv_data = &balance};
    check_lmdb(mdb_put(transaction, table, &key, &value, 0), "mdb_put");
}

static int64_t get_balance(MDB_txn *transaction, MDB_dbi table, unsigned account)
{
    MDB_val key = key_of(&account);
    MDB_val value;
    int64_t balance = 0;
    check_lmdb(mdb_get(transaction, table, &key, &value), "mdb_get");
    memcpy(&balance, value.mv_data, sizeof balance);
    return balance;
}

static void bank_setup(const struct bank_options *options)
{
    snprintf(directory, sizeof directory, "%s/rainbowfs-peer-lmdb.%d", options->directory,
             (int)getpid());
    check(mkdir(directory, 0700), directory);
    MDB_env *environment = open_environment(options);
    MDB_txn *transaction = NULL;
    MDB_dbi table;
    check_lmdb(mdb_txn_begin(environment, NULL, 0, &transaction), "mdb_txn_begin");
    unsigned flags = MDB_INTEGERKEY | MDB_CREATE;
    check_lmdb(mdb_dbi_open(transaction, NULL, flags, &table), "mdb_dbi_open");
    for (unsigned i = 0; i < ACCOUNTS; i++)
        put_balance(transaction, table, i, OPENING_BALANCE);
    check_lmdb(mdb_txn_commit(transaction), "mdb_txn_commit");
    if (options->processes)
        mdb_env_close(environment); // an environment must not cross fork
    else
        threads_environment = environment;
}

static void *bank_open(const struct bank_options *options)
{
    static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;
    struct connection *connection = allocate_zeroed(1, sizeof *connection);
    MDB_txn *transaction = NULL;
    connection->owns_environment = threads_environment == NULL;
    connection->environment =
        connection->owns_environment ? open_environment(options) : threads_environment;
    // mdb_dbi_open may be called by one transaction of a process at a time.
    check_error(pthread_mutex_lock(&opening), "pthread_mutex_lock");
    check_lmdb(mdb_txn_begin(connection->environment, NULL, MDB_RDONLY, &transaction), "begin");
    check_lmdb(mdb_dbi_open(transaction, NULL, MDB_INTEGERKEY, &connection->table), "mdb_dbi_open");
    check_lmdb(mdb_txn_commit(transaction), "mdb_txn_commit");
    check_error(pthread_mutex_unlock(&opening), "pthread_mutex_unlock");
    return connection;
}

static void bank_transfer(void *handle, unsigned from, unsigned to, uint64_t *aborts)
{
    (void)aborts; // one writer at a time: nothing to abort
    struct connection *connection = handle;
    MDB_dbi table = connection->table;
    MDB_txn *transaction = NULL;
    check_lmdb(mdb_txn_begin(connection->environment, NULL, 0, &transaction), "mdb_txn_begin");
    int64_t from_balance = get_balance(transaction, table, from);
    int64_t to_balance = get_balance(transaction, table, to);
    put_balance(transaction, table, from, from_balance - 1);
    put_balance(transaction, table, to, to_balance + 1);
    check_lmdb(mdb_txn_commit(transaction), "mdb_txn_commit");
}

static int64_t bank_total(void *handle, uint64_t *aborts)
{
    (void)aborts;
    struct connection *connection = handle;
    MDB_txn *transaction = NULL;
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val value;
    int64_t total = 0;
    int error;
    check_lmdb(mdb_txn_begin(connection->environment, NULL, MDB_RDONLY, &transaction), "begin");
    check_lmdb(mdb_cursor_open(transaction, connection->table, &cursor), "mdb_cursor_open");
    while ((error = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == MDB_SUCCESS) {
        int64_t balance;
        memcpy(&balance, value.mv_data, sizeof balance);
        total += balance;
    }
    if (error != MDB_NOTFOUND)
        check_lmdb(error, "mdb_cursor_get");
    mdb_cursor_close(cursor);
    mdb_txn_abort(transaction);
    return total;
}

static void bank_close(void *handle)
{
    struct connection *connection = handle;
    if (connection->owns_environment)
        mdb_env_close(connection->environment);
    free(connection);
}

static void bank_teardown(const struct bank_options *options)
{
    (void)options;
    static const char *const files[] = {"data.mdb", "lock.mdb"};
    if (threads_environment != NULL)
        mdb_env_close(threads_environment);
    for (unsigned i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[sizeof directory + 16];
        snprintf(path, sizeof path, "%s/%s", directory, files[i]);
        check(unlink(path), path);
    }
    check(rmdir(directory), directory);
}

// The bank in SQLite: write-ahead log, synchronous=OFF, one connection a worker.

#include "bank.h"

#include <sqlite3.h>
#include <sys/stat.h>

enum { BUSY_MILLISECONDS_MAX = 20000 };

struct connection {
    sqlite3 *database;
    sqlite3_stmt *begin;
    sqlite3_stmt *commit;
    sqlite3_stmt *read;
    sqlite3_stmt *write;
    sqlite3_stmt *total;
};

static char directory[4096];
static char file[sizeof directory + 16];

static const char *bank_name(const struct bank_options *options)
{
    (void)options;
    return "sqlite-wal-off";
}

static void execute(sqlite3 *database, const char *text)
{
    if (sqlite3_exec(database, text, NULL, NULL, NULL) != SQLITE_OK)
        fail("%s: %s", text, sqlite3_errmsg(database));
}

static sqlite3 *open_database(void)
{
    sqlite3 *database = NULL;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(file, &database, flags, NULL) != SQLITE_OK)
        fail("%s: %s", file, sqlite3_errmsg(database));
    sqlite3_busy_timeout(database, BUSY_MILLISECONDS_MAX);
    execute(database, "PRAGMA journal_mode=WAL");
    execute(database, "PRAGMA synchronous=OFF");
    return database;
}

static sqlite3_stmt *prepare(sqlite3 *database, const char *text)
{
    sqlite3_stmt *statement = NULL;
    int flags = SQLITE_PREPARE_PERSISTENT;
    if (sqlite3_prepare_v3(database, text, -1, (unsigned)flags, &statement, NULL) != SQLITE_OK)
        fail("%s: %s", text, sqlite3_errmsg(database));
    return statement;
}

static void bank_setup(const struct bank_options *options)
{
    snprintf(directory, sizeof directory, "%s/rainbowfs-peer-sqlite.%d", options->directory,
             (int)getpid());
    check(mkdir(directory, 0700), directory);
    snprintf(file, sizeof file, "%s/bank", directory);
    sqlite3 *database = open_database();
    char fill[256];
    snprintf(fill, sizeof fill,
             "WITH RECURSIVE account(id) AS"
             " (SELECT 0 UNION ALL SELECT id + 1 FROM account WHERE id < %d)"
             " INSERT INTO accounts SELECT id, %d FROM account",
             ACCOUNTS - 1, OPENING_BALANCE);
    execute(database, "CREATE TABLE accounts(id INTEGER PRIMARY KEY, balance INTEGER)");
    execute(database, fill);
    sqlite3_close(database);
}

static void *bank_open(const struct bank_options *options)
{
    (void)options;
    struct connection *connection = allocate_zeroed(1, sizeof *connection);
    sqlite3 *database = open_database();
    connection->database = database;
    connection->begin = prepare(database, "BEGIN IMMEDIATE");
    connection->commit = prepare(database, "COMMIT");
    connection->read = prepare(database, "SELECT balance FROM accounts WHERE id = ?1");
    connection->write = prepare(database, "UPDATE accounts SET balance = ?2 WHERE id = ?1");
    connection->total = prepare(database, "SELECT sum(balance) FROM accounts");
    return connection;
}

/// Runs a statement that gives no rows; false if the database was busy.
static bool run(struct connection *connection, sqlite3_stmt *statement)
{
    int result = sqlite3_step(statement);
    sqlite3_reset(statement);
    if (result != SQLITE_DONE && result != SQLITE_BUSY)
        fail("%s: %s", sqlite3_sql(statement), sqlite3_errmsg(connection->database));
    return result == SQLITE_DONE;
}

static int64_t read_number(struct connection *connection, sqlite3_stmt *statement)
{
    if (sqlite3_step(statement) != SQLITE_ROW)
        fail("%s: %s", sqlite3_sql(statement), sqlite3_errmsg(connection->database));
    int64_t number = sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return number;
}

static void add_to_balance(struct connection *connection, unsigned account, int64_t amount)
{
    sqlite3_bind_int64(connection->read, 1, account);
    int64_t balance = read_number(connection, connection->read);
    sqlite3_bind_int64(connection->write, 1, account);
    sqlite3_bind_int64(connection->write, 2, balance + amount);
    if (!run(connection, connection->write))
        fail("UPDATE: the database is busy inside a transaction");
}

static void bank_transfer(void *handle, unsigned from, unsigned to, uint64_t *aborts)
{
    struct connection *connection = handle;
    while (!run(connection, connection->begin))
        (*aborts)++;
    add_to_balance(connection, from, -1);
    add_to_balance(connection, to, 1);
    while (!run(connection, connection->commit))
        (*aborts)++;
}

static int64_t bank_total(void *handle, uint64_t *aborts)
{
    (void)aborts;
    struct connection *connection = handle;
    return read_number(connection, connection->total);
}

static void bank_close(void *handle)
{
    struct connection *connection = handle;
    sqlite3_finalize(connection->begin);
    sqlite3_finalize(connection->commit);
    sqlite3_finalize(connection->read);
    sqlite3_finalize(connection->write);
    sqlite3_finalize(connection->total);
    if (sqlite3_close(connection->database) != SQLITE_OK)
        fail("sqlite3_close: %s", sqlite3_errmsg(connection->database));
    free(connection);
}

static void bank_teardown(const struct bank_options *options)
{
    (void)options;
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (unsigned i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char path[sizeof file + 8];
        snprintf(path, sizeof path, "%s%s", file, suffixes[i]);
        if (unlink(path) != 0 && errno != ENOENT)
            fail("%s: %s", path, strerror(errno));
    }
    check(rmdir(directory), directory);
}

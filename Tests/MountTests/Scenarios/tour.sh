# The session that design and README begin with.
printf 'int64 balance\nref<Account> heir\n' > classes/Account
mkdir regions/transactional/bank
a=$(rainbowfs new regions/transactional/bank Account balance=100)
echo "$a"
ln -s "../$a" names/alice
cat names/alice/balance
echo 93 > names/alice/balance
cat names/alice/balance
printf %s 94 > names/alice/balance
cat "$a/balance"
ls names/alice/
readlink names/alice names/alice/class names/alice/heir names/alice/raw

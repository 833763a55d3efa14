# Fields as text, and what is refused with a reason.
printf 'int8 i\nuint16 u\nbool b\nfloat32 f\nint64 list[3]\n' > classes/V
mkdir regions/transactional/v
v=$(rainbowfs new regions/transactional/v V)
cd "$v" || exit
echo -5 > i; echo 65535 > u; echo true > b; echo 0.1 > f; printf '1\n2\n3\n' > list
head i u b f list
echo '-- refused'
echo 128 > i
echo -1 > u
echo five > i
echo 1 2 > list
echo '-- nothing of it changed anything'
cat i u list
: > i; cat i
cut -d ' ' -f 2- "$MOUNT/messages"

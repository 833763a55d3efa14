# A value is edited in place by programs that open the file that is there.
echo 'int64 n' > classes/N
mkdir regions/transactional/e
o=$(rainbowfs new regions/transactional/e N n=1)
printf '%s\n' '1s/.*/42/' w q | ed -s "$o/n" && cat "$o/n"
perl -e 'open F, "+<", $ARGV[0]; print F "44\n"' "$o/n" && cat "$o/n"
echo 46 | tee "$o/n"
dd if=<(echo 47) of="$o/n" status=none && cat "$o/n"
cp <(echo 48) "$o/n" && cat "$o/n"

# A string is a line of text to a shell: it is read and written without warnings.
printf 'string s[12]\nstring other[12]\n' > classes/Label
mkdir regions/transactional/t
o=$(rainbowfs new regions/transactional/t Label s=hello)
cat "$o/s"; stat -c %s "$o/s"; v=$(<"$o/s") && echo "[$v]"; read -r v < "$o/s" && echo "[$v]"
grep -c hello "$o/s"; wc -lc < "$o/s"; rainbowfs get "$o" s
echo world > "$o/s" && cat "$o/s"
printf %s world > "$o/s" && cat "$o/s"
echo '!' >> "$o/s" && cat "$o/s"
{ echo a; echo b; } > "$o/s" && rainbowfs get --json "$o" s
{ echo c; echo d; } >> "$o/s" && cat "$o/s"
printf '\xc3' > "$o/s"; echo "cut: $?"; cat "$o/s"
{ printf '\xc3'; (:); printf '\xa4'; } > "$o/s" && cat "$o/s"
printf '\xff' > "$o/s" || echo "no UTF-8: $?"
echo 123456789012 > "$o/s" && cat "$o/s"
echo 1234567890123 > "$o/s" || echo "too long: $?"
echo x >> "$o/s" || echo "too long: $?"
dd if=/dev/zero of="$o/s" bs=1 count=1 conv=notrunc status=none || echo "NUL: $?"
rainbowfs set "$o" s=$'x\n' && rainbowfs get --json "$o" s
cut -d ' ' -f 2- messages

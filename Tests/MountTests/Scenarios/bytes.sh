# Objects as bytes: xxd reads, printf and dd write, and what must not be broken is refused.
printf 'uint32 n\nbytes b[4]\nstring s[8]\n' > classes/Bytes
mkdir regions/transactional/raw
o=$(rainbowfs new regions/transactional/raw Bytes n=0x11223344 s=hello)
f=$(readlink -f "$o/raw")
stat -c '%s bytes, %F, %h link' "$f"
xxd -s 8 "$f"
printf '\xaa\xbb' | dd of="$f" bs=1 seek=13 conv=notrunc status=none && xxd -p "$o/b"
echo '-- header, size and end'
printf X | dd of="$f" bs=1 seek=0 conv=notrunc status=none
truncate -s 100 "$f"
printf X | dd of="$f" bs=1 seek=24 conv=notrunc status=none
rm -f "$f"
echo '-- a string may be shorter'
echo hi > "$o/s" && xxd "$o/s"
echo 'too long a text' > "$o/s"
cut -d ' ' -f 2- messages

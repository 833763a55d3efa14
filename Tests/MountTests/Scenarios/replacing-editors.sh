# Programs that write a new file beside a field and rename it over the field set its value.
printf 'int64 n\nstring label[12]\nint32 list[3]\nref<Object> other\n' > classes/N
mkdir regions/transactional/e
o=$(rainbowfs new regions/transactional/e N n=1 label=one list=1,2,3)
sed -i s/1/42/ "$o/n" && cat "$o/n"
sed -i s/one/three/ "$o/label" && cat "$o/label"
sed -i 's/2/22/' "$o/list" && cat "$o/list"
sed -i s/42/many/ "$o/n" 2>/dev/null || echo "no value: $?"
tail -n 1 messages | grep -o 'rename.*EINVAL'
sed -i s/three/thirteenletters/ "$o/label" 2>/dev/null || echo "too long: $?"
cat "$o/n"
perl -i -pe 's/42/43/' "$o/n" && cat "$o/n"
echo 44 > "$SCRATCH/n" && rsync --ignore-times "$SCRATCH/n" "$o/" && cat "$o/n"
echo 45 > "$SCRATCH/n" && rsync -a --ignore-times "$SCRATCH/n" "$o/" && cat "$o/n"
vim -es -u NONE -i NONE -c 'set backupcopy=no' -c 's/45/46/' -c wq "$o/n" </dev/null; cat "$o/n"
vim -es -u NONE -i NONE -c 's/46/47/' -c wq "$o/n" </dev/null; cat "$o/n"
echo 48 > "$SCRATCH/n" && cp "$SCRATCH/n" "$o/n.new" && mv "$o/n.new" "$o/n" && cat "$o/n"
cp "$SCRATCH/n" "$o/n.new" && mv "$o/n.new" "$MOUNT2/$o/n" 2>/dev/null || cat "$o/n"
rm "$o/n.new" && ls "$o"
echo 50 > "$SCRATCH/n"
cp --remove-destination "$SCRATCH/n" "$o/n" 2>/dev/null || echo "cp --remove-destination: $?"
{ echo 5 > "$o/nn"; } 2>/dev/null || echo "misspelled: $?"
cp "$SCRATCH/n" "$o/new" && mv "$o/new" "$o/other" 2>/dev/null || echo "over a reference: $?"
mv "$o/n" "$o/n~" 2>/dev/null || echo "a field moved away: $?"
cat "$o/n" "$MOUNT2/$o/n"

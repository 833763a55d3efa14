# What one mount writes, the other one reads at once.
printf 'int64 n\nstring label[16]\n' > classes/Counter
mkdir regions/transactional/c
c=$(rainbowfs new regions/transactional/c Counter)
for i in {1..50}; do
    echo "$i" > "$MOUNT/$c/n"
    read -r seen < "$MOUNT2/$c/n"
    [[ $seen == "$i" ]] || echo "mount 2 shows $seen after $i"
    echo "$((i * 2))" > "$MOUNT2/$c/n"
    read -r seen < "$MOUNT/$c/n"
    [[ $seen == $((i * 2)) ]] || echo "mount 1 shows $seen after $((i * 2))"
done
cat "$c/n"
echo '-- names come and go on both'
ln -s "../$c" names/counter && cat "$MOUNT2/names/counter/n"
mv "$MOUNT2/names/counter" "$MOUNT2/names/other" && ls names
rm names/other && ls -A "$MOUNT2/names"
echo '-- so do classes, allocators and modes'
echo 'bool b' > "$MOUNT2/classes/Flag" && cat classes/Flag
mkdir "$MOUNT2/regions/transactional/new" && ls regions/transactional
chmod 750 "$MOUNT2/regions/transactional/new" && stat -c %A regions/transactional/new
rmdir regions/transactional/new && ls "$MOUNT2/regions/transactional"

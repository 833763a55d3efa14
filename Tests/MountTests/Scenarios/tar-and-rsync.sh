# Whole trees go through tar, cp and rsync, and come out the same.
printf 'int32 a\nstring label[12]\nbytes data[5]\nfloat64 f[2]\n' > classes/Record
mkdir regions/transactional/data
for i in {1..20}; do
    rainbowfs new regions/transactional/data Record "a=$i" "label=record $i" > /dev/null
done
tar cf "$SCRATCH/tree.tar" classes regions/transactional/data && tar tf "$SCRATCH/tree.tar" | wc -l
mkdir "$SCRATCH/tar" && tar xf "$SCRATCH/tree.tar" -C "$SCRATCH/tar"
diff -r regions/transactional/data "$SCRATCH/tar/regions/transactional/data" && echo 'tar: same'
cp -r regions/transactional/data "$SCRATCH/copy"
diff -r regions/transactional/data "$SCRATCH/copy" && echo 'cp: same'
rsync -a regions/transactional/data/ "$SCRATCH/rsync"
rsync -ain regions/transactional/data/ "$SCRATCH/rsync" && echo 'rsync: nothing to do'
o=$(ls -d objects/0x* | tail -n 1)
cp -rL "$o" "$SCRATCH/object" 2>/dev/null
cat "$SCRATCH/object/a" "$SCRATCH/object/f"

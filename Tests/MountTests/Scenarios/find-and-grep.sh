# The usual tools to search with.
printf 'int32 a\nstring label[12]\n' > classes/Record
mkdir regions/transactional/data
for i in {1..300}; do echo "new Record a=$i label=r$i"; done |
    while read -r command; do echo "$command" > regions/transactional/data/allocator; done
ls regions/transactional/data | wc -l
find regions/transactional/data -name '*.Record' -size 1 | wc -l
find objects -mindepth 2 -name a -type f | wc -l
grep -rlx r299 objects --include label
grep -rxh 299 objects --include a
ls -f regions/transactional/data | sort | uniq -d

# Classes are files: a new one defines, a used one stays as it is.
echo 'int64 n' > classes/One && cat classes/One
echo 'int32 m # smaller' > classes/One && cat classes/One
printf 'ref<Nobody> x\n' > classes/Two
ls classes
touch classes/Nobody && printf 'ref<Nobody> x\n' > classes/Two && ls classes
mkdir regions/transactional/c && rainbowfs new regions/transactional/c One > /dev/null
echo 'int8 k' > classes/One
rm classes/One
rm classes/Nobody
rm classes/Two && rm classes/Nobody && ls classes
echo 'int99 z' > classes/Three
mv classes/One classes/Uno
rmdir regions/transactional/c
cut -d ' ' -f 2- messages

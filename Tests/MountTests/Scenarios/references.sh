# References as coreutils changes them: in place, atomically, and back to null.
printf 'ref<Node> next\nref<Object> any[3]\n' > classes/Node
echo 'int8 x' > classes/Other
mkdir regions/transactional/r
new() { rainbowfs new regions/transactional/r "$@"; }
a=$(new Node) b=$(new Node) o=$(new Other)
ln -sfn "../${b#objects/}" "$a/next" && readlink "$a/next"
ln -sfn "$MOUNT/$a" "$a/next" && readlink "$a/next"
echo '-- a wrong class'
ln -sfn "../${o#objects/}" "$a/next"
readlink "$a/next"
echo '-- null again'
rm "$a/next" && readlink "$a/next"
echo '-- an array is a directory'
ln -sfn "../../${o#objects/}" "$a/any/1" && ls -l "$a/any" | sed 's/.* \([0-9] ->\)/\1/; /^total/d'
echo '-- the reference shows in the raw bytes, whichever mount they are read through'
xxd -c 8 -l 24 "$MOUNT2/$a/raw" | cut -c 1-29
tail -n 1 messages | cut -d ' ' -f 2-

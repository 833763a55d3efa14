# Extended attributes, space on the device, modes and owners.
echo 'int64 n' > classes/N
mkdir -m 750 regions/transactional/a
o=$(rainbowfs new regions/transactional/a N)
getfattr -d "$o" | grep -v version
getfattr -n user.rainbow.class --only-values "$o"; echo
setfattr -n user.mine -v 1 "$o"
getfattr -n user.nothing "$o"
stat -c '%A %n' regions/transactional/a
chmod 700 regions/transactional/a && stat -c '%A' regions/transactional/a "$o" "$o/n"
touch "$o/n" && echo 'touch: fine'
df --output=source,fstype . | tail -n 1 | tr -s ' '
[[ $(df --output=used . | tail -n 1) -gt 0 ]] && echo 'df shows what is used'

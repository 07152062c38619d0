#!/bin/sh
# PID 1 of a lab of machines: makes their network, starts them, and lives as long as its standard input stays open.
#
# In: LAB (the lab's directory), and in it `machines`, one line a machine: PLACE FOLDER, in which `start` starts it.
# Like the lab of namespaces it runs in namespaces of its own: when it ends, the kernel ends everything below.
set -eu
lab=$1 address=$2 address6=$3

mount -t proc proc /proc
# Of a fixed address, since machines that were saved remember it.
ip -batch - <<END
link set lo up
link add lab0 address 52:54:00:77:00:01 type bridge
address add $address/24 dev lab0
address add $address6/64 dev lab0 nodad
link set lab0 up
END

# This machine's clock, which machines follow. It is told, and never set.
chronyd -x -n -u root -f "$lab/chrony.conf" </dev/null >/dev/null 2>&1 &

while read -r place home; do
    ip tuntap add "tap$place" mode tap
    ip link set dev "tap$place" master lab0 up
    sh "$home/start" </dev/null >"$home/said" 2>&1 &
done <"$lab/machines"

exec cat >/dev/null

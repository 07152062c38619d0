#!/bin/sh
# PID 1 of a lab: makes the lab's network, starts the hosts, and lives as long as its standard input stays open.
#
# In: LAB (the lab's directory), and in it `hosts`, one line a host: NAME ADDRESS ADDRESS6.
# It runs in network, mount and PID namespaces of its own: when it ends, the kernel ends every host with it, and with
# them every interface and mount. Nothing of a lab has a name outside, so nothing can be left behind.
set -eu
here=$(dirname "$(readlink -f "$0")")
lab=$1 address=$2 address6=$3

mount -t proc proc /proc
mount -t tmpfs netns /run          # `ip netns` keeps its names here, in this mount namespace only
ip -batch - <<EOF
link set lo up
link add lab0 type bridge
address add $address/24 dev lab0
address add $address6/64 dev lab0 nodad
link set lab0 up
EOF

while read -r name v4 v6; do
    echo "netns add $name"
    echo "link add name $name type veth peer name eth0 netns $name"
    echo "link set dev $name master lab0 up"
done <"$lab/hosts" | ip -batch -

while read -r name v4 v6; do
    ip -netns "$name" -batch - <<EOF
link set lo up
address add $v4/24 dev eth0
address add $v6/64 dev eth0 nodad
link set eth0 up
route add default via $address
route add default via $address6
EOF
    (
        while read -r group _; do
            echo 0 >"$group/cgroup.procs"
        done <"$lab/$name/cgroups"
        exec nsenter --net="/run/netns/$name" unshare --mount --uts --ipc --pid --cgroup --fork --kill-child \
            sh "$here/host.sh" "$lab" "$name" </dev/null
    ) &
done <"$lab/hosts"

exec cat >/dev/null

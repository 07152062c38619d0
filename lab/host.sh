#!/bin/sh
# PID 1 of a lab host: makes its file system, starts its sshd, and reaps what nobody else does.
#
# In: the lab's directory and the host's name. It runs in the host's own network, mount, UTS, IPC and PID namespaces.
# The root is this machine's, seen through an overlay whose upper half is a small tmpfs: the host may write what it
# likes, and can run out of space without anybody else noticing.
set -eu
lab=$1 name=$2
root=/mnt/root

hostname "$name"
mount -t tmpfs -o mode=755,size=32m "$name" /mnt
mkdir /mnt/upper /mnt/work "$root"
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work "$name" "$root"

mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=755,size=1m dev "$root/dev"
[ -s "$lab/$name/prepared/dev/kmsg" ] || cp -a /dev/kmsg "$root/dev/" 2>/dev/null || true
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty "$root/dev/"
mkdir "$root/dev/pts" "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t devpts -o newinstance,mode=620,ptmxmode=666 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777,size=32m shm "$root/dev/shm"
mount -t tmpfs -o mode=1777,size=32m tmp "$root/tmp"
mount -t tmpfs -o mode=1777,size=32m tmp "$root/var/tmp"
mount -t tmpfs -o mode=755,size=32m run "$root/run"

# The host's own control groups; or the machine's, where it has none of its own.
if [ -s "$lab/$name/cgroups" ]; then
    while read -r _ kind controller; do
        if [ "$kind" = cgroup2 ]; then
            mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
        else
            mountpoint -q "$root/sys/fs/cgroup" || mount -t tmpfs -o mode=755 cgroup "$root/sys/fs/cgroup"
            mkdir "$root/sys/fs/cgroup/$controller"
            mount -t cgroup -o "$controller" cgroup "$root/sys/fs/cgroup/$controller"
        fi
    done <"$lab/$name/cgroups"
elif [ -d "$root/sys/fs/cgroup" ]; then
    mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup"
fi

# What the machine's own root keeps at home is not the host's: its keys, and shell files that may print things.
rm -rf "$root/root/.ssh" "$root/root/.bashrc" "$root/root/.bash_profile" "$root/root/.profile" "$root/root/.hushlogin"
cp -a "$lab/$name/files/." "$root/"
mkdir -p "$root/run/prepared" "$root/run/sshd"
cp -a "$lab/$name/prepared/." "$root/run/prepared/"

# /proc/net is a link to each process's own, over whose files nothing can be mounted: another link goes over the link.
if [ -d "$root/run/prepared/proc/net" ]; then
    for file in "$root"/proc/self/net/*; do
        [ -e "$root/run/prepared/proc/net/${file##*/}" ] || ln -s "/proc/self/net/${file##*/}" "$root/run/prepared/proc/net/"
    done
    ln -s /run/prepared/proc/net "$root/run/proc-net"
    # Before Linux 5.2 it does not: then the host shows the machine's.
    python3 -I -S "$(dirname "$0")/over_link.py" "$root/run/proc-net" "$root/proc/net" || rm -r "$root/run/prepared/proc/net"
fi

cd "$root"
pivot_root . mnt
umount -l /mnt

# Files that stand for what namespaces share: /run/prepared/proc/meminfo is mounted over /proc/meminfo, and so on.
find /run/prepared -path /run/prepared/proc/net -prune -o -type f -print | while read -r file; do
    over=${file#/run/prepared}
    [ "$over" != /dev/kmsg ] || : >"$over"
    [ ! -e "$over" ] || mount --bind "$file" "$over"
done

/usr/sbin/sshd
while :; do
    sleep infinity &
    wait $! || true   # dash's wait reaps every child, orphans too
done

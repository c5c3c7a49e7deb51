#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# host-init.sh ROOT STATE HOSTNAME ADDRESS DIR...: first process of a testbed host, in namespaces of its own.
# host-init.sh --libvirtd: (re)start libvirtd inside a host that is already there.
set -u

start_libvirtd() {
  libvirtd --listen --daemon -f /etc/libvirt/libvirtd.conf -p /run/libvirt/libvirtd.pid
}

if [[ ${1:-} == --libvirtd ]]; then
  start_libvirtd
  exit
fi

root=$1 state=$2 name=$3 address=$4
shift 4
set -e
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
unset DBUS_SYSTEM_BUS_ADDRESS DBUS_SESSION_BUS_ADDRESS
cd /

mount --make-rprivate /
mount --bind "$root/etc/hosts" /etc/hosts
# The state directory has the same path on both hosts and outside, also when it lies under the machine's /run,
# which the host's own is about to hide: it is mounted there first, and --rbind takes it along.
if [[ $state == /run/* ]]; then
  mkdir -p "$root$state"
  mount --bind "$state" "$root$state"
fi
for dir; do
  mkdir -p "/$dir"
  mount --rbind "$root/$dir" "/$dir"
done
# A fresh sysfs shows this network namespace's devices and hides the machine's control groups from libvirt.
umount -l /sys 2>/dev/null || true
mount -t sysfs sysfs /sys

hostname "$name"
ip link set lo up
# A dead link is noticed in about 3 s instead of 15 minutes; the client ports stay clear of the migration ports.
echo 3 >/proc/sys/net/ipv4/tcp_retries2
echo "32768 48999" >/proc/sys/net/ipv4/ip_local_port_range
for _ in {1..500}; do
  ip link show eth0 &>/dev/null && break
  sleep 0.02
done
ip addr add "$address/24" dev eth0
ip link set eth0 up
start_libvirtd

# Adopt and reap orphans for as long as the host lives.
while :; do
  sleep infinity &
  wait $!
done

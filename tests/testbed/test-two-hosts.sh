#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The two hosts do what migrations need: guests whose hearts beat, a link that can be shaped and cut, shared disks.
set -u
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

migrate() {
  local from=$1 to=$2 name=$3 address
  shift 3
  address=$("$TWO_HOSTS" address "$to")
  timeout 60 "$TWO_HOSTS" virsh "$from" migrate --live --p2p "$@" "$name" "qemu+tcp://$address/system" \
    --migrateuri "tcp://$address"
}

domain_state() {
  "$TWO_HOSTS" virsh "$1" domstate "$2" 2>/dev/null
}

# is_sending A|B NAME: a migration is on its way out there
is_sending() {
  "$TWO_HOSTS" virsh "$1" domjobinfo "$2" 2>/dev/null | grep -q 'Memory processed'
}

test_errors() {
  step "what is wrong is refused"
  expect_status 2 "$TWO_HOSTS" no-such-command
  expect_status 2 "$TWO_HOSTS" exec C true
  expect_status 2 "$TWO_HOSTS" guest A 'bad name'
  expect_status 2 "$TWO_HOSTS" guest A g --memory lots
  expect_status 2 "$TWO_HOSTS" guest A g --memory 256 --working-set 256
  expect_status 2 "$TWO_HOSTS" guest A g --page-bytes 8
  expect_status 2 "$TWO_HOSTS" guest A g --disk /no/such/file
  expect_status 1 env VMFT_TESTBED_DIR=/usr "$TWO_HOSTS" up
}

test_hosts() {
  local before
  step "both hosts are up, and once more changes nothing"
  expect "up" "$TWO_HOSTS" up
  before=$("$TWO_HOSTS" exec A readlink /proc/self/ns/pid)
  expect "up again" "$TWO_HOSTS" up
  expect_equal "PID namespace after a second up" "$before" "$("$TWO_HOSTS" exec A readlink /proc/self/ns/pid)"
  expect_status 2 "$TWO_HOSTS" link fast
  expect_equal "host name" host-b "$("$TWO_HOSTS" exec B uname -n)"
  expect "B reaches A's libvirtd" "$TWO_HOSTS" exec B virsh -q -c qemu+tcp://10.77.0.1/system uri >/dev/null
}

test_exec_ends() {
  local pid
  step "what runs inside a host ends with the command that started it"
  "$TWO_HOSTS" exec A sleep 987 &
  pid=$!
  for _ in {1..100}; do
    "$TWO_HOSTS" exec A pgrep -f '^sleep 987' >/dev/null && break
    sleep 0.05
  done
  expect "sleep runs" "$TWO_HOSTS" exec A pgrep -f '^sleep 987' >/dev/null
  kill "$pid"
  wait "$pid"
  for _ in {1..100}; do
    "$TWO_HOSTS" exec A pgrep -f '^sleep 987' >/dev/null || return 0
    sleep 0.05
  done
  fail "sleep still runs inside the host"
}

test_migration() {
  step "a guest moves and its heart goes on beating"
  expect "link" "$TWO_HOSTS" link 400mbit
  expect "guest" "$TWO_HOSTS" guest A moving --memory 192 --dirty-rate 10 --working-set 24 --fill 48 --persistent
  expect "it beats on A" "$TWO_HOSTS" wait-beat A moving
  expect "migration" migrate A B moving --persistent --undefinesource
  expect "it beats on B" "$TWO_HOSTS" wait-beat B moving --beats 4
  expect_status 1 "$TWO_HOSTS" wait-beat A moving --seconds 1
  expect_equal "domains on A" "" "$("$TWO_HOSTS" virsh A list --all --name | tr -d '\n')"
}

test_cut() {
  local migration
  step "a link that is cut stops a pre-copy migration, and the guest stays"
  expect "link" "$TWO_HOSTS" link 40mbit
  migrate B A moving &>/dev/null &
  migration=$!
  for _ in {1..200}; do
    is_sending B moving && break
    sleep 0.05
  done
  expect "the migration has begun" is_sending B moving
  expect "cut" "$TWO_HOSTS" cut
  wait "$migration" && fail "the migration succeeded over a link that is cut"
  expect_status 1 timeout 5 "$TWO_HOSTS" exec A virsh -q -c qemu+tcp://10.77.0.2/system uri
  expect_equal "state on B" running "$(domain_state B moving | tr -d '\n')"
  expect "it beats on B" "$TWO_HOSTS" wait-beat B moving
  expect "heal" "$TWO_HOSTS" heal
  expect "link" "$TWO_HOSTS" link none
  expect "A reaches B again" timeout 10 "$TWO_HOSTS" exec A virsh -q -c qemu+tcp://10.77.0.2/system uri >/dev/null
  expect "migration after all" migrate B A moving
  expect "it beats on A" "$TWO_HOSTS" wait-beat A moving
}

test_libvirtd() {
  step "libvirtd dies and comes back, the guest does not notice"
  expect "kill" "$TWO_HOSTS" libvirtd A kill
  expect "start" "$TWO_HOSTS" libvirtd A start
  expect_equal "state on A" running "$(domain_state A moving | tr -d '\n')"
  expect "it beats on A" "$TWO_HOSTS" wait-beat A moving
}

test_disk() {
  local disk
  step "a disk on shared storage moves along without --unsafe"
  disk=$("$TWO_HOSTS" disk scratch 8) || { echo "  no loop devices here, left out" && return; }
  expect "guest" "$TWO_HOSTS" guest A disky --memory 128 --fill 8 --disk "$disk"
  expect "migration" migrate A B disky
  expect "it beats on B" "$TWO_HOSTS" wait-beat B disky
}

new_testbed
test_errors
test_hosts
test_exec_ends
test_migration
test_cut
test_libvirtd
test_disk
step "nothing is left"
note_processes
((${#NOTED[@]} >= 6)) || fail "only these run inside the hosts: ${NOTED[*]}"
expect "down" "$TWO_HOSTS" down
expect_nothing_left
expect "down again" "$TWO_HOSTS" down

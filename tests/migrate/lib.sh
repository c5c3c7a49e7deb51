# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What the migrate room's tests on two hosts share: a guest that writes, one job through the real hypervisor, and the
# guest's own word that it lives. The program comes from the build: VMFT_HOSTS_MIGRATE.

# shellcheck source-path=SCRIPTDIR source=../testbed/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../testbed/lib.sh"

HOSTS_MIGRATE=${VMFT_HOSTS_MIGRATE:-$SOURCE_ROOT/build/tests/hosts-migrate}
[[ -x $HOSTS_MIGRATE ]] || skip "not built: $HOSTS_MIGRATE"

other() {
  if [[ $1 == A ]]; then echo B; else echo A; fi
}

# job FROM NAME OPTION...: one migration to the other host; what it says is in $WORK/job and its status returned
job() {
  local from=$1 name=$2 address status=0
  shift 2
  address=$("$TWO_HOSTS" address "$(other "$from")")
  timeout 150 "$TWO_HOSTS" exec "$from" "$HOSTS_MIGRATE" "$name" --uri qemu:///system \
    --destination "qemu+tcp://$address/system" --migrate-uri "tcp://$address" "$@" >"$WORK/job" 2>&1 || status=$?
  grep '^result\|^main loop held' "$WORK/job" | sed 's/^/    /'
  return $status
}

beats() {
  grep -ac 'beat=' "$("$TWO_HOSTS" console "$1" "$2")" 2>/dev/null
}

# expect_alive A|B NAME: the guest's heart beats there, and it has found no bad page
expect_alive() {
  local host=$1 name=$2 before deadline=$((SECONDS + 15))
  before=$(beats "$host" "$name")
  until (($(beats "$host" "$name") >= before + 3)); do
    ((SECONDS < deadline)) || fail "$name does not live on $host: $(tail -n 1 "$("$TWO_HOSTS" console "$host" "$name")")"
    sleep 0.1
  done
  tail -n 1 "$("$TWO_HOSTS" console "$host" "$name")" | grep -q 'bad=0' || fail "$name has bad pages on $host"
}

# expect_still A|B NAME: no copy runs there
expect_still() {
  local state
  state=$("$TWO_HOSTS" virsh "$1" domstate "$2" 2>/dev/null)
  [[ -z $state || $state == "shut off" || $state == paused ]] || fail "$2 is $state on $1 as well"
}

# until_sending A|B NAME [BYTES]: its job has begun to send
until_sending() {
  local deadline=$((SECONDS + 20))
  until "$TWO_HOSTS" virsh "$1" domjobinfo "$2" 2>/dev/null | grep -q 'Memory processed'; do
    ((SECONDS < deadline)) || fail "no job of $2 on $1"
    sleep 0.05
  done
}

# until_postcopy A|B NAME: the guest has left A|B for good
until_postcopy() {
  local deadline=$((SECONDS + 30))
  until "$TWO_HOSTS" virsh "$1" domstate "$2" --reason 2>/dev/null | grep -q 'paused (post-copy'; do
    ((SECONDS < deadline)) || fail "$2 never came to post-copy"
    sleep 0.05
  done
}

start_hosts() {
  new_testbed
  WORK=$(mktemp -d /tmp/vmft-migrate.XXXXXX)
  trap 'status=$?; "$TWO_HOSTS" down; rm -rf "$WORK"; exit $status' EXIT
  "$TWO_HOSTS" up || fail "two-hosts up"
  note_processes
}

finish() {
  "$TWO_HOSTS" down
  expect_nothing_left
  echo "ok ($SECONDS s)"
}

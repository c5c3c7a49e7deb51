#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# libvirt's hook on the destination: vmftd there says no, and the source hears why; without vmftd everything passes.
set -u
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

VMFTD=${VMFTD:-$SOURCE_ROOT/build/daemon/vmftd}
VMFT_HOOK=${VMFT_HOOK:-$SOURCE_ROOT/build/migrate/vmft-hook}
[[ -x $VMFTD && -x $VMFT_HOOK ]] || skip "not built: $VMFTD, $VMFT_HOOK"

# start_vmftd SETTING...: on B, with these lines in [Arrivals]
start_vmftd() {
  {
    printf '[Daemon]\nbus=none\n[Arrivals]\n'
    printf '%s\n' "$@"
  } >"$WORK/vmftd.conf"
  "$TWO_HOSTS" exec B "$VMFTD" --config "$WORK/vmftd.conf" --state-directory "$WORK/state" &>"$WORK/vmftd.log" &
  DAEMON=$!
  local deadline=$((SECONDS + 10))
  until "$TWO_HOSTS" exec B test -S /run/vmft/hook; do
    ((SECONDS < deadline)) || fail "no vmftd on B: $(cat "$WORK/vmftd.log")"
    sleep 0.05
  done
}

stop_vmftd() {
  kill "$DAEMON"
  wait "$DAEMON"
}

new_testbed
WORK=$(mktemp -d /tmp/vmft-migrate.XXXXXX)
trap 'status=$?; "$TWO_HOSTS" down; rm -rf "$WORK"; exit $status' EXIT
mkdir -p "$WORK/hooks/qemu.d"
cp "$VMFT_HOOK" "$WORK/hooks/qemu.d/50-vmft"
expect "up" "$TWO_HOSTS" up --hooks "$WORK/hooks"
note_processes
expect "guest" "$TWO_HOSTS" guest A g --memory 128 >/dev/null

step "a destination that would be overfilled refuses, and says why"
start_vmftd "reserve-memory=64T"
job A g --mode pre-copy --expect failed || fail "status $?: $(cat "$WORK/job")"
grep -q 'refused=1 message=refused by B: it needs 128 MiB and 0 B is left' "$WORK/job" ||
  fail "not the refusal: $(cat "$WORK/job")"
expect_alive A g
stop_vmftd

step "one that has room lets it in"
start_vmftd "reserve-memory=1M"
job A g --mode pre-copy || fail "status $?: $(cat "$WORK/job")"
expect_alive B g
stop_vmftd

step "with vmftd away everything passes"
job B g --mode pre-copy || fail "status $?: $(cat "$WORK/job")"
expect_alive A g
job A g --mode pre-copy || fail "status $?: $(cat "$WORK/job")"
expect_alive B g
finish

#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Whenever "two-hosts up" is interrupted, and however, nothing is left: with INT and TERM at once, with KILL after
# the next "down".
set -u
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# interrupt SIGNAL SECONDS
interrupt() {
  local pid
  # A background command of a script ignores SIGINT unless told otherwise; its own session stands for a terminal.
  env --default-signal=INT setsid "$TWO_HOSTS" up 2>/dev/null &
  pid=$!
  sleep "$2"
  kill -s "$1" -- "-$pid" 2>/dev/null
  wait "$pid" 2>/dev/null
  [[ $1 != KILL && $? -ne 0 ]] || "$TWO_HOSTS" down
}

new_testbed
expect "up" "$TWO_HOSTS" up # packages are there from now on
expect "down" "$TWO_HOSTS" down
expect_nothing_left
for signal in INT TERM KILL; do
  step "$signal"
  for delay in 0.02 0.06 0.1 0.13 0.16 0.2 0.25 0.35; do
    interrupt "$signal" "$delay"
    expect_nothing_left
  done
done

# A stand-in host that is being recorded: its QEMU and its sockets go with the command.
step "INT while a stand-in host boots"
TMPDIR=$(mktemp -d /tmp/vmft-test.XXXXXX)
export TMPDIR
faults=
# However this test ends, the command in a session of its own ends before it.
end() {
  if [[ -n $faults ]] && kill -s TERM -- "-$faults" 2>/dev/null; then
    wait "$faults"
  fi
  "$TWO_HOSTS" down
  rm -rf "$TMPDIR"
}
trap 'status=$?; end; exit $status' EXIT
env --default-signal=INT setsid "$SOURCE_ROOT/testbed/faults" benign --out "$TMPDIR/runs" &
faults=$!
for _ in {1..3000}; do
  [[ ! -S $(echo "$TMPDIR"/vmft-host.*/qmp) ]] || break
  kill -0 "$faults" 2>/dev/null || break
  sleep 0.1
done
[[ -S $(echo "$TMPDIR"/vmft-host.*/qmp) ]] || fail "no stand-in host was started"
kill -s INT -- "-$faults"
status=0
wait "$faults" || status=$?
faults=
expect_equal "status of an interrupted command" 130 "$status"
for _ in {1..50}; do
  grep -qlsa -- "[/]${TMPDIR#/}/" /proc/[0-9]*/cmdline || break
  sleep 0.1
done
expect_equal "processes left" "" "$(grep -lsa -- "[/]${TMPDIR#/}/" /proc/[0-9]*/cmdline)"
expect_equal "files left" "" "$(find "$TMPDIR" -mindepth 1)"

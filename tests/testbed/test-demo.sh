#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The main job, whole: the demonstration saves its VMs (it looks at the guests' own heartbeats), shows a plan without
# moving anything when asked to, refuses what it does not know, and leaves nothing behind, also when interrupted.
set -u
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
DEMO=$SOURCE_ROOT/testbed/demo
need_hosts

OUTPUT=$(mktemp)
TMPDIR=$(mktemp -d /tmp/vmft-demo-test.XXXXXX)
export TMPDIR
MARK=VMFT_TEST_MARK=demo-$$ # in the environment of the demonstrations alone
DEMO_PID=
# However this test ends, the demonstration it runs in a session of its own ends before it, in its own orderly way.
end() {
  if [[ -n $DEMO_PID ]] && kill -s TERM -- "-$DEMO_PID" 2>/dev/null; then
    wait "$DEMO_PID"
  fi
  rm -rf "$OUTPUT" "$TMPDIR"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# demonstration STATUS ARG...: must end with that status; what it left under TMPDIR and of processes is looked at
demonstration() {
  local wanted=$1 status=0
  shift
  setsid env "$MARK" "$DEMO" "$@" >"$OUTPUT" 2>&1 &
  DEMO_PID=$!
  wait "$DEMO_PID" || status=$?
  DEMO_PID=
  if ((status != wanted)); then
    cat "$OUTPUT"
    fail "demo $*: status $status instead of $wanted"
  fi
}

# Every process of a demonstration inherits the mark; QEMU's environment is libvirt's, so it is told by its path.
left() {
  grep -lsz "^$MARK\$" /proc/[0-9]*/environ
  grep -lsa -- "[/]${TMPDIR#/}/" /proc/[0-9]*/cmdline
  grep -F "$TMPDIR/" /proc/mounts
  find "$TMPDIR" -mindepth 1 -maxdepth 1
}

expect_none_left() {
  local rest
  for _ in {1..50}; do
    rest=$(left)
    [[ -n $rest ]] || return 0
    sleep 0.1
  done
  fail "left behind: $rest"
}

expect_said() {
  grep -q -- "$1" "$OUTPUT" || { cat "$OUTPUT"; fail "the demo did not say: $1"; }
}

step "bad input"
expect_status 2 "$DEMO" --frobnicate
expect_status 2 "$DEMO" --stop-before lunch

expect_status 2 "$DEMO" hwpoison
expect_status 2 "$DEMO" --recorded oom

# The seed only keeps the test's length the same from run to run.
step "the main job, live"
demonstration 0 hdd --seed 3
expect_said "hdd faults are injected"
expect_said "all 3 VMs run on B"
expect_said "first migrate call: "
expect_said "modes chosen: .*, "
expect_none_left

step "the plan alone, of a recording"
demonstration 0 --recorded --stop-before migrate
expect_said "Plan: *advise"
expect_none_left

step "Ctrl-C in the middle, while the stand-in boots and VMs start"
env --default-signal=INT "$MARK" setsid "$DEMO" >"$OUTPUT" 2>&1 &
DEMO_PID=$!
for _ in {1..3000}; do
  grep -q "^idle: READY" "$OUTPUT" && break
  kill -0 "$DEMO_PID" 2>/dev/null || break
  sleep 0.1
done
expect_said "^idle: READY"
kill -s INT -- "-$DEMO_PID"
wait "$DEMO_PID" && fail "an interrupted demo says that it succeeded"
expect_none_left
step "done"

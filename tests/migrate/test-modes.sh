#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A guest that writes is carried back and forth in every mode and lives on, page by page.
set -u
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

start_hosts
expect "guest" "$TWO_HOSTS" guest A g --memory 256 --dirty-rate 20 --working-set 32 >/dev/null
"$TWO_HOSTS" link 1gbit
here=A
for mode in pre-copy xbzrle auto-converge hybrid post-copy "pre-copy --direct" "post-copy --direct" \
  "pre-copy --parallel 2" "pre-copy --max-downtime 50" "hybrid --persistent --bandwidth 80 --sample 1"; do
  step "$mode, $here to $(other $here)"
  # shellcheck disable=SC2086 # options
  job $here g --mode $mode || fail "status $?: $(cat "$WORK/job")"
  expect_alive "$(other $here)" g
  expect_still $here g
  here=$(other $here)
done

step "what is wanted of a VM travels with it"
job $here g --mode pre-copy --policy "{'priority': <uint32 8>}" || fail "status $?: $(cat "$WORK/job")"
here=$(other $here)
job $here g --probe || fail "status $?: $(cat "$WORK/job")"
grep -q ' priority=8 ' "$WORK/job" || fail "the policy stayed behind: $(cat "$WORK/job")"

step "a job that is aborted leaves the guest where it was"
"$TWO_HOSTS" link 200mbit
job $here g --mode pre-copy --abort-after 1.5 --expect aborted || fail "status $?: $(cat "$WORK/job")"
expect_alive $here g
job $here g --mode pre-copy --abort-after 0.001 --expect aborted || fail "status $?: $(cat "$WORK/job")"
expect_alive $here g
step "a guest whose QEMU dies is said to have failed"
job $here g --watch &
watcher=$!
deadline=$((SECONDS + 20))
until grep -q '^watching' "$WORK/job" 2>/dev/null; do
  ((SECONDS < deadline)) || fail "nobody watches: $(cat "$WORK/job")"
  sleep 0.05
done
"$TWO_HOSTS" exec $here kill -9 "$("$TWO_HOSTS" exec $here cat /run/libvirt/qemu/g.pid)"
wait "$watcher" || fail "status $?: $(cat "$WORK/job")"
grep -q '^result vm-failed .*: it crashed$' "$WORK/job" || fail "not said: $(cat "$WORK/job")"
finish

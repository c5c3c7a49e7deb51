#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# testbed/replay: order, time stamps, marks, and what it says to bad input.
set -u
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

REPLAY=$SOURCE_ROOT/testbed/replay
DIR=$(mktemp -d)
trap 'rm -rf "$DIR"' EXIT

mkdir "$DIR/run" "$DIR/empty"
cat >"$DIR/run/log.txt" <<'EOF'
2026-01-01T00:00:00.000000+00:00 h kernel: one
2026-01-01T00:00:50.000000+00:00 h kernel: two
 a line without a time
2026-01-01T00:01:40.000000+00:00 h kernel: three
2026-01-01T00:01:40.500000+00:00 h kernel: four
EOF
cat >"$DIR/run/labels.json" <<'EOF'
{"scenario": "hdd", "inject_time": "2026-01-01T00:01:40.000000+00:00",
 "failure_time": "2026-01-01T00:01:40.400000+00:00", "start_time": "2026-01-01T00:00:00+00:00", "boot_s": 10}
EOF

# The benign 100 s pass in 0.1 s, the fault's 0.5 s in 0.5 s.
before=$(date +%s%N)
expect "replay" "$REPLAY" "$DIR/run" "$DIR/out" --benign-speed 1000 --rebase-now >"$DIR/marks"
took_ms=$((($(date +%s%N) - before) / 1000000))
((550 <= took_ms && took_ms < 5000)) || fail "took $took_ms ms"
expect_equal "text" "one two time three four" "$(awk '{ print $NF }' "$DIR/out" | xargs)"
expect_equal "marks" "start expect-injection expect-failure injection failure end" "$(awk '{ print $1 }' "$DIR/marks" | xargs)"
expect_equal "year of the first line" "$(date -u +%Y)" "$(head -c 4 "$DIR/out")"
expect_equal "failure after injection, ms" 400 \
  "$(awk '$1 == "injection" { i = $3 } $1 == "failure" { printf "%.0f", ($3 - i) * 1000 }' "$DIR/marks")"

expect "replay up to a moment, stamps as recorded" "$REPLAY" "$DIR/run" "$DIR/out2" --speed 10000 --from boot --until 60 >/dev/null
expect_equal "lines" "2026-01-01T00:00:50.000000+00:00 2026-01-01T00:00:50.000000+00:00" \
  "$(awk '{ print $1 }' "$DIR/out2" | xargs)"

expect_status 2 "$REPLAY" "$DIR/nothing" "$DIR/out3"
expect_status 2 "$REPLAY" "$DIR/empty" "$DIR/out3"
expect_status 2 "$REPLAY" "$DIR/run" "$DIR/no/such/dir/out"
expect_status 2 "$REPLAY" "$DIR/run" "$DIR/out3" --until never
expect_status 2 "$REPLAY" "$DIR/run" "$DIR/out3" --speed 0
echo '{"scenario": "hdd", "inject_time": "soon"}' >"$DIR/run/labels.json"
expect_status 2 "$REPLAY" "$DIR/run" "$DIR/out3"
echo '{' >"$DIR/run/labels.json"
expect_status 2 "$REPLAY" "$DIR/run" "$DIR/out3"

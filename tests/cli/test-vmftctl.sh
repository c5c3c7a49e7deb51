#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# vmftctl against a real vmftd on a bus of its own, with libvirt's test driver for a hypervisor: what each verb says,
# as a table and as JSON, and the exit codes of everything that can go wrong.
# VMFTD and VMFTCTL name the programs, VMFT_SOURCE_ROOT the checkout.
set -u

command -v dbus-daemon >/dev/null || { echo "dbus-daemon (Debian package dbus-daemon) is not installed"; exit 77; }
DIR=$(mktemp -d)
PIDS=()
LOG=$DIR/kern.log

cleanup() {
  local pid
  for pid in "${PIDS[@]}"; do
    kill "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
  done
  rm -rf "$DIR"
}
trap cleanup EXIT
trap 'exit 143' TERM INT

fail() {
  echo "FAIL: $*" >&2
  [[ ! -f $DIR/vmftd.log ]] || sed 's/^/  vmftd: /' "$DIR/vmftd.log" >&2
  exit 1
}

# expect STATUS PATTERN ARG...: vmftctl ARG... ends with STATUS and says (on either stream) PATTERN
expect() {
  local wanted=$1 pattern=$2 status=0 said
  shift 2
  said=$("$VMFTCTL" "$@" 2>&1) || status=$?
  ((status == wanted)) || fail "vmftctl $*: status $status instead of $wanted: $said"
  grep -qE -- "$pattern" <<<"$said" || fail "vmftctl $*: '$pattern' is not in: $said"
}

# eventually PATTERN ARG...: within 10 s vmftctl ARG... says PATTERN
eventually() {
  local pattern=$1 deadline=$((SECONDS + 10))
  shift
  until "$VMFTCTL" "$@" 2>/dev/null | grep -qE -- "$pattern"; do
    ((SECONDS < deadline)) || fail "vmftctl $*: never said '$pattern' but: $("$VMFTCTL" "$@" 2>&1)"
    sleep 0.05
  done
}

# json EXPRESSION ARG...: EXPRESSION over the parsed output, as `v`, is true
json() {
  local expression=$1
  shift
  "$VMFTCTL" "$@" --json | python3 -c "import json, sys; v = json.load(sys.stdin); sys.exit(not ($expression))" ||
    fail "vmftctl $* --json: not $expression: $("$VMFTCTL" "$@" --json)"
}

cat >"$DIR/bus.conf" <<EOF
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=$DIR/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy>
</busconfig>
EOF
cat >"$DIR/vmftd.conf" <<EOF
[Daemon]
state-directory=$DIR/state
hostname=*
[Source kernel]
type=file
path=$LOG
trust=kernel
[Detector]
model=$VMFT_SOURCE_ROOT/data/kernel-message.model
families=$VMFT_SOURCE_ROOT/data/fault-families.conf
[Libvirt]
uri=test:///default
[Destination hostB]
uri=test:///default
[Record]
enabled=true
EOF
export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$DIR/bus

echo "- without bus and daemon"
expect 3 'system bus cannot be reached' status
dbus-daemon --nofork --nopidfile --config-file="$DIR/bus.conf" &
PIDS+=($!)
# the socket is there before anyone listens on it
for _ in {1..200}; do "$VMFTCTL" status 2>&1 | grep -q 'is vmftd running' && break; sleep 0.05; done
expect 3 'is vmftd running' status

echo "- wrong words"
expect 2 'a command is missing'
expect 2 'is not a command' frobnicate
expect 2 'Unknown option' list --colour
expect 2 'an argument is missing' show
expect 2 'one argument too many' list everything
expect 2 'is not an id' why seven
expect 2 'exclude each other' plan --last --host-fault disk
expect 2 'neither a time nor a duration' inhibit --until whenever --why test
expect 2 'say --until' inhibit
expect 0 'Commands:' --help
expect 0 '^vmftctl [0-9]' --version
expect 2 'argument 1 is not UTF-8' show $'\xff'
expect 2 'a day at most' record 1 --output "$DIR/runs" --timeout inf
expect 2 'say check' config frobnicate
expect 2 'an argument is missing' replay
expect 2 'an argument is missing' templates

echo "- what needs no daemon"
expect 0 '^.*vmftd.conf is good$' config check "$DIR/vmftd.conf"
printf '[Daemon]\nmdoe=act\n' >"$DIR/bad.conf"
expect 2 "bad.conf: \[Daemon\] mdoe: .*mode" config check "$DIR/bad.conf"
[[ $("$VMFTCTL" config check "$DIR/bad.conf" 2>&1 | sed 's/^[^:]*: //') == \
   "$("$VMFTD" --check-config --config "$DIR/bad.conf" 2>&1 | sed 's/^[^:]*: //')" ]] || fail "vmftd says it otherwise"
expect 2 '"good" : false' config check "$DIR/bad.conf" --json
expect 4 'No such file|not there' config check "$DIR/none.conf"
printf '[HTTP]\nlisten=0.0.0.0:8638\n' >"$DIR/open.conf"
expect 2 'open.conf: \[HTTP\] listen=.*token-file' config check "$DIR/open.conf"
RECORDED=$VMFT_SOURCE_ROOT/testbed/recorded/hdd-1/log.txt
export VMFT_DATA_DIR=$VMFT_SOURCE_ROOT/data
expect 0 'Incident: +1, .*class disk, locus block sda' replay "$RECORDED"
expect 0 '^ web +[a-z-]+ +another-host' replay --vm web:1G:10M "$RECORDED"
expect 0 'web: [a-z-]+ to another-host completed' replay --vm web:1G:10M "$RECORDED"
expect 0 'guard: advise' replay --vm web:1G:10M --mode advise "$RECORDED"
expect 0 '^ +1 +[0-9]+ ' templates "$RECORDED"
expect 2 'is not a mode of operation' replay --mode sideways "$RECORDED"
expect 2 'is not NAME:MEMORY' replay --vm web "$RECORDED"
expect 1 'none.log: ' replay "$DIR/none.log"
expect 1 'none.log: ' templates "$DIR/none.log"
echo 'NUM [' >"$DIR/masks"
expect 2 'masks' templates --masks "$DIR/masks" "$RECORDED"

"$VMFTD" --config "$DIR/vmftd.conf" >"$DIR/vmftd.log" 2>&1 &
PIDS+=($!)

echo "- before anything happens"
eventually 'Libvirt: .* connected' status
json 'v["operation"] == "observe" and v["open_incidents"] == 0' status
eventually '^ 1 +test +running' list
json 'v[0]["name"] == "test" and v[0]["running"]' list
expect 0 '^VM: +test' show test
expect 0 '^VM: +test' show 1
expect 0 '^VM: +test' show 6695eb01-f6a4-8304-79aa-97f2502e193f
expect 4 'no domain' show nobody
expect 0 'Mode' estimate test
expect 4 'no incident 1' why 1
expect 0 'No plan has been made' plan --last
expect 1 'No such file' leads import "$DIR/none"
echo '{"class": 7' >"$DIR/broken.json"
expect 2 'broken.json' leads import "$DIR/broken.json"

echo "- what is wanted of one VM"
expect 0 '^Priority: +5$' policy test
json 'v["priority"] == 5 and not v["off"] and v["max_downtime_ms"] == 0 and v["name"] == "test"' policy test
expect 0 '^Max downtime: +150 ms$' policy test priority=9 modes=pre-copy,hybrid max-downtime=150ms off=yes
json 'v["priority"] == 9 and v["off"] and v["allowed_modes"] == "pre-copy, hybrid"' policy test
expect 0 'priority 9, .*, downtime up to 150 ms, off' show test
json 'v["priority"] == 5 and v["off"] and v["max_downtime_ms"] == 150' policy test priority=
expect 2 'none of priority, modes, max-downtime and off' policy test colour=blue
expect 2 'is not KEY=VALUE' policy test off
expect 2 'priority: 11 is not from 1 to 10' policy test priority=11 off=no
expect 2 'priority: .* is not a number' policy test priority=high
expect 2 'off: .* neither yes nor no' policy test off=perhaps
expect 2 'modes: no migration mode "teleport"' policy test modes=teleport
expect 2 'max-downtime: .* not a duration' policy test max-downtime=soon
expect 2 'max-downtime-ms: 0 is not' policy test max-downtime=0
expect 4 'no domain' policy nobody priority=1
json 'v["off"] and v["priority"] == 5' policy test
expect 0 '^Off: +no$' policy test off= modes= max-downtime=

echo "- lead times go in and come out"
echo '[{"class": "disk", "lead_s": 17.5, "origin": "testbed"}, {"class": "disk", "lead_s": 30, "origin": "testbed"}]' \
  >"$DIR/leads.json"
expect 0 '^2 lead times imported' leads import "$DIR/leads.json"
expect 0 '^0 lead times imported' leads import "$DIR/leads.json"
json 'len(v) == 2 and v[0]["class"] == "disk"' leads export
expect 0 '^ disk' leads

echo "- what log inference said, and the operator in its place"
json 'v == []' answers
expect 0 '' answers overrule 'flux capacitor <:*:> low' normal --reason 'seen before'
json 'v[0]["answer"] == "normal" and v[0]["provider"] == "operator" and v[0]["reason"] == "seen before"' answers
expect 0 'flux capacitor' answers
expect 2 'is not an answer' answers overrule x perhaps
expect 2 'say forget KEY' answers nonsense
expect 4 'no answer' answers forget nonsense
key=$("$VMFTCTL" answers --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["key"])')
expect 0 '' answers overrule "$key" faulty
json 'len(v) == 1 and v[0]["answer"] == "faulty"' answers
expect 0 '' answers forget "$key"
json 'v == []' answers

echo "- a disk fails"
for sector in 4096 4104 4112; do
  echo "$(date -u +%Y-%m-%dT%H:%M:%S.%6N+00:00) host01 kernel: [  942.132541] critical medium error, dev sda, sector $sector op 0x0:(READ) flags 0x800 phys_seg 1 prio class 2"
done >>"$LOG"
eventually '^ 1 +confirmed +disk +block sda' incidents
json 'v[0]["class"] == "disk" and v[0]["incident_id"] == 1 and "sector 4" in v[0]["line"]' alarms
json 'len(v) > 0' alarms --incident 1
json 'len(v) == 0' alarms --incident 2
expect 0 'critical medium error, dev sda' why 1
json 'v["incident"]["id"] == 1 and len(v["alarms"]) > 0 and len(v["plans"]) > 0' why 1
expect 0 'Plan: ' plan --last
json 'v["verdict"] in ("advise", "nothing", "not-worth")' plan --host-fault disk
expect 2 'host-fault|class' plan --host-fault lunch
json 'v == []' history

echo "- what the operator says"
expect 0 '' mode advise
expect 0 '^advise$' mode
expect 2 'not a mode' mode sideways
expect 0 '' inhibit --until 2h --why 'new disks'
expect 0 'Inhibited: .*new disks' status
expect 0 '' inhibit --end
expect 0 '' acknowledge 1 --clear
eventually '^ 1 +cleared' incidents

echo "- what was recorded of it"
cat >"$DIR/upload" <<'EOF'
#!/bin/sh
# upload STATUS WHERE RUN: keeps the run, or says that it does not
[ "$1" = 0 ] || { echo "store is full"; exit "$1"; }
cp -r "$3" "$2" && grep -q '"incident" : 1' # of the labels, on standard input
EOF
chmod +x "$DIR/upload"
eventually '^ 1 +cleared +disk +block sda' record
json 'v[0]["incident"] == 1 and v[0]["state"] == "cleared" and v[0]["failure_time"] is None' record
json '{"family", "template", "host", "class", "locus", "inject_time", "lines", "size_bytes", "dropped"} <= set(v[0])' record
run=$DIR/runs/$(uname -n)-1
expect 2 'say which incident, or --all' record --output "$DIR/runs"
expect 2 'output DIR is missing' record 1
expect 4 'no run of incident 2' record 2 --output "$DIR/runs"
expect 1 'not now, try again later: store is full' record --all --output "$DIR/runs" --upload-command "$DIR/upload 75"
expect 1 'upload 1: store is full' record 1 --output "$DIR/runs" --upload-command "$DIR/upload 1"
expect 1 'No such file' record 1 --output "$DIR/runs" --upload-command "$DIR/nothing; touch $DIR/shell"
expect 1 '' record 1 --output "$DIR/runs" --upload-command "sleep 60" --timeout 0.1
[[ ! -e $DIR/shell && -z $(ls -A "$DIR/runs") ]] || fail "a run that could not be kept is there: $(ls "$DIR/runs")"
expect 0 "^$run\$" record --all --output "$DIR/runs" --upload-command "$DIR/upload 0 $DIR/kept"
grep -q "critical medium error, dev sda, sector 4096" "$DIR/kept/log.txt" || fail "the log is not in the run"
cmp -s "$DIR/kept/labels.json" "$run/labels.json" || fail "what was uploaded is not what is kept"
[[ $(stat -c %a "$run/log.txt") == 600 ]] || fail "others can read the log"
json 'v == []' record --all --output "$DIR/runs"
json 'v == []' incidents --open
expect 4 'no incident 99' acknowledge 99
expect 4 'no domain|not found|nobody' migrate nobody
expect 0 '' drill disk
eventually 'drill' incidents
expect 0 'stays|Plan' evacuate --dry-run
expect 2 'there is nothing to wait for' evacuate --dry-run --wait
expect 4 'nobody' migrate nobody --wait
expect 4 'no migration 77 is running' abort 77
expect 0 '' reload

echo "- one word after the other"
"$VMFTCTL" watch --json >"$DIR/watch" &
watch=$!
PIDS+=("$watch")
for _ in {1..200}; do [[ -s $DIR/watch ]] && break; sleep 0.05; done
expect 0 'nothing moves' drill memory
for _ in {1..200}; do grep -q '"event":"plan"' "$DIR/watch" && break; sleep 0.05; done
python3 - "$DIR/watch" <<'END' || fail "watch --json: $(cat "$DIR/watch")"
import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    lines = [json.loads(line) for line in file]
assert lines[0]["event"] == "status" and lines[0]["data"]["operation"], lines[0]
assert {"alarm", "incident", "plan"} <= {line["event"] for line in lines}, lines
assert all(line["time_us"] > 0 and line["data"] for line in lines)
assert any(line["data"].get("drill") for line in lines)
END
kill -TERM "$watch"
status=0
wait "$watch" || status=$?
((status == 0)) || fail "watch ends with $status"
# on a terminal: a picture, and the terminal as it was after Ctrl-C
for seconds in 2 5 20; do # a busy machine may take its time to draw it
  TERM=xterm script -qec "timeout --foreground -s INT $seconds '$VMFTCTL' watch; :" /dev/null </dev/null >"$DIR/screen"
  ! grep -q 'Open incidents' "$DIR/screen" || break
done
grep -q 'Open incidents' "$DIR/screen" || fail "watch draws: $(cat -v "$DIR/screen")"
[[ $(cat "$DIR/screen") == *$'\033[?25h\033[?1049l'* ]] || fail "watch leaves the terminal as it was not"
# colours on a terminal only, and not against NO_COLOR
! "$VMFTCTL" incidents | grep -q $'\033' || fail "colours in a pipe"
TERM=xterm script -qec "'$VMFTCTL' incidents" /dev/null </dev/null | grep -q $'\033\[' || fail "no colours on a terminal"
! TERM=xterm NO_COLOR=1 script -qec "'$VMFTCTL' incidents" /dev/null </dev/null | grep -q $'\033\[' ||
  fail "colours against NO_COLOR"

echo "- JSON as released"
open=$("$VMFTCTL" incidents --open --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["id"])')
"$VMFTCTL" answers overrule 'flux capacitor <:*:> low' normal
"$VMFT_SOURCE_ROOT/tests/cli/json-schema.py" "$VMFTCTL" "$VMFT_SOURCE_ROOT/tests/cli/json.released" "$RECORDED" \
  "$DIR/vmftd.conf" "$open" || fail "JSON"

echo "- who may not"
chmod 755 "$DIR"
chmod 777 "$DIR/bus"
nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
if ((EUID == 0)) && "${nobody[@]}" "$VMFTCTL" --version >/dev/null 2>&1; then
  status=0
  "${nobody[@]}" "$VMFTCTL" list >/dev/null || fail "nobody may not read"
  said=$("${nobody[@]}" "$VMFTCTL" mode act 2>&1) || status=$?
  [[ $status == 5 && $said == *org.vmft1.configure* ]] || fail "nobody sets the mode: $status $said"
fi
echo "- done"

#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of vmftctl's words: commands and options are those of the real program, names those of a daemon that
# this script plays.
# usage: test-completion.sh COMPLETION VMFTCTL
set -euo pipefail

completion=$(realpath "$1")
real=$(realpath "$2")
work=$(mktemp -d "${TMPDIR:-/tmp}/vmft-completion-XXXXXX")
trap 'rm -rf "$work"' EXIT

# Answers lists; all else is the real one's.
cat > "$work/vmftctl" << EOF
#!/bin/bash
case "\$*" in
  "list --json") cat "$work/list" ;;
  "incidents --open --json") printf '[\n  {\n    "id" : 7,\n    "state" : "confirmed"\n  },\n  {\n    "id" : 71\n  }\n]\n' ;;
  *) exec "$real" "\$@" ;;
esac
EOF
chmod +x "$work/vmftctl"
cat > "$work/list" << 'EOF'
[
  {
    "uuid" : "6f1e0000-0000-4000-8000-000000000001",
    "name" : "web-1",
    "running" : true
  },
  {
    "name" : "web $(touch owned)",
    "disks" : [
      {
        "target" : "vda",
        "name" : "not a domain"
      }
    ]
  },
  {
    "name" : "mail"
  }
]
EOF
PATH=$work:$PATH
cd "$work"
# shellcheck source=/dev/null
. "$completion"

expect () { # WANTED WORD…
  local wanted=$1 got
  shift
  COMP_WORDS=(vmftctl "$@")
  COMP_CWORD=$#
  _vmftctl
  got=$(printf '%s\n' "${COMPREPLY[@]-}" | LC_ALL=C sort | paste -sd' ')
  if [ "$got" != "$wanted" ]; then
    printf 'completing “%s”: wanted “%s”, got “%s”\n' "$*" "$wanted" "$got"
    exit 1
  fi
}

expect 'status' stat
expect 'acknowledge' ack
expect '--until=' inhibit --u
expect 'mail web-1 web\ \$\(touch\ owned\)' show ''
expect 'web-1 web\ \$\(touch\ owned\)' estimate we
expect '7 71' why ''
expect 'act advise' mode a
expect 'check' config c
expect '--vm= --vms=' replay --vm
expect '' show nothing
expect 'mail' policy ma
expect 'max-downtime= modes= off= priority=' policy mail ''
expect 'priority=' policy mail prio
expect 'no yes' policy mail off =
expect 'pre-copy' policy mail modes = pre
[ ! -e owned ]

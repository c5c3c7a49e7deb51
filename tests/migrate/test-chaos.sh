#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Evacuations by the real daemons of two hosts, with faults thrown into them: testbed/chaos, where hosts can be made.
# usage: test-chaos.sh OPTION... (of testbed/chaos)
set -u
# shellcheck source-path=SCRIPTDIR source=../testbed/lib.sh
. "$(dirname "$0")/../testbed/lib.sh"
need_hosts
exec "$SOURCE_ROOT/testbed/chaos" "$@"

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the demo reads out of vmft's JSON: conditions to wait for, and the timeline."""
import argparse
import json
import sys
import time

MIB = 1024 * 1024


def rows(text):
    try:
        value = json.loads(text)
    except ValueError:
        return []
    return value if isinstance(value, list) else [value]


def sampled(args):
    """every VM has a dirty-rate sample"""
    vms = rows(sys.stdin.read())
    return 0 if len(vms) == args.n and all(vm.get("dirty_samples", 0) > 0 for vm in vms) else 1


def count(_args):
    print(len(rows(sys.stdin.read())))
    return 0


def incident(_args):
    """which incident a plan is for"""
    print(rows(sys.stdin.read())[-1]["incident_id"])
    return 0


def ended(args):
    """so many migrations have come to an end"""
    done = [row for row in rows(sys.stdin.read()) if row.get("state") in ("completed", "failed", "aborted")]
    return 0 if len(done) >= args.n else 1


def seconds(value):
    return "-" if value is None else f"{value:.1f} s"


class Timeline:
    def __init__(self, zero):
        self.zero = zero
        self.events = []

    def add(self, when, text):
        self.events.append((when, text))

    def show(self):
        for when, text in sorted(self.events, key=lambda event: event[0]):
            print(f"  {when - self.zero:+8.3f}  {text}")


def plan_of(story):
    """the plan that was carried out, or the last one"""
    plans = story.get("plans", [])
    acted = [plan for plan in plans if plan.get("verdict") == "go" and plan.get("steps")]
    return (acted or plans or [None])[0]


def describe_estimates(step):
    parts = []
    for estimate in step["estimates"]:
        total = estimate.get("total_p50_s")
        parts.append(f"{estimate['mode']} {seconds(total) if total is not None else 'never'}")
    return ", ".join(parts)


def show(args):
    with open(args.story, encoding="utf-8") as f:
        story = json.load(f)
    alarms = sorted(story["alarms"], key=lambda alarm: alarm["arrival_us"])
    if not alarms:
        print("no alarm")
        return 1
    zero = alarms[0]["arrival_us"] / 1e6
    line = Timeline(zero)
    first = alarms[0]
    line.add(zero, f"line seen: {first['line']}")
    line.add(
        zero + 1e-6,
        f"alarm: p {first['p']:.3f}, class {first['class']}, locus {first['locus']}, family {first['family'] or '-'}, "
        f"template “{first['template']}”",
    )
    plan = plan_of(story)
    if plan is None:
        print("no plan")
        return 1
    made = plan["now_us"] / 1e6
    line.add(
        made,
        f"evidence complete, plan {plan['id']}: {plan['reason']}; lead left p10 {seconds(plan['lead_p10_s'])}, "
        f"p50 {seconds(plan['lead_p50_s'])}, p90 {seconds(plan['lead_p90_s'])}",
    )
    for i, step in enumerate(plan["steps"]):
        line.add(made + (2 * i + 1) * 1e-6, f"  {step['name']}: {step['reason']}")
        line.add(made + (2 * i + 2) * 1e-6, f"    {step['name']} alone on the link: {describe_estimates(step)}")

    good = set()
    last = zero
    for job in story["migrations"]:
        start, end = job.get("started_us", 0) / 1e6, job.get("ended_us", 0) / 1e6
        last = max(last, end)
        line.add(start, f"{job['name']}: {job['mode']} to {job['destination']} starts")
        if not end:
            continue
        line.add(
            end,
            f"{job['name']}: {job['state']} after {seconds(job.get('total_s'))}, forecast {seconds(job.get('forecast_p50_s'))} "
            f"(p90 {seconds(job.get('forecast_p90_s'))}), downtime {1e3 * (job.get('downtime_s') or 0):.0f} ms, "
            f"{(job.get('transferred_bytes') or 0) / MIB:.0f} MiB",
        )
        if job["state"] == "completed":
            good.add(job["name"])
    line.add(args.arrived, "heartbeats of all VMs seen on B")
    line.add(args.expect_failure, "the failure of the host")
    line.show()

    reaction = plan.get("evidence_to_call_s")
    if reaction is not None:
        print(f"\nfrom the line that completes the evidence to the first migrate call: {1e3 * reaction:.1f} ms")
    modes = sorted({step["mode"] for step in plan["steps"]})
    print(f"modes chosen: {', '.join(modes)}")
    print(f"saved {len(good)} of {len(args.guests)} VMs with {args.expect_failure - args.arrived:.1f} s to spare "
          f"({time.strftime('%H:%M:%S', time.gmtime(args.expect_failure))} UTC would have been the end)")
    missing = set(args.guests) - good
    if missing:
        print(f"not moved: {', '.join(sorted(missing))}")
    return 0 if not missing and args.arrived < args.expect_failure and len(modes) >= args.min_modes else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("sampled")
    verb.add_argument("n", type=int)
    verb.set_defaults(func=sampled)
    verb = verbs.add_parser("count")
    verb.add_argument("what")
    verb.set_defaults(func=count)
    verb = verbs.add_parser("incident")
    verb.set_defaults(func=incident)
    verb = verbs.add_parser("ended")
    verb.add_argument("n", type=int)
    verb.set_defaults(func=ended)
    verb = verbs.add_parser("show")
    verb.add_argument("story")
    verb.add_argument("--expect-failure", type=float, required=True)
    verb.add_argument("--arrived", type=float, required=True)
    verb.add_argument("--guests", nargs="+", required=True)
    verb.add_argument("--min-modes", type=int, default=1)
    verb.set_defaults(func=show)
    args = parser.parse_args()
    return args.func(args)


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: LGPL-2.1-or-later
"""What testbed/measure makes of its jobs: errors per mode, coverage of p90, convergence, table and figure."""
import os
import shutil
import statistics
import subprocess
import tempfile

MODES = ["pre-copy", "xbzrle", "auto-converge", "hybrid", "post-copy"]
RESENDING = MODES[:3]
MOST_ERROR = 0.10
COVERAGE = (0.80, 0.97)
ENOUGH_JOBS = 100


def error(forecast, job):
    """|forecast - actual| / actual; a job said never to end that did is wrong by all there is."""
    return float("inf") if forecast is None else abs(forecast - job["total_s"]) / job["total_s"]


def median_or_none(values):
    if not values:
        return None
    middle = statistics.median(values)
    return middle if middle != float("inf") else None


def mode_figures(jobs, key):
    done = [job for job in jobs if job["completed"] and job["in_target"]]
    return {"median_absolute_error": median_or_none([error(job.get(key), job) for job in done]), "n": len(done)}


def convergence_errors(jobs):
    """Jobs that should have been foretold to end or not to end, and were foretold otherwise."""
    wrong = [job for job in jobs if job["mode"] in RESENDING and job["judged"]
             and job["said_never"] == job["completed"]]
    return [job["n"] for job in wrong]


def figures(all_jobs):
    jobs = [job for job in all_jobs if not job["cold"]]
    cold = [job for job in all_jobs if job["cold"]]
    forecast = [job for job in jobs if job["completed"] and job.get("p90_s") is not None]
    covered = sum(job["total_s"] <= job["p90_s"] for job in forecast)
    wrong = convergence_errors(jobs)
    between = [job for job in forecast if not job["in_target"]]
    undecided = [job["n"] for job in jobs if not job["completed"] and not job["judged"]]
    summary = {"n": len(jobs), "never_ended": sum(not job["completed"] for job in jobs),
               "p90_coverage": covered / len(forecast) if forecast else None, "p90_n": len(forecast),
               "convergence_errors": len(wrong), "convergence_error_jobs": wrong,
               "stopped_too_early_to_tell": len(undecided), "modes": {}, "linear": {},
               "ratio": {},
               "between": {"n": len(between), "covered": sum(job["total_s"] <= job["p90_s"] for job in between)},
               "cold": {"n": len(cold), "errors": [error(job.get("p50_s"), job) for job in cold]},
               "load1_median": statistics.median(job["load1"] for job in jobs)}
    for mode in MODES:
        own = [job for job in jobs if job["mode"] == mode]
        summary["modes"][mode] = mode_figures(own, "p50_s")
        summary["linear"][mode] = mode_figures(own, "linear_s")
        summary["ratio"][mode] = mode_figures(own, "ratio_s")
    summary["met"] = is_met(summary)
    return summary


def is_met(summary):
    errors = [row["median_absolute_error"] for row in summary["modes"].values()]
    coverage = summary["p90_coverage"]
    between = summary["between"]
    return (between["covered"] >= COVERAGE[0] * between["n"] and all(value is not None and value <= MOST_ERROR for value in errors)
            and summary["convergence_errors"] == 0 and summary["p90_n"] >= ENOUGH_JOBS
            and coverage is not None and COVERAGE[0] <= coverage <= COVERAGE[1])


def percent(value):
    return "-" if value is None else "%.1f%%" % (100 * value)


def print_table(summary):
    print("median absolute error of p50 total time, dirty rate below 0.8 or above 1.3 of the link")
    print("%-14s %4s %8s %8s %10s" % ("mode", "n", "vmft", "a*s+b", "t/(1-D/B)"))
    for mode in MODES:
        row = summary["modes"][mode]
        print("%-14s %4d %8s %8s %10s" % (mode, row["n"], percent(row["median_absolute_error"]),
                                           percent(summary["linear"][mode]["median_absolute_error"]),
                                           percent(summary["ratio"][mode]["median_absolute_error"])))
    print("p90 coverage, all modes: %s of %d jobs" % (percent(summary["p90_coverage"]), summary["p90_n"]))
    print("of these between 0.8 and 1.3 of the link: %d of %d covered" % (summary["between"]["covered"],
                                                                          summary["between"]["n"]))
    print("cold jobs, before which a host had never used its link: %s off"
          % ", ".join(percent(value) for value in summary["cold"]["errors"]))
    print("jobs that never ended: %d; wrongly foretold: %d %s"
          % (summary["never_ended"], summary["convergence_errors"], summary["convergence_error_jobs"] or ""))
    if summary["stopped_too_early_to_tell"]:
        print("stopped before the end they were foretold: %d" % summary["stopped_too_early_to_tell"])
    if summary["broken_guests"]:
        print("guests given up because something else failed: %d" % summary["broken_guests"])
    print("load average while it ran, median: %.1f" % summary["load1_median"])


PLOT = """set terminal pngcairo size 800,700 noenhanced
set output "%s"
set xlabel "measured total time (s)"
set ylabel "forecast, p50 and p90 (s)"
set logscale xy
set key left top
set grid
plot x with lines lc rgb "gray" title "right", %s
"""


def write_figure(path, jobs):
    """Predicted against measured; without gnuplot there is no figure."""
    if shutil.which("gnuplot") is None:
        return False
    with tempfile.TemporaryDirectory() as work:
        curves = []
        for number, mode in enumerate(MODES, 1):
            points = [job for job in jobs if job["mode"] == mode and job["completed"] and job.get("p50_s")
                      and job.get("p90_s")]
            if not points:
                continue
            data = os.path.join(work, mode + ".dat")
            with open(data, "w", encoding="ascii") as file:
                for job in points:
                    file.write("%g %g %g %g\n" % (job["total_s"], job["p50_s"], job["p50_s"], job["p90_s"]))
            curves.append('"%s" using 1:2:3:4 with yerrorbars lc %d pt 7 title "%s"' % (data, number, mode))
        subprocess.run(["gnuplot"], input=PLOT % (os.path.abspath(path), ", ".join(curves)), text=True,
                       check=True)
    return True

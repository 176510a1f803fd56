# SPDX-License-Identifier: GPL-3.0-or-later
"""What the soak test finds, as a page."""

import datetime

import numpy as np

MIB = 1 << 20
RULE = """The first third of the run is warm-up. Over the rest, a least-squares line through the figures, one
a second, may rise by at most 10 % of their median, or 24 MiB (memory) or 16 (descriptors) if that is
more; and the most in the last third of the run may be above the most in the second third by no more
than that either."""


def flatness(times, values, least):
    """Whether figures are flat by the rule, with the rise and the difference."""
    times, values = np.asarray(times, float), np.asarray(values, float)
    end = times[-1]
    late, last = times >= end / 3, times >= 2 * end / 3
    slope = np.polyfit(times[late], values[late], 1)[0]
    rise = slope * (times[late][-1] - times[late][0])
    difference = values[last].max() - values[late & ~last].max()
    allowed = max(least, 0.1 * np.median(values[late]))
    return bool(rise <= allowed and difference <= allowed), rise, difference, allowed


def verdict(samples):
    """The findings about memory and descriptors: what, and (whether it holds, figures)."""
    if len(samples) < 12:
        return {"long enough to judge": (False, f"{len(samples)} s")}
    times, memory, files = zip(*samples)
    findings = {}
    flat, rise, difference, allowed = flatness(times, memory, 24 * MIB)
    findings["memory is flat"] = flat, (
        f"line rises {rise / MIB:+.1f} MiB, last third {difference / MIB:+.1f} MiB against the "
        f"second, of {allowed / MIB:.1f} allowed; most {max(memory) / MIB:.0f} MiB")
    flat, rise, difference, allowed = flatness(times, files, 16)
    findings["descriptors are flat"] = flat, (
        f"line rises {rise:+.1f}, last third {difference:+.0f} against the second, of "
        f"{allowed:.0f} allowed; most {max(files)}")
    return findings


def write_report(facts, findings, latencies, samples):
    """The page."""
    requests = sum(len(values) for values in latencies.values())
    lines = [
        "# Soak test", "",
        "`make soak` sends mixed traffic for 30 minutes and looks at every reply: masks are valid and",
        "have the score that is said, estimates are gradients over their probabilities, what is wrong",
        "gets its status, and 503 comes with Retry-After. Some clients send slowly and some go away.",
        "A reply that equals one to the same request that was found right is not looked at again.",
        "", f"{datetime.date.today():%Y-%m-%d}, {requests:,} requests.", ""]
    lines += ["| | |", "|---|---|"] + [f"| {name} | {value} |" for name, value in facts.items()]
    lines += ["", "| found | | |", "|---|---|---|"]
    lines += [f"| {name} | {'yes' if passed else '**no**'} | {figures} |"
              for name, (passed, figures) in findings.items()]
    lines += ["", *RULE.splitlines(), "",
              "Milliseconds from the first byte sent to the last byte read, less what a slow client waits",
              "by intention; the clients compete with the service for the processor.", "",
              "| kind | requests | p50 | p99 | max |", "|---|---:|---:|---:|---:|"]
    for kind in sorted(latencies):
        values = 1000 * np.asarray(latencies[kind])
        p50, p99, most = np.percentile(values, [50, 99, 100])
        name = kind.replace("_", " ")
        figures = "| | |" if kind == "vanishing" else f"{p50:.1f} | {p99:.1f} | {most:.1f} |"
        lines.append(f"| {name} | {len(values):,} | {figures}")
    if samples:
        lines += ["", "Resident memory in MiB over the run, in twelfths:", "", "    " + " ".join(
            f"{np.mean([s[1] for s in part]) / MIB:.0f}"
            for part in np.array_split(np.array(samples), min(12, len(samples))))]
    return "\n".join(lines) + "\n"

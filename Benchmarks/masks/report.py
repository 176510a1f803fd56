# SPDX-License-Identifier: GPL-3.0-or-later
"""Fills the tables of Documentation/performance.md and draws its picture from measured figures.

    report.py results.json

Figures of a quick run go into a copy of the page beside them.
"""

import json
import pathlib
import re
import sys

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot  # noqa: E402

DOCUMENTATION = pathlib.Path(__file__).resolve().parents[2] / "Documentation"
# Less of the time than this on a core means that something else ran there.
DISTURBED = 0.95
# The least error the picture tells from none.
NONE = 1e-8


def rate(value):
    return f"{value:.2g}" if value < 10 else f"{value:,.0f}"


def times(value):
    return f"{value:.2g}x" if value < 10 else f"{value:,.0f}x"


def share(value):
    """An error in per cent, to two digits."""
    return "0" if value < 1e-9 else f"{100 * value:.2g} %"


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def by_name(results):
    """name -> pattern -> figures, names in the order of first sight."""
    names = {}
    for pattern, rows in results.items():
        for row in rows:
            names.setdefault(row["name"], {})[pattern] = row
    return names


def mark(figures):
    return "" if figures.get("cpu_share", 1) >= DISTURBED else "*"


def methods(results):
    patterns, names = list(results), by_name(results)
    exact = next(iter(names.values()))

    def cell(figures, pattern):
        if pattern not in figures:
            return ""
        row = figures[pattern]
        text = rate(row["rate"]) + mark(row)
        if figures is exact:
            return f"**{text}**"
        return f"{text} ({times(exact[pattern]['rate'] / row['rate'])})"

    return table(["", *patterns], [
        [name, *(cell(figures, pattern) for pattern in patterns)]
        for name, figures in names.items()])


def quality(results):
    patterns = list(results)

    def cell(row):
        if row is None:
            return ""
        if row["error"] < 1e-9 and row["worst"] < 1e-9 and row["valid"] == 1:
            return "0"
        return f"{share(row['error'])} / {share(row['worst'])} / {100 * row['valid']:.4g} %"

    return table(["", *patterns], [
        [name, *(cell(figures.get(pattern)) for pattern in patterns)]
        for name, figures in by_name(results).items()])


def odd(results):
    return table(
        ["", *results],
        [["exact", *(rate(r["exact"]["rate"]) + mark(r["exact"]) for r in results.values())],
         ["LEMON", *(rate(r["peer"]["rate"]) + mark(r["peer"]) for r in results.values())],
         ["ratio", *(times(r["exact"]["rate"] / r["peer"]["rate"]) for r in results.values())]])


def plain(results):
    patterns = list(results)
    return table(["", *patterns], [
        [name, *(rate(figures[pattern]["rate"]) + mark(figures[pattern]) for pattern in patterns)]
        for name, figures in by_name(results).items()])


def gradients(results):
    return table(
        ["pattern", "nmmask", "PyTorch", "ratio", "relative variance (PyTorch, drawn)", "least"],
        [[r["pattern"], rate(r["nmmask"]["rate"]) + mark(r["nmmask"]),
          rate(r["torch"]["rate"]) + mark(r["torch"]),
          times(r["nmmask"]["rate"] / r["torch"]["rate"]),
          f"{r['variance']:.4f}", f"{r['least_variance']:.4f}"] for r in results])


def slowdowns(rows):
    """(pattern, constraint) -> kind -> how many times slower than normal data."""
    rates = {}
    for row in rows:
        key = row["pattern"], row["constraint"]
        rates.setdefault(key, {})[row["data"]] = row["mweights_per_second"]
    return {key: {kind: found["normal"] / value for kind, value in found.items()}
            for key, found in rates.items()}


def kinds(rows):
    found = slowdowns(rows)
    normal = {(row["pattern"], row["constraint"]): row["mweights_per_second"]
              for row in rows if row["data"] == "normal"}
    names = list(next(iter(found.values())))
    marks = {(row["pattern"], row["constraint"]): mark(row) for row in rows}
    lines = [["normal, Mw/s", *(rate(normal[key]) + marks[key] for key in found)]]
    lines += [[kind, *(f"{found[key][kind]:.2g}" for key in found)]
              for kind in names if kind != "normal"]
    lines.append(["**slowest**", *(f"**{max(found[key].values()):.2g}**" for key in found)])
    return table(["", *(f"{pattern} {constraint}" for pattern, constraint in found)], lines)


def spread(results):
    """Instruction sets, sizes and threads, a line each."""
    def lines(rows, key, text):
        found = {}
        for row in rows:
            found.setdefault(row[key], {})[row["pattern"]] = row
        patterns = list(next(iter(found.values())))
        out = [[text.format(value),
                *(rate(cells[p]["mweights_per_second"]) + mark(cells[p]) for p in patterns)]
               for value, cells in found.items()]
        first, last = (list(found.values())[at] for at in (0, -1))
        return patterns, out, [
            last[p]["mweights_per_second"] / first[p]["mweights_per_second"] for p in patterns]

    patterns, out, _ = lines(results["sets"], "instruction_set", "{}")
    _, more, ratios = lines(results["sizes"], "size", "{0} x {0}")
    out += [*more, ["large / small", *(f"{value:.2f}" for value in ratios)]]
    if "threads" in results:
        _, more, ratios = lines(results["threads"], "threads", "{} threads")
        more[0][0] = "1 thread"
        out += [*more, ["two / one", *(f"{value:.2f}" for value in ratios)]]
    return table(["", *patterns], out)


def memory(results):
    cached, slow = (
        max(results[key][kind] for key in ("bandwidth", "bandwidth_after"))
        for kind in ("cached", "memory"))
    rows = []
    small, large = ({row["pattern"]: row["mweights_per_second"] for row in results["sizes"]
                     if row["size"] == side} for side in results["scale"]["sides"])
    for pattern, value in large.items():
        # A float32 in, a bit out.
        traffic = value * 1e6 * (4 + 1 / 8) / 1e9
        rows.append([pattern, rate(small[pattern]), rate(value), f"{traffic:.2g}",
                     f"{100 * traffic / slow:.2g} %"])
    sides = results["scale"]["sides"]
    return (
        f"Reading alone: {slow:.0f} GB/s from memory (1 GiB), {cached:.0f} GB/s where the matrix "
        f"stays in the last cache (16 MiB): {rate(slow / 4 * 1e3)} and {rate(cached / 4 * 1e3)} "
        "million float32 a second.\n\n"
        + table(["", *(f"{side} x {side}, Mw/s" for side in sides), "GB/s of the larger",
                 "of reading from memory"], rows))


def machine(results):
    found, scale = results["machine"], results["scale"]
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    caches = ", ".join(f"{name} {size}" for name, size in sorted(found["caches"].items()))
    text = (
        f"{found['processor']}, {found['cores']} cores ({caches}), {found['system']}; {versions}. "
        f"{scale['size']} x {scale['size']}, {scale['rounds']} rounds. The run took "
        f"{results['seconds'] / 60:.1f} minutes; other processes kept {found['load']:.1f} cores "
        "busy when it began. Calls that had their core for less than 95 % of the time were repeated "
        "and left out of the median; `*` marks a rate without a better call, which is too low.")
    if results["quick"]:
        text = "**A quick run on small matrices: it shows the form of the figures.** " + text
    return text


def picture(results, path):
    pyplot.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "nmmask", "font.size": 9})
    patterns = [pattern for pattern in results if pattern in ("2:4", "4:8", "8:16", "16:32")]
    figure, axes = pyplot.subplots(
        1, len(patterns), figsize=(11, 4.2), sharex=True, sharey=True, layout="constrained")
    names = by_name(results)
    colours = {"nmmask": "#d62728", "LEMON": "#1f77b4", "GLPK": "#17a2b8", "OR-Tools": "#2ca02c",
               "PyTorch": "#7f4fc9"}
    markers = iter("*sovDPXp^<>hd8")
    for name, figures in names.items():
        marker = next(markers)
        colour = next(colours[key] for key in colours if name.startswith(key))
        for axis, pattern in zip(axes, patterns):
            row = figures.get(pattern)
            x, y = (max(row["error"], NONE), row["rate"]) if row else (float("nan"),) * 2
            axis.plot([x], [y], marker, color=colour, label=name, alpha=0.85, linestyle="none",
                      markersize=13 if marker == "*" else 7, markeredgecolor="white")
    for axis, pattern in zip(axes, patterns):
        axis.set(title=pattern, xscale="log", yscale="log", xlim=(NONE / 3, 0.1))
        axis.set_xticks([NONE, 1e-6, 1e-4, 1e-2], ["none", "$10^{-6}$", "$10^{-4}$", "$10^{-2}$"])
        axis.set_xlabel("share of the optimum lost")
        axis.minorticks_off()
        axis.grid(color="#ddd")
        axis.set_axisbelow(True)
    axes[0].set_ylabel("million weights a second, one core")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})


def checks(results):
    """What the figures are wanted to be, as (words, value, least)."""
    names = by_name(results["transposable"])
    exact = names["nmmask exact"]
    for peer, wanted in [
            ("LEMON network simplex", {"2:4": 70, "4:8": 55, "8:16": 38, "16:32": 20}),
            ("GLPK okalg", {"2:4": 250, "4:8": 300, "8:16": 300, "16:32": 300})]:
        for pattern, least in wanted.items():
            yield (f"{pattern} against {peer}",
                   exact[pattern]["rate"] / names[peer][pattern]["rate"], least)
    for pattern, row in results["odd"].items():
        yield f"{pattern} against LEMON", row["exact"]["rate"] / row["peer"]["rate"], 10
    for (pattern, constraint), found in slowdowns(results["kinds"]).items():
        kind = max(found, key=found.get)
        yield f"{pattern} {constraint}: {kind} against normal", 1 / found[kind], 0.1
    rates = {(r["pattern"], r["constraint"]): r["mweights_per_second"]
             for r in results["kinds"] if r["data"] == "normal"}
    for pattern, least in [("2:4", 1 / 3), ("4:8", 1 / 3), ("8:16", 1 / 2), ("16:32", 1 / 2)]:
        yield (f"{pattern}: at_most against exactly",
               rates[pattern, "at_most"] / rates[pattern, "exactly"], least)
    for key, field, least in [("sizes", "size", 0.8), ("threads", "threads", 1.8)]:
        rows = sorted(results.get(key, []), key=lambda row: row[field])
        for pattern in ("2:4", "4:8", "8:16", "16:32"):
            found = [row["mweights_per_second"] for row in rows if row["pattern"] == pattern]
            if found:
                yield f"{pattern}: {key}, most against least", found[-1] / found[0], least
    for pattern in ("2:4", "4:8"):
        yield f"{pattern} row, Mw/s", by_name(results["plain"])["nmmask row"][pattern]["rate"], 1000
    for row, least in zip(results["gradients"], (400, 250)):
        yield f"gradients {row['pattern']}, Mw/s", row["nmmask"]["rate"], least


def main():
    path = pathlib.Path(sys.argv[1])
    results = json.loads(path.read_text())
    page = (DOCUMENTATION / "performance.md").read_text()
    target = path.parent if results["quick"] else DOCUMENTATION
    transposable = results["transposable"]
    parts = {
        "machine": machine(results), "methods": methods(transposable),
        "quality": quality(transposable), "odd": odd(results["odd"]),
        "plain": plain(results["plain"]), "gradients": gradients(results["gradients"]),
        "kinds": kinds(results["kinds"]), "spread": spread(results), "memory": memory(results)}
    for name, text in parts.items():
        pattern = re.compile(f"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        page, count = pattern.subn(lambda match: f"{match[1]}{text}\n{match[2]}", page)
        if count != 1:
            raise ValueError(f"the page has {count} places for {name}")
    (target / "performance.md").write_text(page)
    picture(transposable, target / "figures/performance.svg")
    for words, value, least in checks(results):
        print("holds " if value >= least else "MISSED", f"{words}: {value:.3g} (wanted: {least:.3g})")
    print(f"written: {target / 'performance.md'}")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws the pictures of the pages on gradients and diversity, and prints their numbers.

    python3 Documentation/figures/figures.py

Needs numpy. Everything is computed here, independently of the Swift code: variances from the
closed forms over four million normal, lognormal, Laplace and uniform numbers (seed 1), counts from a
table over sorted column sums up to m = 8 and from the asymptotic series beyond.
"""

import math
import pathlib
from collections import Counter
from itertools import combinations

import numpy

HERE = pathlib.Path(__file__).parent
INK, GREY, PALE = "#222", "#888", "#ddd"
COLOURS = {"greedy": "#b0b0b0", "optimum": "#1f77b4", "sequential": "#ff7f0e", "random": "#d9d9d9"}


class Picture:
    def __init__(self, width, height):
        self.size = (width, height)
        self.parts = []

    def line(self, x1, y1, x2, y2, colour=INK, width=1, dash=None):
        extra = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
            f'stroke="{colour}" stroke-width="{width}"{extra}/>')

    def box(self, x, y, width, height, fill, stroke="none"):
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'fill="{fill}" stroke="{stroke}"/>')

    def path(self, points, colour, dash=None):
        extra = f' stroke-dasharray="{dash}"' if dash else ""
        text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(
            f'<polyline points="{text}" fill="none" stroke="{colour}" stroke-width="2"{extra}/>')
        for x, y in points:
            self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>')

    def text(self, x, y, words, anchor="middle", size=13, colour=INK):
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
            f'fill="{colour}">{words}</text>')

    def save(self, name, title):
        width, height = self.size
        body = "\n".join(self.parts)
        (HERE / name).write_text(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'font-family="sans-serif" role="img"><title>{title}</title>\n'
            f'<rect width="{width}" height="{height}" fill="#fff"/>\n{body}\n</svg>\n')


def needles(entries, n, name):
    """The line of magnitudes under its needles, at three positions of the first one."""
    picture = Picture(640, 250)
    total = sum(entries)
    step = total / n
    left, scale = 20, 600 / total
    for row, first in enumerate([0.05 * step, 0.45 * step, 0.95 * step]):
        top = 45 + 70 * row
        hits = [first + t * step for t in range(n)]
        start = 0
        for entry in entries:
            kept = any(start <= hit < start + entry for hit in hits)
            picture.box(
                left + start * scale, top, entry * scale, 26, "#a6cbe8" if kept else "#f4f4f4",
                INK)
            picture.text(left + (start + entry / 2) * scale, top + 18, f"{entry:g}")
            start += entry
        for hit in hits:
            x = left + hit * scale
            picture.line(x, top - 14, x, top + 34, "#d62728", 2)
    top = 45 + 140
    x1 = left + 0.95 * step * scale
    picture.line(x1, top + 42, x1 + step * scale, top + 42, "#d62728", 1)
    picture.text(x1 + step * scale / 2, top + 56, f"T = {step:g}", colour="#d62728", size=12)
    picture.text(left, 20, "2:4 of 1, 2, 3, 4: each needle keeps what it meets, as 5", "start")
    picture.save(name, "Systematic sampling of a group of four")


def optimum(a, n):
    """The variance of the best unbiased estimator, per group (rows of sorted magnitudes)."""
    a = numpy.sort(a, axis=1)[:, ::-1]
    rest = a[:, ::-1].cumsum(axis=1)[:, ::-1]
    squares = (a * a)[:, ::-1].cumsum(axis=1)[:, ::-1]
    k = numpy.zeros(len(a), dtype=int)
    for i in range(n - 1):
        k += (k == i) & ((n - i) * a[:, i] >= rest[:, i])
    row = numpy.arange(len(a))
    return rest[row, k] ** 2 / (n - k) - squares[row, k]


def sequential(a):
    """The variance of two draws without replacement, per group."""
    total = a.sum(axis=1, keepdims=True)
    odds = a / (total - a)
    p = a / total * (1 + odds.sum(axis=1, keepdims=True) - odds)
    return (a * a * (1 / p - 1)).sum(axis=1)


def greedy(a, n):
    a = numpy.sort(a, axis=1)
    return (a[:, : a.shape[1] - n] ** 2).sum(axis=1)


def variances(name):
    generator = numpy.random.default_rng(1)
    count = 1 << 22
    data = {
        "normal": generator.standard_normal(count),
        "lognormal": numpy.exp(generator.standard_normal(count)),
        "Laplace": generator.laplace(size=count),
        "uniform": generator.random(count),
    }
    methods = [
        ("greedy 2:4 (biased)", "greedy", lambda a: greedy(a.reshape(-1, 4), 2)),
        ("minimum variance 2:4", "optimum", lambda a: optimum(a.reshape(-1, 4), 2)),
        ("sequential 2:4", "sequential", lambda a: sequential(a.reshape(-1, 4))),
        ("minimum variance 1:2", "#6baed6", lambda a: optimum(a.reshape(-1, 2), 1)),
        ("2 of 4 at random, doubled", "random", lambda a: a * a),
    ]
    picture = Picture(720, 330)
    base, height = 250, 200
    for tick in range(0, 6):
        y = base - height * tick / 5
        picture.line(50, y, 700, y, PALE)
        picture.text(44, y + 4, f"{tick / 5:.1f}", "end", 12, GREY)
    for column, (kind, values) in enumerate(data.items()):
        a = numpy.abs(values)
        squares = (a * a).sum()
        numbers = []
        for index, (_, colour, error) in enumerate(methods):
            ratio = error(a).sum() / squares
            numbers.append(ratio)
            x = 66 + column * 162 + index * 28
            picture.box(
                x, base - height * ratio, 24, height * ratio, COLOURS.get(colour, colour))
            picture.text(x + 12, base - height * ratio - 4, f"{ratio:.2f}", size=10)
        picture.text(66 + column * 162 + 68, base + 18, kind)
        print(kind, " ".join(f"{number:.4f}" for number in numbers))
    for index, (label, colour, _) in enumerate(methods):
        x, y = 60 + index % 3 * 220, 290 + index // 3 * 22
        picture.box(x, y - 11, 14, 14, COLOURS.get(colour, colour))
        picture.text(x + 20, y + 1, label, "start", 12)
    picture.text(50, 22, "squared error / squared gradient", "start")
    picture.save(name, "Squared error of each method, by the law of the gradients")


def exact(n, m):
    counts = {(0,) * m: 1}
    for _ in range(m):
        after = Counter()
        for sums, count in counts.items():
            for chosen in combinations(range(m), n):
                new = list(sums)
                for column in chosen:
                    new[column] += 1
                if max(new) <= n:
                    after[tuple(sorted(new))] += count
        counts = after
    return counts[(n,) * m]


def bits_exact(n, m):
    """log2 of the number of tiles, per weight."""
    if m <= 6:
        return math.log2(exact(n, m)) / (m * m)
    x, w = 1 / m, m / (n * (m - n))
    f = [
        -1 / 2,
        1 / 2 - w / 6,
        7 / 12 - w / 3 + w**2 / 12,
        17 / 12 - 11 * w / 6 + w**2 - 13 * w**3 / 60,
        373 / 60 - 38 * w / 3 + 57 * w**2 / 5 - 26 * w**3 / 5 + 119 * w**4 / 120,
    ]
    series = sum(term * x**k for k, term in enumerate(f))
    lead = 2 * m * math.log2(math.comb(m, n)) - math.log2(math.comb(m * m, m * n))
    return (lead + series / math.log(2)) / (m * m)


def bits_paper(n, m):
    return sum(math.log2(math.factorial(m - i)) for i in range(n)) / (m * m)


def bits_row(n, m):
    return math.log2(math.comb(m, n)) / m


def diversity(name):
    picture = Picture(720, 380)
    left, right, top, base = 60, 690, 30, 290
    sizes = [2, 4, 6, 8, 12, 16, 24, 32, 48, 64]

    def place(m, bits):
        return (
            left + (right - left) * math.log2(m / 2) / 5,
            base - (base - top) * bits / 1.8,
        )

    for tick in range(0, 9):
        y = place(2, tick / 5)[1]
        picture.line(left, y, right, y, PALE)
        picture.text(left - 6, y + 4, f"{tick / 5:.1f}", "end", 12, GREY)
    for m in (2, 4, 8, 16, 32, 64):
        picture.text(place(m, 0)[0], base + 18, f"{m // 2}:{m}", size=12)
    y = place(2, 1)[1]
    picture.line(left, y, right, y, GREY, 1.5, "2 3")
    picture.text(right - 4, y - 6, "unstructured", "end", 12, GREY)
    y = place(2, bits_row(2, 4))[1]
    picture.line(left, y, right, y, "#1f77b4", 1, "5 4")
    picture.text(left + 4, y - 5, "2:4 along rows", "start", 12, "#1f77b4")
    kinds = [
        ("along rows", "#1f77b4", bits_row, None),
        ("transposable, counted", "#2ca02c", bits_exact, None),
        ("transposable, the paper's formula", "#d62728", bits_paper, "6 4"),
    ]
    for index, (label, colour, bits, dash) in enumerate(kinds):
        picture.path([place(m, bits(m // 2, m)) for m in sizes], colour, dash)
        picture.box(left + index * 200, base + 44, 14, 14, colour)
        picture.text(left + index * 200 + 20, base + 56, label, "start", 12)
    picture.text(left - 40, 18, "bits per weight", "start")
    picture.save(name, "Bits per weight of half-dense masks")
    for m in sizes:
        print(f"{m // 2}:{m}", *(f"{bits(m // 2, m):.4f}" for _, _, bits, _ in kinds))


if __name__ == "__main__":
    needles([1, 2, 3, 4], 2, "systematic-sampling.svg")
    variances("gradient-variance.svg")
    diversity("diversity.svg")

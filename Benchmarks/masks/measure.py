# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures nmmask and what a user would pick instead, in one run on one core; writes figures as JSON.

    measure.py [--quick] results.json

Peers that are slow get the first rows of the same matrix: as many as they do in about `seconds`.
"""

import argparse
import dataclasses
import importlib.metadata
import json
import os
import pathlib
import platform
import sys
import time
from functools import partial
from typing import Callable

import numpy
import torch

import harness
import top_n
from entropic import SETTINGS, entropic_masks
from enumerate_patterns import enumerated_masks
from harness import BUILD, Figures
from ortools_flow import flow_masks
from tiles import split

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "gradients"))
import estimators  # noqa: E402

PATTERNS = [(1, 4), (2, 4), (2, 8), (4, 8), (8, 16), (16, 32)]
ODD_PATTERNS = [(1, 4), (3, 4), (2, 8), (1, 16), (3, 6), (5, 12), (7, 14), (32, 64)]
MAIN_PATTERNS = [(2, 4), (4, 8), (8, 16), (16, 32)]
KINDS = ["normal", "uniform", "lognormal3", "lognormal10", "bf16", "int8", "int4", "ternary",
         "sparse90", "zeros", "equal", "rank1", "additive", "ramp", "widerange", "adjacent",
         "additivelognormal", "minimum"]


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much is measured."""
    size: int
    rounds: int
    repetitions: int
    seconds: float
    sides: tuple[int, int]

    # Small chunks of tiles would be unfair to a method that lives on large tensors.
    least_batch_rows = 512


FULL = Scale(size=2048, rounds=3, repetitions=5, seconds=0.5, sides=(1024, 16384))
QUICK = Scale(size=512, rounds=1, repetitions=3, seconds=0.1, sides=(512, 2048))


@dataclasses.dataclass(frozen=True)
class Peer:
    name: str
    find: Callable
    applies: Callable = lambda n, m: True
    is_batch: bool = False


PEERS = [
    Peer("LEMON network simplex", harness.network_simplex_masks),
    Peer("GLPK okalg", harness.okalg_masks),
    Peer("OR-Tools, a call per tile", flow_masks),
    Peer("OR-Tools, 64 tiles in a graph", partial(flow_masks, tiles_per_graph=64)),
    Peer("PyTorch, every pattern", enumerated_masks, lambda n, m: m == 4),
    *(Peer(f"PyTorch, entropic {setting.name}", partial(entropic_masks, setting=setting),
           is_batch=True) for setting in SETTINGS),
]
PLAIN_PEERS = [
    Peer("PyTorch topk", top_n.torch_top_n),
    Peer("numpy argpartition", top_n.numpy_top_n),
]
METHODS = ["exact", "min_cost_flow", "greedy", "two_approximation"]


def name(pattern):
    return "{}:{}".format(*pattern)


def say(*words):
    print(f"[{time.perf_counter() - START:5.0f} s]", *words, flush=True)


def rows_for(peer, weights, n, m, seconds):
    """How many rows of the matrix the peer does in that time, whole tiles; also warms it up."""
    rows = max(64, m) // m * m
    start = time.perf_counter()
    peer.find(weights[:rows], n, m)
    rows = int(rows * seconds / (time.perf_counter() - start))
    if peer.is_batch:
        rows = max(rows, Scale.least_batch_rows)
    return max(m, min(rows, len(weights)) // m * m)


def quality(mask, weights, n, m, optimum):
    """The error of a mask against the optimum of each tile."""
    kept = split(mask != 0, m)
    scores = (split(numpy.abs(weights).astype(float), m) * kept).sum((1, 2))
    best = optimum[:len(scores)]
    valid = (kept.sum(1) == n).all(1) & (kept.sum(2) == n).all(1)
    # A tile with short rows is another matter: at most n can keep more than exactly n.
    if (scores[valid] > best[valid] * (1 + 1e-9)).any():
        raise RuntimeError("a mask is better than the optimum")
    return {"tiles": len(scores), "valid": valid.mean(),
            "error": max(0.0, 1 - scores.sum() / best.sum()),
            "worst": max(0.0, (1 - scores / best).max())}


def transposable(pattern, scale):
    n, m = pattern
    weights = harness.normal_weights(scale.size // m * m)
    path = BUILD / "weights.npy"
    numpy.save(path, weights)
    peers = [peer for peer in PEERS if peer.applies(n, m)]
    rows = {peer: rows_for(peer, weights, n, m, scale.seconds) for peer in peers}
    rows[PEERS[0]] = len(weights)
    figures = {key: Figures() for key in [*METHODS, *peers]}
    masks = {}
    for round in range(scale.rounds):
        for method in METHODS:
            # GLPK inside is as slow as outside.
            few = method == "min_cost_flow"
            row = harness.timed_bench(
                figures[method], pattern=name(pattern), method=method,
                size=256 if few else scale.size, repetitions=1 if few else scale.repetitions)
            if not row["all_valid"] and method == "exact":
                raise RuntimeError(f"{row} is not valid")
        for peer in peers:
            if round == 0 or figures[peer].wall < 2 * scale.seconds * round:
                masks[peer] = harness.timed(
                    figures[peer], peer.find, weights[:rows[peer]], n, m)
    tiles = split(numpy.abs(weights).astype(float), m)
    optimum = (tiles * split(masks[PEERS[0]], m)).sum((1, 2))
    result = []
    for method in METHODS:
        if method == "min_cost_flow":
            part = weights[:max(m, 65536 // len(weights) // m * m)]
            numpy.save(BUILD / "part.npy", part)
            mask = harness.solved_mask(BUILD / "part.npy", n, m, method=method)
        else:
            part, mask = weights, harness.solved_mask(path, n, m, method=method)
        result.append({"name": f"nmmask {method}", **figures[method].summary(),
                       **quality(mask, part, n, m, optimum)})
    for peer in peers:
        result.append({"name": peer.name, **figures[peer].summary(),
                       **quality(masks[peer], weights[:rows[peer]], n, m, optimum)})
    return result


def odd(pattern, scale):
    """exact against LEMON alone."""
    n, m = pattern
    size = scale.size // m * m
    weights = harness.normal_weights(size)
    rows = rows_for(PEERS[0], weights, n, m, scale.seconds)
    exact, peer = Figures(), Figures()
    for _ in range(scale.rounds):
        harness.timed_bench(
            exact, pattern=name(pattern), size=size, repetitions=scale.repetitions)
        harness.timed(peer, harness.network_simplex_masks, weights[:rows], n, m)
    return {"exact": exact.summary(), "peer": peer.summary()}


def plain(pattern, scale):
    """Top n along rows; the optimum is numpy's sort."""
    n, m = pattern
    weights = harness.normal_weights(scale.size // m * m)
    figures = {key: Figures() for key in ["row", "column", *PLAIN_PEERS]}
    masks = {}
    for _ in range(scale.rounds):
        for structure in ("row", "column"):
            harness.timed_bench(
                figures[structure], pattern=name(pattern), structure=structure, size=len(weights),
                repetitions=scale.repetitions)
        for peer in PLAIN_PEERS:
            if peer not in masks:
                peer.find(weights, n, m)
            masks[peer] = harness.timed(figures[peer], peer.find, weights, n, m)
    magnitudes = numpy.abs(weights).astype(float).reshape(-1, m)
    best = numpy.sort(magnitudes, axis=1)[:, m - n:].sum()
    path = BUILD / "weights.npy"
    numpy.save(path, weights)
    mask = harness.solved_mask(path, n, m, structure="row")
    return [{"name": label, **figures[key].summary(),
             "error": None if found is None
             else max(0.0, 1 - (magnitudes * found.reshape(-1, m)).sum() / best)}
            for label, key, found in [
                ("nmmask row", "row", mask), ("nmmask column", "column", None),
                *((peer.name, peer, masks[peer]) for peer in PLAIN_PEERS)]]


def gradients(scale):
    values = torch.from_numpy(harness.normal_weights(scale.size))
    sample = values[:256, :256].contiguous()
    result = []
    torch.manual_seed(1)
    for n, m, estimate in [(1, 2, estimators.minimum_variance_1_2),
                           (2, 4, estimators.minimum_variance_2_4)]:
        ours, theirs = Figures(), Figures()
        estimate(values)
        for _ in range(max(3, scale.rounds)):
            harness.timed_bench(
                ours, pattern=f"{n}:{m}", gradient="minimum_variance", size=scale.size,
                repetitions=scale.repetitions)
            harness.timed(theirs, estimate, values)
        variance, bias, full = estimators.measured_variance(sample, m, estimate, 500)
        result.append({
            "pattern": f"{n}:{m}", "nmmask": ours.summary(), "torch": theirs.summary(),
            "variance": variance, "bias": bias, "full": full,
            "least_variance": estimators.least_variance(sample, m)})
    return result


def bandwidth():
    """Of a matrix as large as the one measured, and of one that no cache holds."""
    return {"cached": harness.read_bandwidth(16), "memory": harness.read_bandwidth(1024)}


def machine():
    names = [line.split(":")[1].strip() for line in open("/proc/cpuinfo")
             if line.startswith("model name")]
    caches = {}
    for index in pathlib.Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        level, kind, size = (
            (index / field).read_text().strip() for field in ("level", "type", "size"))
        caches[f"L{level} {kind.lower()}"] = size
    return {
        "processor": names[0], "cores": len(names), "caches": caches,
        "system": f"{platform.system()} {platform.release()}", "load": os.getloadavg()[0],
        "versions": {
            "nmmask": harness.nmmask("--version")[0].strip(),
            "GLPK": harness.okalg_version(), "LEMON": harness.network_simplex_version(),
            **{package: importlib.metadata.version(package)
               for package in ("ortools", "torch", "numpy")},
            "Python": platform.python_version()}}


def supported_sets():
    flags = next(line for line in open("/proc/cpuinfo") if line.startswith("flags")).split()
    needs = {"baseline": "sse2", "avx2": "avx2", "avx512": "avx512bw"}
    return [name for name, flag in needs.items() if flag in flags]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("results")
    options = parser.parse_args()
    scale = QUICK if options.quick else FULL
    core = harness.CORES[-1]
    os.sched_setaffinity(0, {core})
    torch.set_num_threads(1)
    patterns = [name(pattern) for pattern in MAIN_PATTERNS]
    results = {"quick": options.quick, "scale": dataclasses.asdict(scale), "machine": machine(),
               "core": core}

    say("memory")
    results["bandwidth"] = bandwidth()
    results["transposable"] = {}
    for pattern in PATTERNS:
        say("transposable", name(pattern))
        results["transposable"][name(pattern)] = transposable(pattern, scale)
    say("odd patterns")
    results["odd"] = {name(pattern): odd(pattern, scale) for pattern in ODD_PATTERNS}
    say("plain N:M")
    results["plain"] = {name(pattern): plain(pattern, scale) for pattern in PATTERNS}
    say("gradients")
    results["gradients"] = gradients(scale)
    say("kinds of data")
    results["kinds"] = harness.quiet_bench(
        patterns, constraint=["exactly", "at_most"], data=KINDS, size=scale.size, repetitions=3)
    say("instruction sets")
    results["sets"] = harness.quiet_bench(
        patterns, instruction_set=supported_sets(), size=scale.size, repetitions=5)
    say("sizes")
    results["sizes"] = harness.quiet_bench(patterns, size=scale.sides, repetitions=3)
    if len(harness.CORES) > 1:
        say("two threads")
        results["threads"], *_ = harness.bench(
            cores=harness.CORES[:2], pattern=patterns, threads=[1, 2], size=scale.size,
            repetitions=15)
    results["bandwidth_after"] = bandwidth()
    results["seconds"] = time.perf_counter() - START
    pathlib.Path(options.results).write_text(json.dumps(results, indent=1, default=float))
    say("done")


START = time.perf_counter()
if __name__ == "__main__":
    main()

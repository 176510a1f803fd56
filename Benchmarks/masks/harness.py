# SPDX-License-Identifier: GPL-3.0-or-later
"""Timing, the peers written in C and C++, and nmmask."""

import ctypes
import json
import math
import os
import pathlib
import resource
import statistics
import subprocess
import time

import numpy

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BINARY = os.environ.get("NMMASK_BINARY", str(ROOT / ".build/release/nmmask"))
BUILD = HERE / "build"
CORES = sorted(os.sched_getaffinity(0))
# Seconds after which nothing is repeated because of a disturbance.
LONG = 2

_library = ctypes.CDLL(str(BUILD / "peers.so"))
_library.okalg_version.restype = ctypes.c_char_p
_library.network_simplex_version.restype = ctypes.c_char_p


def okalg_version():
    return _library.okalg_version().decode()


def network_simplex_version():
    return _library.network_simplex_version().decode()


def _pointer(array):
    return ctypes.c_void_p(array.ctypes.data)


def normal_weights(size):
    """The size x size matrix of kind `normal` that `nmmask bench` works on."""
    weights = numpy.empty((size, size), dtype=numpy.float32)
    _library.normal_weights(_pointer(weights), ctypes.c_int64(weights.size), ctypes.c_uint64(1))
    return weights


def _masks(function, weights, n, m, *more):
    assert weights.flags.c_contiguous and not any(side % m for side in weights.shape)
    mask = numpy.zeros(weights.shape, dtype=numpy.uint8)
    rows, columns = map(ctypes.c_int64, weights.shape)
    if function(_pointer(weights), rows, columns, n, m, *more, _pointer(mask)):
        raise RuntimeError("a tile was not solved")
    return mask


def okalg_masks(weights, n, m):
    return _masks(_library.okalg_masks, weights, n, m)


def network_simplex_masks(weights, n, m, scale=40):
    return _masks(_library.network_simplex_masks, weights, n, m, scale)


def read_bandwidth(mebibytes):
    """GB/s of reading that much memory on one core: the median of nine rounds."""
    memory = numpy.ones(mebibytes << 18, dtype=numpy.float32)
    durations = []
    for _ in range(10):
        start = time.perf_counter()
        _library.read_memory(_pointer(memory), ctypes.c_int64(memory.size))
        durations.append(time.perf_counter() - start)
    return memory.nbytes / statistics.median(durations[1:]) / 1e9


class Figures:
    """The rates of one thing over several rounds, in million weights a second, and the share of its
    time that it had a core for. Rounds in which something else ran on the core count only if there
    are no others."""

    UNDISTURBED = 0.95

    def __init__(self):
        self.rounds, self.wall = [], 0.0

    def add(self, rate, wall, cpu):
        self.rounds.append((rate, cpu / wall))
        self.wall += wall

    @property
    def is_disturbed(self):
        return self.rounds[-1][1] < self.UNDISTURBED

    def summary(self):
        rounds = [each for each in self.rounds if each[1] >= self.UNDISTURBED] or self.rounds
        rates = [rate for rate, _ in rounds]
        return {"rate": statistics.median(rates), "slowest": min(rates), "fastest": max(rates),
                "cpu_share": statistics.median(share for _, share in rounds),
                "rounds": len(rounds), "disturbed": len(self.rounds) - len(rounds)}


def timed(figures, function, weights, *arguments):
    """Calls a peer, up to twice more if it was disturbed, and adds its figures; returns its mask."""
    for _ in range(3):
        wall, cpu = time.perf_counter(), time.process_time()
        mask = function(weights, *arguments)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        figures.add(math.prod(weights.shape) / wall / 1e6, wall, cpu)
        if not figures.is_disturbed or wall > LONG:
            break
    return mask


def nmmask(command, *arguments, cores=None):
    """Runs nmmask on this core, or on `cores`; its output and the wall and CPU time of it all."""
    before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    line = [BINARY, command, *map(str, arguments)]
    if cores:
        line = ["taskset", "-c", ",".join(map(str, cores)), *line]
    output = subprocess.run(line, check=True, capture_output=True, text=True).stdout
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - wall
    return output, wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def bench(cores=None, **options):
    """The rows of `nmmask bench`; a list as an option's value repeats it."""
    arguments = []
    for name, values in options.items():
        for value in values if isinstance(values, (list, tuple)) else [values]:
            arguments += [f"--{name.replace('_', '-')}", value]
    output, wall, cpu = nmmask("bench", "--json", *arguments, cores=cores)
    return json.loads(output), wall, cpu


def timed_bench(figures, **options):
    """Runs one row of `nmmask bench`, up to twice more if it was disturbed, and adds its figures."""
    for _ in range(3):
        (row,), wall, cpu = bench(**options)
        figures.add(row["mweights_per_second"], wall, cpu)
        if not figures.is_disturbed or wall > LONG:
            break
    return row


def quiet_bench(patterns, **options):
    """The rows of several patterns; each pattern's are of the least disturbed of up to three runs."""
    rows = []
    for pattern in patterns:
        best, most = [], -1.0
        for _ in range(3):
            found, wall, cpu = bench(pattern=pattern, **options)
            if cpu / wall > most:
                best, most = found, cpu / wall
            if most >= Figures.UNDISTURBED:
                break
        rows += [{**row, "cpu_share": most} for row in best]
    return rows


def solved_mask(path, n, m, **options):
    """The mask that `nmmask solve` finds for a .npy file."""
    out = BUILD / "mask.npy"
    arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
    nmmask("solve", path, "--n", n, "--m", m, "--threads", 1, "--out", out, *arguments)
    return numpy.load(out)

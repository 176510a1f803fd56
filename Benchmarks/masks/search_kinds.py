# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks for kinds of weights on which `exact` is much slower than on normal ones.

    python3 search_kinds.py http://127.0.0.1:8080

Asks a running service (started with --threads 1) for the masks of matrices of many generators, and
prints the slowest by the solver time that the service reports. What stands out becomes a kind of
`nmmask bench`. Needs numpy only.
"""

import re
import sys
import urllib.request

import numpy as np

SIDE = 1024
rng = np.random.default_rng(1)
i, j = np.indices((SIDE, SIDE))


def vectors(draw):
    return draw(SIDE)[:, None], draw(SIDE)[None, :]


def lognormal(sigma):
    return lambda count: np.exp(sigma * rng.standard_normal(count))


GENERATORS = {
    "normal": lambda: rng.standard_normal((SIDE, SIDE)),
    "few values 2": lambda: rng.integers(0, 2, (SIDE, SIDE)),
    "few values 3": lambda: rng.integers(0, 3, (SIDE, SIDE)),
    "few values 5": lambda: rng.integers(0, 5, (SIDE, SIDE)),
    "few values 9": lambda: rng.integers(1, 10, (SIDE, SIDE)),
    "offset integers": lambda: 1e6 + rng.integers(0, 8, (SIDE, SIDE)),
    "powers of two": lambda: 2.0 ** rng.integers(-20, 20, (SIDE, SIDE)),
    "sparse 50": lambda: rng.standard_normal((SIDE, SIDE)) * (rng.random((SIDE, SIDE)) < 0.5),
    "sparse 80 of one value": lambda: rng.random((SIDE, SIDE)) < 0.2,
    "sparse 99": lambda: rng.standard_normal((SIDE, SIDE)) * (rng.random((SIDE, SIDE)) < 0.01),
    "additive integers": lambda: np.add(*vectors(lambda c: rng.integers(0, 8, c))),
    "additive with noise": lambda: np.add(*vectors(rng.random))
    + 1e-6 * rng.random((SIDE, SIDE)),
    "additive lognormal": lambda: np.add(*vectors(lognormal(3))),
    "rows far above columns": lambda: np.add(1e4 * rng.random((SIDE, 1)), rng.random((1, SIDE))),
    "minimum of vectors": lambda: np.minimum(*vectors(rng.random)),
    "maximum of vectors": lambda: np.maximum(*vectors(rng.random)),
    "rank 1 lognormal": lambda: np.multiply(*vectors(lognormal(3))),
    "rank 2": lambda: rng.standard_normal((SIDE, 2)) @ rng.standard_normal((2, SIDE)),
    "rank 1 with noise": lambda: np.multiply(*vectors(rng.random))
    + 1e-6 * rng.random((SIDE, SIDE)),
    "distance from the diagonal": lambda: np.abs(i - j),
    "product modulo a prime": lambda: i * j % 97,
    "exclusive or": lambda: i ^ j,
    "checkerboard with noise": lambda: (i + j) % 2 + 1e-3 * rng.random((SIDE, SIDE)),
    "blocks of equal entries": lambda: np.kron(
        rng.random((SIDE // 4, SIDE // 4)), np.ones((4, 4))),
    "equal but for one in a tile": lambda: 1.0 + (rng.random((SIDE, SIDE)) < 1 / 16),
    "half-precision lognormal": lambda: np.exp(
        2 * rng.standard_normal((SIDE, SIDE))).astype(np.float16),
    "cubes of normal": lambda: rng.standard_normal((SIDE, SIDE)) ** 3,
    "Cauchy": lambda: rng.standard_cauchy((SIDE, SIDE)),
    "lognormal 5": lambda: np.exp(5 * rng.standard_normal((SIDE, SIDE))),
    "two scales": lambda: rng.standard_normal((SIDE, SIDE))
    * np.where(rng.random((SIDE, SIDE)) < 0.5, 1, 1e-4),
    "ramp with steps": lambda: (i * SIDE + j) // 3,
    "ascending columns": lambda: j + 1e-3 * i,
    "transposed ramp": lambda: j * SIDE + i,
    "integers of 16 bits": lambda: np.round(3000 * rng.standard_normal((SIDE, SIDE))),
}


def solver_time(base, n, m, constraint, weights):
    """Seconds, the least of three."""
    url = (f"{base}/v1/masks?n={n}&m={m}&constraint={constraint}&rows={SIDE}&columns={SIDE}"
           "&dtype=F32")
    times = []
    for _ in range(3):
        request = urllib.request.Request(
            url, weights.tobytes(), {"Accept": "application/octet-stream"})
        with urllib.request.urlopen(request) as reply:
            times.append(float(re.search(r"solve;dur=([\d.]+)", reply.headers["Server-Timing"])[1]))
            assert '"optimal":true' in reply.headers["Mask-Summary"]
    return min(times) / 1000


def main(base):
    matrices = {
        name: np.ascontiguousarray(make(), dtype=np.float32)
        for name, make in GENERATORS.items()}
    for constraint in ["exactly", "at_most"]:
        for n, m in [(2, 4), (4, 8), (8, 16), (16, 32)]:
            times = {
                name: solver_time(base, n, m, constraint, weights)
                for name, weights in matrices.items()}
            slowest = sorted(times, key=times.get, reverse=True)[:4]
            print(f"{n}:{m} {constraint}: " + ", ".join(
                f"{name} {times[name] / times['normal']:.1f}x" for name in slowest), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])

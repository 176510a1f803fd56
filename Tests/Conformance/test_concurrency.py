# SPDX-License-Identifier: GPL-3.0-or-later
"""Sixteen clients at once get what each gets alone, while others go away at random."""

import concurrent.futures
import random
import socket
import struct
import threading

import httpx
import numpy as np
import pytest

from service import npy_bytes

CLIENTS = 16
METHODS = ["exact", "min_cost_flow", "greedy", "two_approximation"]


def requests_of_all_kinds():
    """Targets and bodies, over all methods, structures, constraints and kinds of data."""
    generator = np.random.default_rng(16)
    kinds = [
        generator.standard_normal((64, 64)), np.ones((64, 64)), np.zeros((64, 64)),
        generator.integers(-3, 4, (64, 64)).astype("i1"),
        generator.lognormal(0, 2, (64, 64)).astype("<f2")]
    found = []
    for n, m in ((2, 4), (1, 4), (4, 8), (3, 8), (8, 16)):
        for constraint in ("exactly", "at_most"):
            patterns = [("transposable", method) for method in METHODS]
            patterns += [("row", "exact"), ("column", "exact")]
            for index, (structure, method) in enumerate(patterns):
                body = npy_bytes(kinds[(index + n + m) % len(kinds)])
                found.append((
                    f"/v1/masks?n={n}&m={m}&structure={structure}&method={method}"
                    f"&constraint={constraint}", body))
        found.append((f"/v1/gradients?n={n}&m={m}&seed=5", npy_bytes(kinds[0])))
        found.append((f"/v1/masks/validate?n={n}&m={m}", npy_bytes(kinds[3])))
    found.append(("/v1/masks?n=2&m=4", npy_bytes(np.full((64, 64), np.nan))))
    return found


def leave_early(server, stop, seed):
    """Sends requests, or parts of them, and resets the connection without reading."""
    chance = random.Random(seed)
    bodies = requests_of_all_kinds()
    count = 0
    while not stop.is_set() and count < 2000:
        target, body = chance.choice(bodies)
        part = body[:chance.choice([0, 1, 100, len(body) // 2, len(body)])]
        with server.connect() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(
                f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                + part)
            stop.wait(chance.random() * 0.02)
        count += 1
    return count


@pytest.mark.parametrize("disturbed", [False, True])
def test_sixteen_clients(server, disturbed):
    jobs = requests_of_all_kinds()

    def post(client, job):
        reply = client.post(server.url + job[0], content=job[1])
        fields = {"content-type": reply.headers["content-type"]}
        document = reply.json()
        document.pop("instance", None)
        return reply.status_code, fields, document

    with httpx.Client(timeout=60, trust_env=False) as client:
        alone = [post(client, job) for job in jobs]
    assert {status for status, _, _ in alone} == {200, 422}

    stop = threading.Event()

    def work(number):
        """Each client goes through all the jobs in an order of its own."""
        order = random.Random(number).sample(range(len(jobs)), len(jobs))
        with httpx.Client(timeout=60, trust_env=False) as client:
            return [index for index in order if post(client, jobs[index]) != alone[index]]

    with concurrent.futures.ThreadPoolExecutor(CLIENTS + 3) as pool:
        leavers = [pool.submit(leave_early, server, stop, seed) for seed in range(3 * disturbed)]
        try:
            wrong = list(pool.map(work, range(CLIENTS)))
        finally:
            stop.set()
        for leaver in leavers:
            assert leaver.result() > 0
    assert not any(wrong), [jobs[index][0] for client in wrong for index in client]


def test_a_small_request_does_not_wait_for_a_large_one(server):
    """Health and small masks are answered while the solvers are busy."""
    large = npy_bytes(np.random.default_rng(4).standard_normal((512, 1024)))
    with concurrent.futures.ThreadPoolExecutor(2) as pool, \
            httpx.Client(timeout=60, trust_env=False) as client:
        slow = pool.submit(
            httpx.post, server.url + "/v1/masks?n=8&m=16&method=min_cost_flow", content=large,
            timeout=60, trust_env=False)
        answered = 0
        while not slow.done() and answered < 50:
            assert client.get(server.url + "/healthz").status_code == 200
            small = {"n": 2, "m": 4, "weights": [[1, 2, 3, 4]] * 4}
            assert client.post(server.url + "/v1/masks", json=small).status_code == 200
            answered += 1
        assert slow.result().status_code == 200
        assert answered > 1

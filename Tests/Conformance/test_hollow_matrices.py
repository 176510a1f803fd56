# SPDX-License-Identifier: GPL-3.0-or-later
"""Matrices without entries, one of whose sides is huge: a request of no bytes."""

import json

import pytest

from server import Server, read_reply

HUGE = 2**63 - 1
PATHS = [
    "/v1/masks?n=1&m=1", "/v1/masks?n=1&m=1&structure=row", "/v1/masks/validate?n=1&m=1",
    "/v1/gradients?n=1&m=1&seed=1"]


def ask(path, rows, columns):
    """Sends one request to a process of its own; returns the status, or fails."""
    server = Server()
    try:
        with server.connect(timeout=3) as connection:
            connection.sendall(
                f"POST {path}&rows={rows}&columns={columns}&dtype=F64 HTTP/1.1\r\nHost: x\r\n"
                "Accept: application/json\r\nContent-Length: 0\r\n\r\n".encode())
            status, _, body = read_reply(connection)
        assert status != 200 or json.loads(body)
        assert server.resident_bytes < 256 << 20
        assert server.is_alive
        return status
    finally:
        server.process.kill()
        server.process.wait()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("rows, columns", [(1000, 0), (0, 1000), (0, 0)])
def test_small(path, rows, columns):
    assert ask(path, rows, columns) == 200


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("rows, columns", [(HUGE, 0), (0, HUGE)])
def test_sides_at_the_end_of_all_numbers(path, rows, columns):
    assert ask(path, rows, columns) in (200, 413, 422)


@pytest.mark.parametrize("path", ["/v1/masks/validate?n=1&m=1", "/v1/gradients?n=1&m=1&seed=1"])
def test_sides_that_nothing_can_list(path):
    assert ask(path, 10**12, 0) in (200, 413, 422)

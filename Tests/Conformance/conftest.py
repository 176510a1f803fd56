# SPDX-License-Identifier: GPL-3.0-or-later
"""One server for all tests; every exchange is held against the description."""

import pathlib

import numpy as np
import pytest

from description import Description
from server import Server
from service import Service

DATA = pathlib.Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def description():
    return Description()


@pytest.fixture(scope="session")
def server():
    server = Server()
    yield server
    assert server.stop() == 0, "".join(server.log)


@pytest.fixture(scope="session")
def service(server, description):
    return Service(server, description)


@pytest.fixture(scope="session")
def small_server():
    """A server whose limits a test can reach."""
    server = Server("--max-body", "64KiB", "--max-json-body", "4KiB")
    yield server
    assert server.is_alive and server.stop() == 0


@pytest.fixture(scope="session")
def small_service(small_server, description):
    return Service(small_server, description)


@pytest.fixture(scope="session")
def layer():
    """A trained layer, 384 x 384 of float32."""
    return np.load(DATA / "minilm-query-384x384.npy")


@pytest.fixture(autouse=True)
def always_a_server(server):
    """So that every test can end it by mistake."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """No test may end the service; one that does fails alone."""
    try:
        return (yield)
    finally:
        server = item.funcargs["server"]
        if not server.is_alive:
            status = server.process.wait()
            cause = [line for line in server.log if "crashed" in line or " in nmmask at " in line]
            server.start()
            pytest.fail(f"The service ended with status {status}: {''.join(cause[:4])}")


def pytest_collection_modifyitems(items):
    """What looks back on all exchanges comes last."""
    items.sort(key=lambda item: item.get_closest_marker("looks_back") is not None)


def pytest_configure(config):
    config.addinivalue_line("markers", "looks_back: runs after all other tests")

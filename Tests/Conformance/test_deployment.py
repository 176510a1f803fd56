# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of Documentation/operation.md: nginx in front of two replicas, a systemd unit."""

import os
import shutil
import socket
import subprocess
import threading
import time

import numpy as np
import pytest
import requests

from server import REPOSITORY, Server, binary

DOCUMENTATION = REPOSITORY / "Documentation"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def replicas():
    servers = [Server(), Server()]
    yield servers
    for server in servers:
        server.stop()


@pytest.fixture
def nginx(replicas, tmp_path):
    """nginx with the documented configuration; yields its port."""
    port = free_port()
    text = (DOCUMENTATION / "nginx.conf").read_text()
    for documented, actual in [
            (8080, port), (8081, replicas[0].port), (8082, replicas[1].port)]:
        assert f"127.0.0.1:{documented}" in text
        text = text.replace(f"127.0.0.1:{documented}", f"127.0.0.1:{actual}")
    # Paths that a test may write to.
    folders = "".join(
        f"  {kind}_temp_path {tmp_path}/{kind};\n"
        for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"])
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(text.replace("http {\n", "http {\n" + folders))
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    process = subprocess.Popen(
        [program, "-p", tmp_path, "-c", configuration, "-e", tmp_path / "error.log",
         "-g", "daemon off; user root;" if _is_root() else "daemon off;"],
        stderr=(tmp_path / "stderr").open("wb"))
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            assert process.poll() is None, (tmp_path / "stderr").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
    yield port
    process.terminate()
    process.wait(timeout=20)


def _is_root():
    return os.geteuid() == 0


def test_a_replica_dies_under_load(replicas, nginx):
    """Four clients, a replica killed in between: each reply is right, none is missing."""
    url = f"http://127.0.0.1:{nginx}/v1/masks?n=2&m=4&rows=128&columns=128&dtype=F32"
    fields = {"Accept": "application/octet-stream"}
    weights = [np.random.default_rng(seed).standard_normal((128, 128), dtype=np.float32).tobytes()
               for seed in range(4)]
    expected = [requests.post(url, body, headers=fields, timeout=20).content for body in weights]
    outcomes = []

    def client(index):
        with requests.Session() as session:
            for _ in range(150):
                reply = session.post(url, weights[index], headers=fields, timeout=20)
                outcomes.append((reply.status_code, reply.content == expected[index]))

    threads = [threading.Thread(target=client, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    replicas[0].process.kill()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 600
    assert set(outcomes) == {(200, True)}


def test_the_unit_is_one(tmp_path):
    """systemd itself reads the unit, where it is installed."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd is not installed")
    unit = tmp_path / "nmmask.service"
    text = (DOCUMENTATION / "nmmask.service").read_text()
    # The program of the unit need not be installed here.
    unit.write_text(text.replace("/usr/local/bin/nmmask", "/bin/true"))
    result = subprocess.run([program, "verify", unit], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "nmmask.service" not in result.stderr, result.stderr


def test_the_unit_starts_what_there_is(tmp_path):
    """The options of the unit are options of the program, with its socket elsewhere."""
    line = next(line for line in (DOCUMENTATION / "nmmask.service").read_text().splitlines()
                if line.startswith("ExecStart="))
    options = line.split("serve ", 1)[1].replace("/run/nmmask/socket", str(tmp_path / "socket"))
    process = subprocess.Popen([binary(), "serve", *options.split()], stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 10
        while not (tmp_path / "socket").exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        assert (tmp_path / "socket").stat().st_mode & 0o777 == 0o600
        reply = subprocess.run(
            ["curl", "-s", "--unix-socket", tmp_path / "socket", "http://localhost/healthz"],
            capture_output=True, text=True)
        assert reply.stdout == "ok\n"
    finally:
        process.terminate()
        assert process.wait(timeout=20) == 0

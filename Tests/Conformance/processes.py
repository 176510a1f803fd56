# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes of the service under limits, on a port known beforehand, or without a log to read."""

import os
import pathlib
import socket
import subprocess
import time

from server import Server, binary


def free_port():
    """A port on loopback that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def set_limit(process, **limits):
    """Changes resource limits of a running process: `nofile=40`, `as=1 << 30`."""
    for name, value in limits.items():
        subprocess.run(
            ["prlimit", f"--pid={process.pid}", f"--{name}={value}:"], check=True, timeout=10)


def status_bytes(process, name):
    """A figure of /proc/PID/status that is given in kB: `VmSize`, `VmRSS`."""
    text = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return next(int(line.split()[1]) << 10 for line in text.splitlines()
                if line.startswith(f"{name}:"))


def descriptors(server):
    """How many files and sockets a server has open."""
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def wait_until(condition, seconds=20):
    """Waits for what happens soon, and fails where it does not."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


class MuteServer(Server):
    """A process whose standard error goes elsewhere, so that its port is chosen here."""

    def __init__(self, *arguments, errors, port=None, **options):
        self._errors = errors
        self._chosen = port or free_port()
        super().__init__(*arguments, **options)

    def start(self):
        self.log = []
        self.port = self._chosen
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen(
            [*self._before, binary(), "serve", "--port", str(self.port), *self._arguments],
            stdin=subprocess.DEVNULL, stdout=self._errors, stderr=self._errors,
            env=self._environment())
        deadline = time.monotonic() + 20
        while True:
            try:
                self.connect(timeout=1).close()
                return
            except ConnectionRefusedError:
                assert self.process.poll() is None and time.monotonic() < deadline
                time.sleep(0.02)

    def _join(self):
        pass

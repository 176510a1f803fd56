# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts the service under test and talks to it."""

import os
import pathlib
import re
import selectors
import signal
import socket
import subprocess
import threading
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


def binary():
    """The program under test; NMMASK_BINARY names another one."""
    path = os.environ.get("NMMASK_BINARY", REPOSITORY / ".build/release/nmmask")
    return str(pathlib.Path(path).resolve())


class Server:
    """A process of the service on a free port of the loopback interface.

    `before` is what the program is started by, as `prlimit`; `environment` is added to that of the
    tests.
    """

    def __init__(self, *arguments, before=(), environment=None):
        self._arguments = arguments
        self._before = before
        self._added = environment or {}
        self.start()

    def _environment(self):
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("NMMASK_")}
        return inherited | self._added

    def start(self):
        """Starts the process; a second call starts another one, after the first has ended."""
        self.process = subprocess.Popen(
            [*self._before, binary(), "serve", "--port", "0", *self._arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            env=self._environment())
        self.log = []
        self.port = self._listening_port(time.monotonic() + 20)
        self.url = f"http://127.0.0.1:{self.port}"
        self._reader = threading.Thread(target=self._keep_log, daemon=True)
        self._reader.start()

    def _listening_port(self, deadline):
        stream = self.process.stderr
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            text = b""
            while time.monotonic() < deadline and selector.select(deadline - time.monotonic()):
                piece = os.read(stream.fileno(), 4096)
                if not piece:
                    break
                text += piece
                if found := re.search(rb"listening on https?://127\.0\.0\.1:(\d+)[\n\"]", text):
                    return int(found[1])
        self.process.kill()
        self.process.wait()
        raise RuntimeError(f"The service did not start: {text.decode(errors='replace')}")

    def _keep_log(self):
        for line in self.process.stderr:
            self.log.append(line.decode(errors="replace"))

    @property
    def is_alive(self):
        # A process that crashes takes a moment to write why, with its sockets closed.
        if any("Program crashed" in line for line in self.log):
            self.process.wait(timeout=30)
        return self.process.poll() is None

    @property
    def cpu_seconds(self):
        """The processor time that the process has used."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def resident_bytes(self):
        """The memory that the process holds."""
        pages = pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    @property
    def _minds_sigterm(self):
        """Whether SIGTERM is handled yet: the service listens a moment before."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        masks = re.findall(r"^Sig(?:Ign|Cgt|Blk):\t([0-9a-f]+)$", status, re.MULTILINE)
        return any(int(mask, 16) >> (signal.SIGTERM - 1) & 1 for mask in masks)

    def stop(self):
        """Ends the process as a service manager would; returns its exit status."""
        deadline = time.monotonic() + 5
        while self.is_alive and not self._minds_sigterm and time.monotonic() < deadline:
            time.sleep(0.01)
        if self.is_alive:
            self.process.terminate()
        try:
            status = self.process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self._join()
        return status

    def _join(self):
        self._reader.join(timeout=5)

    def connect(self, timeout=15):
        """A socket to the service, for what no HTTP client would send."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=timeout)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


def read_all(connection):
    """What the service sends until it closes; a reset ends it too."""
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except ConnectionResetError:
        pass
    return received


def read_reply(connection):
    """One reply with a Content-Length, as (status, fields with names in lower case, body)."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        if not piece:
            raise EOFError(f"The connection ended inside a header: {received!r}")
        received += piece
    head, body = received.split(b"\r\n\r\n", 1)
    status, fields = parse_head(head)
    while len(body) < int(fields["content-length"]):
        piece = connection.recv(65536)
        if not piece:
            raise EOFError("The connection ended inside a body.")
        body += piece
    return status, fields, body


def parse_head(head):
    """The status and the fields of a reply's head."""
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.split(":", 1) for line in lines)
    return int(first.split()[1]), {name.strip().lower(): value.strip() for name, value in pairs}

# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals under load: an orderly stop, a kill, a pause."""

import http.client
import json
import signal
import subprocess
import threading
import time

import numpy as np

import oracle
from processes import MuteServer, free_port
from server import Server
from service import mask_of, npy_bytes

RANDOM = np.random.default_rng(22)
WEIGHTS = RANDOM.standard_normal((256, 256)).astype("<f4")
BODY = npy_bytes(WEIGHTS)


class Load:
    """Clients that post the same matrix over and over, and look at every reply.

    A reply is right, or it is a 503, or there is none: the connection ends before its first byte or
    is refused. Anything else is kept in `faults`.
    """

    def __init__(self, port, clients=12):
        self.port = port
        self.answered, self.lost, self.faults = 0, 0, []
        self._right = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def _work(self):
        connection = None
        while not self._stop.is_set():
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            sent = False
            try:
                connection.request("POST", "/v1/masks?n=4&m=8", BODY)
                sent = True
                reply = connection.getresponse()
                text = reply.read()
            except TimeoutError as error:
                self._fault(f"no reply: {error!r}")
                return
            except (ConnectionError, http.client.RemoteDisconnected):
                self._lose()
                connection = None
                self._stop.wait(0.01)
                continue
            except http.client.HTTPException as error:
                # Half a reply is told apart from a whole one by its length.
                if isinstance(error, http.client.IncompleteRead):
                    self._lose()
                else:
                    self._fault(f"{sent}: {error!r}")
                connection = None
                continue
            self._look_at(reply.status, text)
            if reply.getheader("Connection") == "close":
                connection = None

    def _look_at(self, status, text):
        if status == 503:
            self._lose()
            return
        if status != 200:
            self._fault(f"{status}: {text[:200]}")
            return
        document = json.loads(text)
        with self._lock:
            if self._right is None:
                oracle.assert_reply(document, mask_of(document), WEIGHTS)
                self._right = text
            self.answered += 1
        if text != self._right:
            self._fault("another reply to the same request")

    def _lose(self):
        with self._lock:
            self.lost += 1

    def _fault(self, text):
        with self._lock:
            self.faults.append(text)

    def wait_for(self, more):
        """Waits until so many more requests have been answered."""
        goal = self.answered + more
        deadline = time.monotonic() + 30
        while self.answered < goal:
            assert time.monotonic() < deadline and not self.faults, self.faults
            time.sleep(0.01)

    def end(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=40)
        assert not self.faults, self.faults[:5]


def test_termination_under_load():
    """Every request that was accepted is answered, and right; then the process ends with 0."""
    for _ in range(5):
        server = Server()
        load = Load(server.port)
        try:
            load.wait_for(50)
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(timeout=40) == 0
        finally:
            load.end()
            server.stop()
        begun = sum("outcome=" in line for line in server.log)
        answered = sum("outcome=answered" in line for line in server.log)
        assert begun == answered >= load.answered, [
            line for line in server.log if "outcome=" in line and "outcome=answered" not in line][:3]


def test_kill_under_load_and_start_on_the_same_port():
    """Clients lose connections, but no reply is wrong; the next process serves at once."""
    port = free_port()
    server = MuteServer(errors=subprocess.DEVNULL, port=port)
    load = Load(port)
    try:
        for _ in range(5):
            load.wait_for(30)
            server.process.kill()
            assert server.process.wait(timeout=20) == -signal.SIGKILL
            start = time.monotonic()
            server.start()
            load.wait_for(1)
            assert time.monotonic() - start < 10
        load.wait_for(30)
    finally:
        load.end()
        assert server.stop() == 0
    assert load.lost > 0


def test_pause_under_load():
    """A process that was stopped for longer than a deadline goes on where it was."""
    server = Server("--body-timeout", "2", "--header-timeout", "2")
    load = Load(server.port)
    try:
        for _ in range(3):
            load.wait_for(30)
            server.process.send_signal(signal.SIGSTOP)
            time.sleep(1)
            server.process.send_signal(signal.SIGCONT)
        load.wait_for(30)
    finally:
        server.process.send_signal(signal.SIGCONT)
        load.end()
        assert server.stop() == 0


def test_signals_that_do_no_harm(tmp_path):
    """SIGHUP, SIGPIPE, which a client can cause, and a second SIGTERM."""
    (tmp_path / "tokens").write_text("secret\n")
    for _ in range(8):
        # The first comes as soon as the service listens.
        server = Server("--token-file", str(tmp_path / "tokens"))
        for number in (signal.SIGHUP, signal.SIGPIPE):
            for _ in range(3):
                server.process.send_signal(number)
            time.sleep(0.1)
            assert server.is_alive
        server.process.send_signal(signal.SIGTERM)
        server.process.send_signal(signal.SIGTERM)
        assert server.stop() == 0

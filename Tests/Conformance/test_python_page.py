# SPDX-License-Identifier: GPL-3.0-or-later
"""Every program of Documentation/python.md does what it says."""

import importlib.util
import re
import subprocess
import sys

from readme import blocks
from server import REPOSITORY, binary

PROGRAMS = [block for block in blocks((REPOSITORY / "Documentation/python.md").read_text())
            if block.language == "python"]


def run(program, server, socket):
    program = re.sub(r"\blocalhost:8080\b", f"127.0.0.1:{server.port}", program)
    program = program.replace("/run/nmmask/socket", str(socket))
    result = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning", "-c", program],
        capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr


def test_the_programs(server, tmp_path):
    """One after the other, as a reader would; that for torch only where there is torch."""
    has_torch = importlib.util.find_spec("torch") is not None
    parts = [block.text for block in PROGRAMS
             if has_torch or not re.search(r"^import torch\b", block.text, re.MULTILINE)]
    assert len(parts) >= 4
    socket = tmp_path / "socket"
    process = subprocess.Popen(
        [binary(), "serve", "--unix-socket", socket], stderr=subprocess.PIPE)
    try:
        assert b"listening" in process.stderr.readline()
        run("\n".join(parts), server, socket)
    finally:
        process.terminate()
        assert process.wait(timeout=20) == 0


def test_all_of_it_is_python():
    for block in PROGRAMS:
        compile(block.text, f"python.md, line {block.line}", "exec")

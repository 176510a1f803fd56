# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command in the README does what it says."""

import importlib.util
import re
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from description import strict_json
from readme import blocks, logical_lines
from server import REPOSITORY, binary

BLOCKS = blocks((REPOSITORY / "README.md").read_text())
SHELL = [block for block in BLOCKS if block.language == "sh"]
PYTHON = [block for block in BLOCKS if block.language == "python"]
# Installs or builds; that such a command works is shown by the tests having come this far.
SET_UP = re.compile(r"(sudo |apt-get |apt |git clone |cd |docker |\./?nmmask serve|\S*nmmask serve)")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where a reader would be: a folder with the program, a layer of weights and a model."""
    folder = tmp_path_factory.mktemp("readme")
    weights = np.random.default_rng(0).standard_normal((32, 128), dtype=np.float32)
    np.save(folder / "weights.npy", weights)
    save_file({"weight": weights, "bias": weights[0]}, folder / "model.safetensors")
    program = folder / ".build/release/nmmask"
    program.parent.mkdir(parents=True)
    program.symlink_to(binary())
    return folder


def test_there_is_something_to_run():
    assert len(SHELL) >= 3 and PYTHON
    languages = {block.language for block in BLOCKS}
    assert languages <= {"sh", "python", "json", ""}, f"who runs {languages}?"


def make_targets():
    text = (REPOSITORY / "Makefile").read_text()
    return set(re.findall(r"^([a-z][\w-]*):", text, re.MULTILINE))


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_shell_block(server, folder, block):
    commands = []
    for command in logical_lines(block.text):
        if found := re.match(r"make\b(.*)", command):
            targets = [word for word in re.sub(r"\w+=(\"[^\"]*\"|\S*)", "", found[1]).split()
                       if not word.startswith("-")]
            assert targets and set(targets) <= make_targets(), command
        elif not SET_UP.match(command):
            commands.append(command)
    if not commands:
        return
    script = "set -euo pipefail\n" + "\n".join(commands)
    script = re.sub(r"\b(localhost|127\.0\.0\.1):8080\b", f"127.0.0.1:{server.port}", script)
    script = re.sub(r"\bcurl\b", "curl --fail-with-body --no-progress-meter", script)
    run = subprocess.run(
        ["bash", "-c", script], cwd=folder, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, f"{script}\n{run.stdout}\n{run.stderr}"
    if block.output is not None:
        assert strict_json(run.stdout) == strict_json(block.output)
    elif run.stdout.lstrip().startswith("{") and len(commands) == 1:
        strict_json(run.stdout)


def test_shell_blocks_make_what_they_say(folder):
    """After all of them: a mask of the weights, as .npy."""
    weights, mask = np.load(folder / "weights.npy"), np.load(folder / "mask.npy")
    assert mask.dtype == bool and mask.shape == weights.shape
    assert (mask.reshape(32, 32, 4).sum(axis=2) == 2).all()


def test_python_blocks(server, folder):
    """In their order, in one program; those that need torch only where there is torch."""
    has_torch = importlib.util.find_spec("torch") is not None
    program = "\n".join(
        block.text for block in PYTHON
        if has_torch or not re.search(r"^\s*(import|from) torch\b", block.text, re.MULTILINE))
    assert "numpy" in program
    program = re.sub(r"\b(localhost|127\.0\.0\.1):8080\b", f"127.0.0.1:{server.port}", program)
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr


def test_python_blocks_for_torch_are_python():
    for block in PYTHON:
        compile(block.text, f"README.md, line {block.line}", "exec")


def test_links_lead_somewhere():
    text = (REPOSITORY / "README.md").read_text()
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if not link.startswith(("http://", "https://")):
            assert (REPOSITORY / link).exists(), link

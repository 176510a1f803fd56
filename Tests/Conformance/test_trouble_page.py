# SPDX-License-Identifier: GPL-3.0-or-later
"""The page about trouble names tests that there are."""

import ast
import re

import pytest

from server import REPOSITORY

ROWS = [
    [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
    for line in (REPOSITORY / "Documentation/trouble.md").read_text().splitlines()
    if line.startswith("|")][2:]


def test_there_are_rows():
    assert len(ROWS) >= 35
    assert len({row[0] for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_named_tests_exist(row):
    assert len(row) == 4 and all(row)
    names = re.findall(r"`([^`]+::[^`]+)`", row[3])
    assert names, "a row without a test"
    assert re.sub(r"`[^`]+`", "", row[3]).strip() == ""
    for name in names:
        file, function = name.split("::")
        assert function in functions(file), f"there is no test {name}"


def functions(file):
    """The names of the tests in a file: functions of pytest, or those that follow `@Test`."""
    if file.endswith(".swift"):
        text = (REPOSITORY / "Tests" / file).read_text()
        return set(re.findall(r"@Test\b(?:(?!\bfunc\b).)*\bfunc (\w+)\(", text, re.DOTALL))
    tree = ast.parse((REPOSITORY / "Tests/Conformance" / file).read_text())
    return {node.name for node in tree.body
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}

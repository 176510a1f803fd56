# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages about trouble and security name tests that there are."""

import ast
import re

import pytest

from server import REPOSITORY



def rows(page, heading):
    """The rows of the table whose first column is called so."""
    lines = iter((REPOSITORY / page).read_text().splitlines())
    for line in lines:
        if line.startswith(f"| {heading} |"):
            next(lines)
            for row in lines:
                if not row.startswith("|"):
                    return
                yield [cell.strip() for cell in re.split(r"(?<!\\)\|", row.strip().strip("|"))]


TROUBLE = list(rows("Documentation/trouble.md", "fault"))
PROMISES = list(rows("SECURITY.md", "promise"))


def test_there_are_rows():
    assert len(TROUBLE) >= 35 and len(PROMISES) >= 15
    assert len({row[0] for row in TROUBLE}) == len(TROUBLE)


@pytest.mark.parametrize("row", TROUBLE + PROMISES, ids=lambda row: row[0][:50])
def test_named_tests_exist(row):
    assert len(row) in (2, 4) and all(row)
    names = re.findall(r"`([^`]+::[^`]+)`", row[-1])
    assert names, "a row without a test"
    assert re.sub(r"`[^`]+`", "", row[-1]).strip() == ""
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

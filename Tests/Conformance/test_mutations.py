# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults of Tests/Mutations still have a place in Sources, and each kind of trouble has one."""

import re
import tomllib

import pytest

from server import REPOSITORY
from test_trouble_page import TROUBLE, functions

with open(REPOSITORY / "Tests/Mutations/mutations.toml", "rb") as file:
    MUTATIONS = tomllib.load(file)["mutation"]


def test_names_differ():
    assert len({mutation["name"] for mutation in MUTATIONS}) == len(MUTATIONS)


def test_every_kind_of_trouble_is_put_back():
    assert {row[0] for row in TROUBLE} <= {mutation["row"] for mutation in MUTATIONS}


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation["name"])
def test_the_fault_can_be_put_back(mutation):
    """Whether a test sees it is for `make mutations` to say."""
    assert set(mutation) == {"name", "row", "file", "find", "replace", "tests"}
    text = (REPOSITORY / "Sources" / mutation["file"]).read_text()
    assert text.count(mutation["find"]) == 1 and mutation["find"] != mutation["replace"]
    assert mutation["tests"]
    for test in mutation["tests"]:
        if match := re.fullmatch(r"(\w+\.py)::(\w+)(\[.+\])?", test):
            assert match[2] in functions(match[1]), test

# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests that schemathesis makes up from openapi.yaml, some that fit it and some that do not.

Each operation gets NMMASK_GENERATED_REQUESTS of them (20) beside its examples and the edges of its
schemas, from the seed NMMASK_GENERATED_SEED (1). All checks of schemathesis are on.
"""

import os
import re
import struct
from urllib.parse import parse_qs, urlsplit

import hypothesis
import numpy as np
import pytest
import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis.core.failures import AcceptedNegativeData, FailureGroup
from schemathesis.openapi.checks import RejectedPositiveData

from server import REPOSITORY
from service import npy_bytes
from tensors import TYPES, save

COUNT = int(os.environ.get("NMMASK_GENERATED_REQUESTS", "20"))
SEED = int(os.environ.get("NMMASK_GENERATED_SEED", "1"))

# What a JSON request that fits the description is refused for, and why no schema can say so: a
# status, the operations, and a part of the sentence.
POSTS = r"POST /v1/(masks|masks/validate|models/masks|gradients|compress|decompress)"
INFERENCE = r"POST /v2/models/.*infer"
REASONS = [
    # One number may be no larger than another.
    (422, rf"GET /v1/diversity|{POSTS}|{INFERENCE}", "must be at most m ="),
    # The limit of m depends on the structure.
    (422, rf"{POSTS}|{INFERENCE}", "must be at most 64 for the structure 'transposable'"),
    # A parameter may stand in the query or in the body: in one of them, and not in both.
    (422, rf"{POSTS}|{INFERENCE}", "is required"),
    (400, POSTS, "is given in the query and in the body"),
    # The query, or a field of the header, decides what the body is.
    (415, POSTS, "With 'rows' and 'columns' in the query the body is raw"),
    (400, "POST /v1/masks/validate", "There is no parameter 'dtype' here"),
    (400, INFERENCE, "There is no parameter"),
    (400, INFERENCE, "Inference-Header-Content-Length"),
    (400, INFERENCE, "bytes"),
    # A text in the query has no U+0000.
    (400, rf"{POSTS}|{INFERENCE}", "The query has a piece that cannot be decoded: .*%00"),
    # A matrix has as many entries as its shape says, and no more than can be counted.
    (422, INFERENCE, "A matrix without entries may have sides of at most"),
    (422, "GET /v1/diversity", "has more entries than 63 bits can count"),
    (400, INFERENCE, "'data' has .* elements, but the shape"),
    # Arrays are rectangular, of one shape with each other, and of sides that m divides.
    (422, rf"{POSTS}|{INFERENCE}", "The array is not rectangular"),
    (422, rf"{POSTS}|{INFERENCE}", "does not divide"),
    (422, r"POST /v1/(masks|models/masks)", "'(scores|column_scale|previous_mask)' (is|has) .* but "),
    (422, rf"{POSTS}|{INFERENCE}", "is mixed|must be an array of numbers|must be numbers"),
    # Parameters mean something together with some others only, or with some names.
    (422, rf"{POSTS}|{INFERENCE}", "means nothing to the method"),
    (422, rf"{POSTS}|{INFERENCE}", "'method' must be 'exact' unless 'structure' is 'transposable'"),
    (422, rf"{POSTS}|{INFERENCE}", "draws at most two entries"),
    (422, "POST /v1/gradients", "needs 'sparsity'"),
    (422, "POST /v1/models/masks", "There is no tensor (whose name matches|'.*' to have groups)"),
    (400, INFERENCE, "The model's input is '"),
    (422, "POST /v1/(de)?compress", "There is no hardware layout for"),
    (422, "POST /v1/decompress", "'metadata' is .* but 'values' needs|The indices of the group at"),
    (422, "POST /v1/compress", "keeps"),
    # Numbers of the right kind, but not of the type that another parameter names.
    (422, rf"{POSTS}|{INFERENCE}", "(beyond|outside) the range of|is not whole, as"),
]


def may_be_refused(case, response):
    """Whether a request that fits the description is refused for what no schema can say."""
    if response.status_code not in (400, 413, 415, 422):
        return False
    if case.media_type not in (None, "application/json"):
        # A file agrees with itself and with the query, which these often do not.
        return True
    operation = f"{case.method} {case.operation.path}"
    detail = response.json()["detail"]
    return any(
        response.status_code == status and re.fullmatch(operations, operation)
        and re.search(words, detail) for status, operations, words in REASONS)


def may_be_taken(response):
    """Whether a request that does not fit the description is refused after all, or is right."""
    # schemathesis does not count 413 among the refusals; and the body of a raw matrix without
    # entries is empty, which no one can tell from none.
    return response.status_code == 413 or is_empty_matrix(response)


def is_empty_matrix(response):
    """Whether the body of the request is the whole of a raw matrix without entries."""
    values = parse_qs(urlsplit(response.request.url).query)
    return "0" in values.get("rows", []) + values.get("columns", []) and not response.request.body


# MARK: Bodies that are not JSON

def matrices():
    """Small matrices of every type."""
    sides = st.integers(0, 9)
    return st.builds(
        lambda rows, columns, name, seed: np.random.default_rng(seed).integers(
            0, 100, (rows, columns)).astype(TYPES[name]),
        sides, sides, st.sampled_from(sorted(TYPES.keys() - {"BF16"})), st.integers(0, 99))


def spoilt(files):
    """Files of which some are cut, and some have a byte changed."""
    def spoil(file, place, change):
        if change is None or not file:
            return file
        place %= len(file)
        return file[:place] if change == "cut" else file[:place] + change + file[place + 1:]

    change = st.one_of(st.none(), st.none(), st.just("cut"), st.binary(min_size=1, max_size=1))
    return st.builds(spoil, files, st.integers(0, 10_000), change)


schemathesis.openapi.media_type("application/x-npy", spoilt(matrices().map(npy_bytes)))
schemathesis.openapi.media_type("application/vnd.safetensors", spoilt(st.dictionaries(
    st.sampled_from(["weights", "scores", "values", "metadata", "a.weight", "b"]), matrices(),
    max_size=3).map(save)))
schemathesis.openapi.media_type("application/octet-stream", st.one_of(
    st.binary(max_size=64),
    st.lists(st.floats(-9, 9, width=32), min_size=16, max_size=16).map(
        lambda values: struct.pack("<16f", *values))))


@schemathesis.deserializer("application/x-npy", "application/vnd.safetensors",
                           "application/octet-stream")
def whole_bytes(context, response):
    """What such replies hold is held against the oracle elsewhere."""
    return response.content.decode("latin-1")


DOCUMENT = schemathesis.openapi.from_path(REPOSITORY / "openapi.yaml")


@pytest.fixture(scope="module")
def session():
    with requests.Session() as session:
        session.trust_env = False
        yield session


@DOCUMENT.parametrize()
@hypothesis.seed(SEED)
@hypothesis.settings(
    max_examples=COUNT, deadline=None, print_blob=True, database=None,
    suppress_health_check=list(hypothesis.HealthCheck))
def test_generated_requests(server, session, case):
    response = case.call(base_url=server.url, session=session, timeout=60)
    try:
        case.validate_response(response)
    except FailureGroup as group:
        failures = [failure for failure in group.exceptions if not (
            isinstance(failure, RejectedPositiveData) and may_be_refused(case, response)
            or isinstance(failure, AcceptedNegativeData) and may_be_taken(response))]
        if failures:
            print(f"With seed {SEED}: {case.as_curl_command()}\nanswered {response.status_code}: "
                  f"{response.content[:1000]}")
            raise FailureGroup(failures) from None

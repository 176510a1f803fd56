# SPDX-License-Identifier: GPL-3.0-or-later
"""`POST /v1/masks/validate`."""

import numpy as np
import pytest

import oracle
from service import expect_problem

PATH = "/v1/masks/validate"
RANDOM = np.random.default_rng(8)


def check(service, mask, n, m, **parameters):
    """By JSON, .npy and raw, which must agree."""
    document = {"mask": mask.astype(int).tolist(), "n": n, "m": m, **parameters}
    answers = [service.json(PATH, document).json]
    document["mask"] = mask.astype(bool).tolist()
    answers.append(service.json(PATH, document).json)
    answers.append(service.npy(PATH, mask.astype(bool), n=n, m=m, **parameters).json)
    answers.append(service.npy(PATH, np.asfortranarray(mask * 2.5), n=n, m=m, **parameters).json)
    rows, columns = mask.shape
    query = "".join(f"&{name}={value}" for name, value in parameters.items())
    answers.append(service.send(
        "POST", f"{PATH}?n={n}&m={m}&rows={rows}&columns={columns}&dtype=F32{query}",
        (mask * np.float32(-3)).astype("<f4").tobytes()).json)
    assert all(answer == answers[0] for answer in answers), answers
    return answers[0]


@pytest.mark.parametrize("structure", ["transposable", "row", "column"])
@pytest.mark.parametrize("constraint", ["exactly", "at_most"])
@pytest.mark.parametrize("n, m", [(1, 2), (2, 4), (3, 4), (4, 8)])
def test_counts_agree_with_numpy(service, structure, constraint, n, m):
    for density in (0.1, n / m, 0.9):
        mask = RANDOM.random((2 * m, 3 * m)) < density
        counts = oracle.kept_counts(mask, m, structure)
        bad = [(c > n) if constraint == "at_most" else (c != n) for c in counts]
        found = check(service, mask, n, m, structure=structure, constraint=constraint)
        assert found["groups"] == sum(c.size for c in counts)
        assert found["violations"] == sum(int(b.sum()) for b in bad)
        assert found["valid"] == (found["violations"] == 0)
        if not found["valid"]:
            check_violation(found["first_violation"], mask, n, m, constraint)


def check_violation(violation, mask, n, m, constraint):
    row, column = violation["row"], violation["column"]
    group = mask[row, column:column + m] if violation["axis"] == "row" else mask[row:row + m, column]
    assert (column if violation["axis"] == "row" else row) % m == 0
    assert group.sum() == violation["kept"]
    assert violation["kept"] > n or constraint == "exactly" and violation["kept"] < n


@pytest.mark.parametrize("structure", ["transposable", "row", "column"])
@pytest.mark.parametrize("constraint", ["exactly", "at_most"])
def test_masks_that_were_made_here_are_valid(service, structure, constraint):
    weights = RANDOM.standard_normal((16, 24))
    mask = service.mask(weights, 2, 4, structure=structure, constraint=constraint).mask
    assert check(service, mask, 2, 4, structure=structure, constraint=constraint)["valid"]
    spoilt = mask.copy()
    spoilt[np.argwhere(~spoilt)[0][0], :] = True
    assert not check(service, spoilt, 2, 4, structure=structure, constraint=constraint)["valid"]


def test_permuted_columns_break_a_mask(service):
    mask = service.mask(RANDOM.standard_normal((8, 8)), 2, 4).mask
    assert check(service, mask, 2, 4)["valid"]
    pairs = np.tile([1, 1, 0, 0, 1, 1, 0, 0], (8, 1))
    moved = pairs[:, [0, 4, 1, 5, 2, 6, 3, 7]]
    found = check(service, moved, 2, 4, structure="row")
    assert not found["valid"] and found["first_violation"]["kept"] == 4


def test_remainder(service):
    mask = np.ones((5, 6), int)
    mask[:4, :4] = service.mask(RANDOM.standard_normal((4, 4)), 2, 4).mask
    document = {"mask": mask.tolist(), "n": 2, "m": 4}
    expect_problem(service.json(PATH, document), 422, None, "5 rows")
    found = check(service, mask, 2, 4, remainder="dense")
    assert found["valid"] and found["groups"] == 8


def test_empty(service):
    for shape in ((0, 0), (0, 8), (4, 0)):
        reply = service.npy(PATH, np.ones(shape, bool), n=2, m=4)
        assert reply.json == {"valid": True, "groups": 0, "violations": 0, "first_violation": None}


@pytest.mark.parametrize("document, pointer", [
    ({"mask": [[2, 0]]}, "/mask/0/0"), ({"mask": [[0, 0.5]]}, "/mask/0/1"), ({}, "/mask"),
    ({"mask": [[1, 0]], "weights": [[1, 0]]}, "/weights"), ({"mask": "10"}, "/mask"),
    ({"mask": [1, 0]}, "/mask"), ({"mask": [[1, 0], [1]]}, "/mask"), ({"mask": [[-1, 0]]}, "/mask/0/0")])
def test_masks_that_are_none(service, document, pointer):
    reply = service.json(PATH, {"n": 1, "m": 2, "structure": "row"} | document)
    problem = expect_problem(reply, 422)
    assert problem["pointer"].startswith(pointer)


@pytest.mark.parametrize("name", ["method", "mask_encoding", "dtype", "timeout_ms"])
def test_parameters_that_mean_nothing_here(service, name):
    document = {"mask": [[1, 0]], "n": 1, "m": 2, "structure": "row", name: "exact"}
    expect_problem(service.json(PATH, document), 400, f"/{name}")


def test_negative_zero_and_nan(service):
    weights = np.array([[-0.0, np.nan, 0.0, 5.0]], "<f4")
    reply = service.npy(PATH, weights, n=2, m=4, structure="row")
    assert reply.status == 422 or reply.json["valid"]

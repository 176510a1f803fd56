# SPDX-License-Identifier: GPL-3.0-or-later
"""`GET /v1/diversity`, against counts by other ways."""

import functools
import itertools
import math

import pytest

from service import expect_problem


def ask(service, rows, columns, n, m):
    return service.get(f"/v1/diversity?rows={rows}&columns={columns}&n={n}&m={m}")


@functools.cache
def tile_count(n, m):
    """The n-regular 0/1 matrices of order m, column by column over the rows' remaining needs."""
    @functools.cache
    def fill(columns, needs):
        """`needs[k]` rows still need k entries."""
        if columns == 0:
            return int(all(count == 0 for count in needs[1:]))
        total = 0
        for chosen in itertools.product(*(range(count + 1) for count in needs[1:])):
            if sum(chosen) != n:
                continue
            rest = list(needs)
            ways = 1
            for index, number in enumerate(chosen, start=1):
                ways *= math.comb(needs[index], number)
                rest[index] -= number
                rest[index - 1] += number
            total += ways * fill(columns - 1, tuple(rest))
        return total

    needs = [0] * (n + 1)
    needs[n] = m
    return fill(m, tuple(needs))


def test_the_oracle_knows_the_published_counts():
    assert [tile_count(k, 2 * k) for k in range(1, 5)] == [2, 90, 297200, 116963796250]


@pytest.mark.parametrize("n, m", [(n, m) for m in range(1, 10) for n in range(1, m + 1)])
def test_counts_are_exact(service, n, m):
    document = ask(service, m, m, n, m).json
    assert document["transposable"]["per_tile"] == str(tile_count(n, m))
    assert document["transposable"]["exact"] is True
    assert document["row"]["per_group"] == document["column"]["per_group"] == str(math.comb(m, n))
    paper = math.prod(math.factorial(m - k) for k in range(n))
    assert document["transposable_paper"]["per_tile"] == str(paper)
    assert document["transposable"]["log2"] == pytest.approx(math.log2(tile_count(n, m)), rel=1e-13)


@pytest.mark.parametrize("n, m, count", [
    (2, 4, "90"), (4, 8, "116963796250"), (6, 12, "64051375889927380035549804336")])
def test_published_counts(service, n, m, count):
    assert ask(service, m, m, n, m).json["transposable"]["per_tile"] == count


def test_eight_of_sixteen(service):
    document = ask(service, 16, 16, 8, 16).json
    assert document["transposable"]["log2"] == pytest.approx(184.51, abs=0.01)
    assert document["transposable"]["exact"] is True
    count = int(document["transposable"]["per_tile"])
    assert document["transposable"]["log2"] == pytest.approx(math.log2(count), rel=1e-13)


@pytest.mark.parametrize("n, m", [(32, 64), (34, 68), (1, 1000), (512, 1024)])
def test_groups_beyond_64_bits(service, n, m):
    document = ask(service, 8 * m, 8 * m, n, m).json
    assert document["row"]["per_group"] == str(math.comb(m, n))
    assert document["row"]["log2"] == pytest.approx(64 * m * math.log2(math.comb(m, n)), rel=1e-12)
    assert ("transposable" in document) == (m <= 64)


@pytest.mark.parametrize("n, m", [(10, 20), (16, 32), (12, 24), (31, 64), (32, 64)])
def test_large_tiles_are_counted_or_estimated_with_an_error(service, n, m):
    found = ask(service, m, m, n, m).json["transposable"]
    # Canfield and McKay's formula for dense regular matrices, good to a few per cent here.
    density = n / m
    estimate = (2 * m * math.log2(math.comb(m, n)) + m * m * (
        density * math.log2(density) + (1 - density) * math.log2(1 - density)) - 0.5 / math.log(2))
    estimate += math.log2(2 * math.pi * m * m * density * (1 - density)) / 2
    assert found["log2"] == pytest.approx(estimate, rel=0.02)
    if found["exact"]:
        assert found["log2"] == pytest.approx(math.log2(int(found["per_tile"])), rel=1e-12)
    else:
        assert 0 < found["relative_error"] < 1e-3 and "per_tile" not in found


@pytest.mark.parametrize("rows, columns", [(1024, 1024), (65536, 65536), (4, 8)])
def test_matrices(service, rows, columns):
    document = ask(service, rows, columns, 2, 4).json
    tiles, groups = rows * columns // 16, rows * columns // 4
    assert document["transposable"]["log2"] == pytest.approx(tiles * math.log2(90), rel=1e-12)
    assert document["row"]["log2"] == pytest.approx(groups * math.log2(6), rel=1e-12)
    assert document["transposable"]["bits_per_weight"] == pytest.approx(math.log2(90) / 16)
    cells = rows * columns
    free = (math.lgamma(cells + 1) - 2 * math.lgamma(cells / 2 + 1)) / math.log(2)
    assert document["unstructured"]["log2"] == pytest.approx(free, rel=1e-9)
    order = [document[name]["log2"] for name in ("transposable", "row", "unstructured")]
    assert order == sorted(order)


def test_keeping_all_leaves_one_mask(service):
    document = ask(service, 8, 8, 4, 4).json
    for name in ("unstructured", "row", "column", "transposable"):
        assert document[name]["log2"] == 0


def test_masks_report_the_same(service):
    for structure in ("transposable", "row", "column"):
        mask = service.mask([[1] * 8] * 8, 2, 4, structure=structure).json["diversity"]
        count = ask(service, 8, 8, 2, 4).json[structure]
        assert mask["log2"] == count["log2"]
        assert mask["bits_per_weight"] == count["bits_per_weight"]


def test_sides_that_do_not_divide(service):
    document = ask(service, 4, 6, 2, 4).json
    assert document["row"] is None and document["transposable"] is None
    assert document["column"]["log2"] == pytest.approx(6 * math.log2(6))


@pytest.mark.parametrize("query, pointer", [
    ("rows=4&columns=4&n=2", "/m"), ("rows=4&columns=4&m=4", "/n"), ("rows=4&n=2&m=4", "/columns"),
    ("columns=4&n=2&m=4", "/rows"), ("rows=4&columns=4&n=0&m=4", "/n"),
    ("rows=4&columns=4&n=5&m=4", "/n"), ("rows=4&columns=4&n=1&m=0", "/m"),
    ("rows=4&columns=4&n=1&m=1025", "/m"), ("rows=x&columns=4&n=1&m=4", "/rows"),
    ("rows=4&columns=4.0&n=1&m=4", "/columns"), ("rows=99999999999999999999&columns=4&n=1&m=4", "/rows")])
def test_refusals(service, query, pointer):
    expect_problem(service.get(f"/v1/diversity?{query}"), 422, pointer)


@pytest.mark.parametrize("rows, columns", [(-4, 4), (4, -4), (2**62, 2**62)])
def test_impossible_matrices(service, rows, columns):
    expect_problem(ask(service, rows, columns, 2, 4), 422)


def test_names(service):
    expect_problem(service.get("/v1/diversity?rows=4&columns=4&n=2&m=4&k=1"), 400, "/k")
    expect_problem(service.get("/v1/diversity?rows=4&columns=4&n=2&m=4&n=2"), 400)

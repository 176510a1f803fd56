# SPDX-License-Identifier: GPL-3.0-or-later
"""The forms of a reply and the fields around it."""

import json
import subprocess

import numpy as np
import pytest

from service import NPY, OCTETS, expect_problem, npy_bytes, unpack

MATRIX = np.random.default_rng(5).standard_normal((8, 12)).astype("<f4")


@pytest.fixture(scope="module")
def expected(service):
    return service.mask(MATRIX, 2, 4)


def ask(service, accept, **parameters):
    return service.npy("/v1/masks", MATRIX, {"Accept": accept}, n=2, m=4, **parameters)


@pytest.mark.parametrize("accept", [
    None, "*/*", "application/json", "application/*", "text/html, application/json;q=0.1",
    "application/json;q=1, application/x-npy;q=0.5", "application/x-npy;q=0, */*;q=0.1",
    "APPLICATION/JSON", "application/json; charset=utf-8", "", "*/*;q=0.5, image/png"])
def test_json(service, expected, accept):
    reply = ask(service, accept)
    assert reply.fields["content-type"] == "application/json"
    assert (reply.mask == expected.mask).all()
    assert "mask-summary" not in reply.fields


@pytest.mark.parametrize("accept", [
    NPY, "application/x-npy, application/json;q=0.9", "image/png, application/x-npy",
    "application/json;q=0, application/x-npy", "application/x-npy;q=0.2, */*;q=0.1"])
def test_npy(service, expected, accept):
    reply = ask(service, accept)
    assert reply.fields["content-type"] == NPY
    assert reply.npy.dtype == bool and reply.npy.flags.c_contiguous
    assert (reply.npy == expected.mask).all()
    assert json.loads(reply.fields["mask-summary"]) == without_mask(expected.json)


def test_octets(service, expected):
    reply = ask(service, OCTETS)
    assert reply.fields["content-type"] == OCTETS
    assert (unpack(reply.body, MATRIX.shape) == expected.mask).all()
    assert json.loads(reply.fields["mask-summary"]) == without_mask(expected.json)


def test_npy_reply_to_json(service, expected):
    reply = service.mask(MATRIX, 2, 4, {"Accept": NPY})
    assert (reply.npy == expected.mask).all()


@pytest.mark.parametrize("accept", ["image/png", "text/*", "application/json;q=0", "*/*;q=0",
                                    "application/vnd.apache.parquet"])
def test_not_acceptable(service, accept):
    problem = expect_problem(ask(service, accept), 406)
    for form in ("application/json", NPY, OCTETS):
        assert form in problem["detail"]


def test_forms_that_validation_does_not_have(service):
    reply = service.send("POST", "/v1/masks/validate?n=2&m=4", npy_bytes(MATRIX), {"Accept": NPY})
    expect_problem(reply, 406)


@pytest.mark.parametrize("encoding", ["array", "bits"])
def test_mask_encoding(service, expected, encoding):
    for reply in (
        service.mask(MATRIX, 2, 4, mask_encoding=encoding),
        ask(service, None, mask_encoding=encoding),
    ):
        assert isinstance(reply.json["mask"], list) == (encoding == "array")
        assert (reply.mask == expected.mask).all()
        assert without_mask(reply.json) == without_mask(expected.json)


def without_mask(document):
    return {name: value for name, value in document.items() if name != "mask"}


def test_mask_encoding_defaults(service):
    assert isinstance(service.mask(MATRIX, 2, 4).json["mask"], list)
    assert ask(service, None).json["mask"]["encoding"] == "bits-le-base64"


def test_a_reply_is_a_function_of_its_request(service):
    assert len({service.mask(MATRIX, 2, 4).body for _ in range(5)}) == 1


# MARK: Fields

@pytest.mark.parametrize("given", ["a", "A-b_c.9", "x" * 128])
def test_request_id_is_returned(service, given):
    assert service.get("/healthz", **{"X-Request-Id": given}).fields["x-request-id"] == given
    reply = service.get("/nothing", **{"X-Request-Id": given})
    assert reply.json["instance"] == f"/nothing#{given}"


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "a;b", "<script>", "a,b"])
def test_request_id_that_is_none_is_replaced(service, given):
    made = service.get("/healthz", **{"X-Request-Id": given}).fields["x-request-id"]
    assert made != given and made.isalnum()
    assert made != service.get("/healthz").fields["x-request-id"]


def test_server_timing(service):
    timing = service.mask(MATRIX, 2, 4).fields["server-timing"]
    entries = dict(entry.strip().split(";dur=") for entry in timing.split(","))
    assert {"solve", "total"} <= entries.keys()
    assert all(float(value) >= 0 for value in entries.values())


def test_start_page_has_a_command_that_works(service, tmp_path):
    page = service.get("/").body.decode()
    commands = [line for line in page.splitlines() if line.startswith("curl ")]
    assert len(commands) == 2
    np.save(tmp_path / "weights.npy", MATRIX)
    for command in commands:
        run = subprocess.run(
            ["bash", "-c", command.replace("curl", "curl -sS --fail", 1)],
            cwd=tmp_path, capture_output=True, timeout=20)
        assert run.returncode == 0, run.stderr
        if run.stdout:
            assert json.loads(run.stdout)["certificate"]["optimal"]
    assert np.load(tmp_path / "mask.npy").sum() == MATRIX.size / 2


@pytest.mark.parametrize("host", ["example.org:80", "evil'; rm -rf ~ #", "a$(id)", "[::1]:8080"])
def test_start_page_repeats_no_host_that_a_shell_would_run(service, host):
    reply = service.get("/", Host=host)
    if reply.status == 200:
        assert (host in reply.body.decode()) == (host in ("example.org:80", "[::1]:8080"))

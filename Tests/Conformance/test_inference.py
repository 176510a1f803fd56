# SPDX-License-Identifier: GPL-3.0-or-later
"""The Open Inference Protocol, as an unchanged client of inference servers speaks it."""

import asyncio
import json
import re

import ml_dtypes
import numpy as np
import pytest
import requests
import tritonclient.http as triton
import tritonclient.http.aio as triton_async
from tritonclient.utils import InferenceServerException

from service import expect_problem

RANDOM = np.random.default_rng(6)
# Small whole numbers, which every type holds.
WEIGHTS = RANDOM.integers(-100, 101, (16, 24))
MODELS = {"transposable_mask": "transposable", "row_mask": "row", "column_mask": "column"}
TYPES = {
    "FP64": np.float64, "FP32": np.float32, "FP16": np.float16, "BF16": ml_dtypes.bfloat16,
    "INT8": np.int8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64}


@pytest.fixture(scope="module")
def client(server):
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
        yield client


def tensor(array, name="weights", datatype="FP32", binary=True):
    tensor = triton.InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array.astype(TYPES[datatype]), binary_data=binary)
    return tensor


def post(server, model, body, headers=None, query=""):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return requests.post(
        f"{server.url}/v2/models/{model}/infer{query}", data=body, headers=headers, timeout=20)


def request(**changes):
    """A request that is answered, but for the changes."""
    document = {
        "inputs": [{
            "name": "weights", "shape": [4, 4], "datatype": "FP32", "data": list(range(16))}],
        "parameters": {"n": 2, "m": 4}}
    document["inputs"][0].update(changes.pop("input", {}))
    document.update(changes)
    return document


def test_server_is_as_clients_expect(client):
    assert client.is_server_live() and client.is_server_ready()
    metadata = client.get_server_metadata()
    assert metadata["name"] == "nmmask"
    assert "binary_tensor_data" in metadata["extensions"]
    index = client.get_model_repository_index()
    assert [entry["name"] for entry in index] == [*MODELS, "unbiased_gradient"]
    assert all(entry["state"] == "READY" for entry in index)


@pytest.mark.parametrize("version", ["", "1"])
@pytest.mark.parametrize("model", [*MODELS, "unbiased_gradient"])
def test_model_is_as_clients_expect(client, model, version):
    assert client.is_model_ready(model, version)
    metadata = client.get_model_metadata(model, version)
    assert metadata["name"] == model and metadata["versions"] == ["1"]
    assert [port["shape"] for port in metadata["inputs"]] == [[-1, -1]]
    configuration = client.get_model_config(model, version)
    assert configuration["max_batch_size"] == 0
    assert configuration["input"][0]["data_type"] == "TYPE_FP32"


def test_unknown_models(client):
    assert not client.is_model_ready("mask")
    assert not client.is_model_ready("row_mask", "2")
    with pytest.raises(InferenceServerException, match="no model 'mask'.*transposable_mask"):
        client.get_model_metadata("mask")
    with pytest.raises(InferenceServerException, match="no version '2'"):
        client.infer("row_mask", [tensor(WEIGHTS)], "2", parameters={"n": 2, "m": 4})


def test_every_path_of_a_model_knows_its_models(service, description):
    for path, method, _ in list(description.operations()):
        if path.startswith("/v2/models/"):
            other = path.replace("row_mask", "nothing")
            assert service.send(method.upper(), other).status == 404, other


def test_time_limit(service):
    """Quick by the estimate, which holds for magnitudes without ties, and cut."""
    for version in ("", "/versions/1"):
        reply = service.send(
            "POST", f"/v2/models/transposable_mask{version}/infer?rows=2048&columns=2048&dtype=I8"
            "&n=2&m=4&method=greedy&timeout_ms=1", np.ones((2048, 2048), "i1").tobytes(),
            {"Inference-Header-Content-Length": "0"})
        expect_problem(reply, 504)


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
@pytest.mark.parametrize("datatype", TYPES)
@pytest.mark.parametrize("model", MODELS)
def test_same_mask_as_elsewhere(service, client, model, datatype, binary):
    """Bit for bit, however the numbers arrive."""
    if datatype in ("FP16", "BF16") and not binary:
        pytest.skip("the client sends these types as bytes only")
    expected = service.mask(WEIGHTS, 2, 4, structure=MODELS[model]).mask
    result = client.infer(
        model, [tensor(WEIGHTS, datatype=datatype, binary=binary)], parameters={"n": 2, "m": 4})
    mask = result.as_numpy("mask")
    assert mask.dtype == bool and (mask == expected).all()
    magnitudes = np.abs(WEIGHTS)
    assert result.as_numpy("kept_magnitude") == [magnitudes[expected].sum()]
    assert result.as_numpy("total_magnitude") == [magnitudes.sum()]


def test_outputs_are_chosen_and_mixed(client):
    outputs = [
        triton.InferRequestedOutput("kept_magnitude", binary_data=False),
        triton.InferRequestedOutput("mask", binary_data=True)]
    result = client.infer(
        "transposable_mask", [tensor(WEIGHTS)], request_id="one more", outputs=outputs,
        parameters={"n": 4, "m": 8, "constraint": "at_most", "method": "exact"})
    response = result.get_response()
    assert response["id"] == "one more" and response["model_name"] == "transposable_mask"
    assert [output["name"] for output in response["outputs"]] == ["kept_magnitude", "mask"]
    assert "data" in response["outputs"][0] and "data" not in response["outputs"][1]
    mask = result.as_numpy("mask")
    assert np.abs(WEIGHTS)[mask].sum() == result.as_numpy("kept_magnitude")[0]
    assert response["parameters"]["optimal"] is True
    as_json = client.infer(
        "transposable_mask", [tensor(WEIGHTS)],
        outputs=[triton.InferRequestedOutput("mask", binary_data=False)],
        parameters={"n": 4, "m": 8, "constraint": "at_most"})
    assert (as_json.as_numpy("mask") == mask).all()
    assert set(as_json.get_output("mask")["data"]) == {True, False}


def test_gradient_is_that_of_its_seed(service, client):
    gradients = RANDOM.standard_normal((8, 16)).astype(np.float32)
    result = client.infer(
        "unbiased_gradient", [tensor(gradients, "gradients")],
        parameters={"n": 1, "m": 4, "seed": 7, "method": "minimum_variance"})
    reply = service.json("/v1/gradients", {
        "gradients": gradients.tolist(), "n": 1, "m": 4, "seed": 7, "dtype": "F32"}).json
    values = result.as_numpy("values")
    assert (values == np.array(reply["values"], np.float32)).all()
    assert (result.as_numpy("mask") == (np.array(reply["mask"]) == 1)).all()
    assert result.as_numpy("variance")[0] == pytest.approx(reply["variance"], rel=1e-12)
    assert result.get_response()["parameters"]["seed"] == 7


def test_async_client(server):
    async def ask():
        async with triton_async.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
            assert await client.is_model_ready("row_mask")
            runs = [
                client.infer(
                    "row_mask", [tensor(WEIGHTS * scale)], parameters={"n": 2, "m": 4})
                for scale in range(1, 9)]
            return [result.as_numpy("mask") for result in await asyncio.gather(*runs)]

    masks = asyncio.run(ask())
    assert all((mask == masks[0]).all() for mask in masks)
    assert (masks[0].reshape(-1, 4).sum(1) == 2).all()


def test_compressed_request(client):
    plain = client.infer("row_mask", [tensor(WEIGHTS)], parameters={"n": 2, "m": 4})
    packed = client.infer(
        "row_mask", [tensor(WEIGHTS)], parameters={"n": 2, "m": 4},
        request_compression_algorithm="gzip")
    assert (plain.as_numpy("mask") == packed.as_numpy("mask")).all()


def test_body_that_is_only_the_tensor(server, client):
    body = WEIGHTS.astype("<f4").tobytes()
    reply = post(
        server, "row_mask", body, {"Inference-Header-Content-Length": "0"},
        "?rows=16&columns=24&dtype=F32&n=2&m=4")
    assert reply.status_code == 200, reply.text
    length = int(reply.headers["Inference-Header-Content-Length"])
    outputs = json.loads(reply.content[:length])["outputs"]
    assert outputs[0]["parameters"]["binary_data_size"] == 16 * 24
    mask = np.frombuffer(reply.content[length:][:16 * 24], bool).reshape(16, 24)
    expected = client.infer("row_mask", [tensor(WEIGHTS)], parameters={"n": 2, "m": 4})
    assert (mask == expected.as_numpy("mask")).all()


def test_nested_data_and_empty_matrices(server):
    nested = post(server, "row_mask", request(input={"data": np.arange(16).reshape(4, 4).tolist()}))
    flat = post(server, "row_mask", request())
    assert nested.json()["outputs"] == flat.json()["outputs"]
    empty = post(server, "row_mask", request(input={"shape": [0, 4], "data": []}))
    assert empty.status_code == 200
    assert empty.json()["outputs"][0] == {
        "name": "mask", "datatype": "BOOL", "shape": [0, 4], "data": []}


@pytest.mark.parametrize("document, status, pointer, words", [
    (request(parameters={"n": 2}), 422, "/parameters/m", "'m' is required"),
    (request(parameters={"n": 5, "m": 4}), 422, "/parameters/n", "at most m = 4"),
    (request(parameters={"n": 2, "m": 4, "structure": "row"}), 400, "/parameters/structure",
     "no parameter 'structure'"),
    (request(input={"data": list(range(15))}), 400, "/inputs/0/data", "15 elements.*16"),
    (request(input={"data": list(range(17))}), 400, "/inputs/0/data", "17 elements.*16"),
    (request(input={"data": [[1, 2], [3]]}), 422, "/inputs/0/data/1", "row 1"),
    (request(input={"data": [[0] * 8] * 2}), 400, "/inputs/0/data", "contradicts the shape"),
    (request(input={"data": [1e39] + [0] * 15}), 422, "/inputs/0/data/0", "beyond the range"),
    (request(input={"shape": [16]}), 422, "/inputs/0/shape", "2 dimensions.*1"),
    (request(input={"shape": [2**40, 2**40]}), 400, "/inputs/0/data", "addressed"),
    (request(input={"shape": [4, -4]}), 400, "/inputs/0/shape", "whole numbers"),
    (request(input={"shape": [3, 4], "data": [0] * 12}), 422, "/inputs/0/data", "3 rows"),
    (request(input={"datatype": "BYTES"}), 422, "/inputs/0/datatype", "'BYTES'"),
    (request(input={"name": "gradients"}), 400, "/inputs/0/name", "'weights'"),
    (request(input={"contents": []}), 400, "/inputs/0/contents", "no member"),
    (request(input={"parameters": {"shared_memory_region": "r"}}), 400,
     "/inputs/0/parameters/shared_memory_region", "no member"),
    (request(input={"parameters": {"binary_data_size": 64}}), 400, "/inputs/0/data", "both"),
    (request(outputs=[{"name": "masks"}]), 400, "/outputs/0/name", "no output 'masks'"),
    (request(outputs=[{"name": "mask"}, {"name": "mask"}]), 400, "/outputs/1/name", "twice"),
    (request(inputs=[]), 400, "/inputs", "'weights'"),
    (request(output=[]), 400, "/output", "no member 'output'"),
    ([], 400, None, "object"),
    (b'{"inputs": [', 400, None, "end"),
])
def test_refusals(server, document, status, pointer, words):
    reply = post(server, "transposable_mask", document)
    problem = reply.json()
    assert reply.status_code == status, problem
    assert problem.get("pointer") == pointer, problem
    assert re.search(words, problem["error"]), problem


def test_client_sees_the_reason(client):
    with pytest.raises(InferenceServerException, match="row 1, column 2") as caught:
        weights = np.zeros((4, 4))
        weights[1, 2] = np.nan
        client.infer("row_mask", [tensor(weights)], parameters={"n": 2, "m": 4})
    assert caught.value.status() == "422"


@pytest.mark.parametrize("sent, length, words", [
    (60, 64, "60 bytes"), (68, 64, "68 bytes"), (64, 60, "64"), (0, 64, "0 bytes")])
def test_bytes_that_are_not_as_said(server, sent, length, words):
    """Nothing is read past the body, nothing is made up."""
    document = request(input={"parameters": {"binary_data_size": length}})
    del document["inputs"][0]["data"]
    head = json.dumps(document).encode()
    reply = post(
        server, "row_mask", head + b"\0" * sent, {"Inference-Header-Content-Length": str(len(head))})
    assert reply.status_code == 400 and words in reply.json()["error"], reply.text


@pytest.mark.parametrize("length", ["-1", "x", "", "1000000", "99999999999999999999"])
def test_bad_header_length(server, length):
    reply = post(server, "row_mask", request(), {"Inference-Header-Content-Length": length})
    assert reply.status_code == 400, reply.text


def test_statistics_count(client):
    def counts():
        stats = client.get_inference_statistics("column_mask")["model_stats"][0]["inference_stats"]
        return stats["success"]["count"], stats["fail"]["count"]

    succeeded, failed = counts()
    client.infer("column_mask", [tensor(WEIGHTS)], parameters={"n": 1, "m": 4})
    with pytest.raises(InferenceServerException):
        client.infer("column_mask", [tensor(WEIGHTS)], parameters={"n": 1, "m": 5})
    assert counts() == (succeeded + 1, failed + 1)

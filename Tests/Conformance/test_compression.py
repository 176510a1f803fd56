# SPDX-License-Identifier: GPL-3.0-or-later
"""The hardware layout: there and back bit for bit, and PyTorch's own where it is installed."""

import ml_dtypes
import numpy as np
import pytest

from service import expect_problem, npy_bytes, query
from tensors import MEDIA_TYPE as SAFETENSORS
from tensors import TYPES, load, save

ACCEPT = {"Accept": SAFETENSORS}
NUMBERS = [name for name in TYPES if name != "BOOL"]
RANDOM = np.random.default_rng(24)


def sparse(rows, columns, kind, n=2, m=4):
    """At most n non-zeros in each group of m."""
    values = RANDOM.integers(1, 100, (rows, columns // m, m))
    if np.dtype(kind).kind not in "u":
        values *= RANDOM.choice([-1, 1], values.shape)
    order = RANDOM.random(values.shape).argsort(-1).argsort(-1)
    count = RANDOM.integers(0, n + 1, (rows, columns // m, 1))
    return np.where(order < count, values, 0).reshape(rows, columns).astype(kind)


def raw(matrix, dtype, **parameters):
    rows, columns = matrix.shape
    return query({"rows": rows, "columns": columns, "dtype": dtype, **parameters})


def compress(service, matrix, dtype, n=2, m=4):
    reply = service.send(
        "POST", "/v1/compress" + raw(matrix, dtype, n=n, m=m), matrix.tobytes(), ACCEPT)
    assert reply.status == 200, reply.body
    return reply.body


def decompress(service, file):
    reply = service.send("POST", "/v1/decompress", file, {"Content-Type": SAFETENSORS, **ACCEPT})
    assert reply.status == 200, reply.body
    return load(reply.body)["weights"]


def expanded(values, metadata, n, m):
    """What the documented layout means, group by group."""
    rows, groups = values.shape[0], values.shape[1] // n
    dense = np.zeros((rows, groups * m), values.dtype)
    for row in range(rows):
        for group in range(groups):
            bits = int(metadata[row, group // 2]) >> 4 * (group % 2) & 15
            places = [bits & 3, bits >> 2] if m == 4 else [(bits & 3) // 2]
            for slot, place in enumerate(places):
                dense[row, group * m + place] = values[row, group * n + slot]
    return dense


@pytest.mark.parametrize("shape", [(32, 64), (3, 4), (5, 12), (0, 8), (4, 0)])
@pytest.mark.parametrize("dtype", NUMBERS)
def test_there_and_back(service, dtype, shape):
    matrix = sparse(*shape, TYPES[dtype])
    file = compress(service, matrix, dtype)
    tensors = load(file)
    assert tensors["values"].shape == (shape[0], shape[1] // 2)
    assert tensors["metadata"].shape == (shape[0], (shape[1] // 4 + 1) // 2)
    assert expanded(tensors["values"], tensors["metadata"], 2, 4).tobytes() == matrix.tobytes()
    assert decompress(service, file).tobytes() == matrix.tobytes()


def test_one_of_two(service):
    matrix = sparse(16, 32, "<f4", 1, 2)
    file = compress(service, matrix, "F32", 1, 2)
    tensors = load(file)
    assert tensors["values"].shape == (16, 16) and tensors["metadata"].shape == (16, 8)
    nibbles = set((tensors["metadata"] & 15).ravel()) | set((tensors["metadata"] >> 4).ravel())
    assert nibbles == {0b0100, 0b1110}
    assert expanded(tensors["values"], tensors["metadata"], 1, 2).tobytes() == matrix.tobytes()
    assert decompress(service, file).tobytes() == matrix.tobytes()


def test_negative_zeros_keep_their_sign_where_there_is_room(service):
    matrix = np.array([
        [0, 0, 0, 7, 0, 0, 3, 7], [0, 0, 0, 0, -0.0, 0, 1, 0], [-0.0, -0.0, 0, 0, 0, 5, 0, -0.0]],
        "<f4")
    assert decompress(service, compress(service, matrix, "F32")).tobytes() == matrix.tobytes()
    crowded = np.array([[1, -0.0, 2, -0.0]], "<f4")
    reply = service.npy("/v1/compress", crowded, n=2, m=4)
    assert reply.json["dropped_signs"] == 2
    assert reply.json["values"] == [[1, 2]] and reply.json["metadata"] == [[0b1000]]


def test_not_a_number_is_carried(service):
    matrix = np.array([[np.nan, 0, np.inf, 0]], "<f2")
    matrix.view("<u2")[0, 0] |= 5
    assert decompress(service, compress(service, matrix, "F16")).tobytes() == matrix.tobytes()


def test_json_there_and_back(service):
    weights = [[0.5, 0, -2, 0, 0, 0, 0, 1e-3], [0, 0, 0, 0, 0, 3, 4, 0]]
    document = {"weights": weights, "n": 2, "m": 4, "dtype": "BF16"}
    reply = service.json("/v1/compress", document).json
    assert reply["metadata"] == [[0b1110_1000], [0b1001_1110]] and reply["shape"] == [2, 8]
    back = service.json("/v1/decompress", {
        "values": reply["values"], "metadata": reply["metadata"], "n": 2, "m": 4,
        "dtype": "BF16"}).json
    nearest = np.array(weights, ml_dtypes.bfloat16)
    assert (np.array(back["weights"], ml_dtypes.bfloat16) == nearest).all()


def test_file_with_weights_and_npy_back(service):
    matrix = sparse(8, 16, "<f2")
    reply = service.send(
        "POST", "/v1/compress?n=2&m=4", save({"weights": matrix}),
        {"Content-Type": "application/octet-stream", **ACCEPT})
    assert reply.status == 200, reply.body
    back = service.send("POST", "/v1/decompress", reply.body, {"Accept": "application/x-npy"})
    assert back.npy.tobytes() == matrix.tobytes() and back.npy.dtype == "<f2"


def test_mask_then_compress(service, layer):
    """A pruned layer compresses; a dense one is refused at its first bad group."""
    mask = service.npy("/v1/masks", layer, n=2, m=4, structure="row").mask
    pruned = np.where(mask, layer, 0).astype("<f4")
    assert decompress(service, compress(service, pruned, "F32")).tobytes() == pruned.tobytes()
    reply = service.npy("/v1/compress", layer, n=2, m=4)
    expect_problem(reply, 422, "/weights/0/0", "row 0, column 0", "4 entries")


@pytest.mark.parametrize("document, status, pointer", [
    ({"weights": [[0, 0, 1, 2], [1, 2, 3, 0]], "n": 2, "m": 4}, 422, "/weights/1/0"),
    ({"weights": [[1, 0, 2]], "n": 2, "m": 4}, 422, "/weights"),
    ({"weights": [[1, 0, 0, 0]], "n": 1, "m": 4}, 422, "/n"),
    ({"weights": [[1, 0]], "n": 1, "m": 2, "dtype": "F16"}, 422, "/m"),
    ({"weights": [[1, 0, 0, 0]], "n": 2}, 422, "/m"),
    ({"weights": [[1, 0, 0, 0]], "n": 2, "m": 4, "k": 1}, 400, "/k"),
])
def test_compress_refusals(service, document, status, pointer):
    expect_problem(service.json("/v1/compress", document), status, pointer)


@pytest.mark.parametrize("changes, pointer", [
    ({"metadata": [[0b0101]]}, "/metadata/0"), ({"metadata": [[0b0001]]}, "/metadata/0"),
    ({"metadata": [[0b1_0100]]}, "/metadata/0"), ({"metadata": [[4, 4]]}, "/metadata"),
    ({"metadata": [[256]]}, "/metadata/0/0"), ({"values": [[1, 2, 3]]}, "/values"),
    ({"metadata": None}, "/metadata"), ({"n": 1, "m": 2, "dtype": "F32"}, "/metadata/0")])
def test_decompress_refusals(service, changes, pointer):
    document = {"values": [[1, 2]], "metadata": [[4]], "n": 2, "m": 4} | changes
    document = {name: value for name, value in document.items() if value is not None}
    expect_problem(service.json("/v1/decompress", document), 422, pointer)


def test_replies_that_cannot_be_made(service):
    for path in ("/v1/compress", "/v1/decompress"):
        expect_problem(service.send("POST", path, b"{}", {"Accept": "image/png"}), 406)
    document = {"values": [[1, 2]], "metadata": [[4]], "n": 2, "m": 4, "dtype": "BF16"}
    reply = service.json("/v1/decompress", document, {"Accept": "application/x-npy"})
    expect_problem(reply, 406, None, "BF16")


def test_decompress_takes_no_single_array(service):
    reply = service.send("POST", "/v1/decompress?n=2&m=4", npy_bytes(np.zeros((4, 4))))
    expect_problem(reply, 415)


@pytest.mark.parametrize("dtype", ["F16", "BF16", "I8", "F32"])
def test_pytorch_makes_the_same(service, dtype):
    torch = pytest.importorskip("torch")
    from torch.sparse import _semi_structured_conversions as conversions
    n, m = (1, 2) if dtype == "F32" else (2, 4)
    matrix = sparse(64, 128, TYPES[dtype], n, m)
    tensor = (torch.from_numpy(matrix.view("<i2")).view(torch.bfloat16) if dtype == "BF16"
              else torch.from_numpy(matrix))
    values, reordered = conversions.sparse_semi_structured_from_dense_cutlass(tensor)
    rows, words = reordered.shape
    offsets = conversions._calculate_meta_reordering_scatter_offsets(
        rows, words, reordered.dtype, tensor.device)
    metadata = reordered.view(-1)[offsets].view(rows, words).numpy()
    ours = load(compress(service, matrix, dtype, n, m))
    theirs = values.view(torch.int16).numpy() if dtype == "BF16" else values.numpy()
    assert ours["values"].tobytes() == theirs.tobytes()
    assert ours["metadata"].tobytes() == metadata.tobytes()

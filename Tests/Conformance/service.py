# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that holds each reply against the description."""

import base64
import io
import json
from urllib.parse import urlsplit

import numpy as np
import requests

from description import strict_json

NPY = "application/x-npy"
OCTETS = "application/octet-stream"


class Reply:
    """A reply, whole."""

    def __init__(self, status, fields, body):
        self.status = status
        self.fields = fields
        self.body = body

    @property
    def json(self):
        return strict_json(self.body)

    @property
    def npy(self):
        return np.load(io.BytesIO(self.body), allow_pickle=False)

    @property
    def mask(self):
        """The mask of a JSON reply, as booleans."""
        return mask_of(self.json)


class Service:
    """The service at a server, by way of `requests`."""

    def __init__(self, server, description):
        self.server = server
        self.description = description
        self._session = requests.Session()
        self._session.trust_env = False

    def send(self, method, target, body=None, headers=None, timeout=60):
        """One exchange; a body may also be an iterator, which is sent in chunks."""
        headers = {"Accept": None, "Accept-Encoding": None, **(headers or {})}
        answer = self._session.request(
            method, self.server.url + target, data=body, headers=headers, timeout=timeout)
        fields = {name.lower(): value for name, value in answer.headers.items()}
        reply = Reply(answer.status_code, fields, answer.content)
        parts = urlsplit(target)
        is_json = (isinstance(body, bytes) and body.lstrip()[:1] == b"{"
                   and "Inference-Header-Content-Length" not in headers)
        self.description.check(
            method, parts.path, parts.query, body if is_json else None,
            reply.status, fields, reply.body)
        if reply.status >= 400 and method != "HEAD":
            check_problem(reply, parts.path)
        return reply

    def get(self, target, **headers):
        return self.send("GET", target, headers=headers)

    def json(self, path, document, headers=None):
        """Posts a document, or JSON text as it is."""
        text = document if isinstance(document, str) else json.dumps(document)
        return self.send("POST", path, text.encode(), headers)

    def mask(self, weights, n, m, headers=None, **parameters):
        """Asks for a mask by JSON."""
        weights = weights.tolist() if isinstance(weights, np.ndarray) else weights
        document = {"weights": weights, "n": n, "m": m, **parameters}
        return self.json("/v1/masks", document, headers)

    def npy(self, path, matrix, headers=None, **parameters):
        """Posts a matrix as .npy."""
        return self.send("POST", path + query(parameters), npy_bytes(matrix), headers)


def query(parameters):
    pairs = "&".join(f"{name}={value}" for name, value in parameters.items())
    return f"?{pairs}" if pairs else ""


def npy_bytes(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def mask_of(document):
    """The mask that a JSON reply holds in either encoding."""
    mask, shape = document["mask"], document["shape"]
    if isinstance(mask, list):
        return np.array(mask, dtype=bool).reshape(shape)
    assert mask["encoding"] == "bits-le-base64"
    data = np.frombuffer(base64.b64decode(mask["data"], validate=True), np.uint8)
    return unpack(data, shape)


def unpack(data, shape):
    """The mask of packed bits, which are followed by nothing but zeros up to a whole byte."""
    count = shape[0] * shape[1]
    data = np.frombuffer(data, np.uint8)
    assert len(data) == (count + 7) // 8
    bits = np.unpackbits(data, bitorder="little")
    assert not bits[count:].any()
    return bits[:count].reshape(shape).astype(bool)


def check_problem(reply, path=None):
    """Checks the members of a problem document that belong together."""
    assert reply.fields["content-type"] == "application/problem+json"
    problem = reply.json
    assert problem["status"] == reply.status
    assert problem["error"] == problem["detail"] != ""
    if path is not None:
        assert problem["instance"] == f"{path}#{reply.fields['x-request-id']}"
    return problem


def expect_problem(reply, status, pointer=None, *words):
    """Checks that a reply refuses, where it points to, and what its sentence names."""
    assert reply.status == status, reply.body
    problem = check_problem(reply)
    if pointer is not None:
        assert problem.get("pointer") == pointer, problem
    for word in words:
        assert str(word) in problem["detail"], problem
    return problem

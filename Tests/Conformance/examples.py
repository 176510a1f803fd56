# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of openapi.yaml as exchanges."""

import base64
import json
from dataclasses import dataclass, field


@dataclass
class Example:
    """A request, and the reply that the document says it gets."""

    path: str
    method: str
    key: str
    status: int
    media_type: str
    body: bytes | None
    query: str = ""
    headers: dict = field(default_factory=dict)
    reply: object = None
    reply_headers: dict = field(default_factory=dict)

    @property
    def target(self):
        return self.path + (f"?{self.query}" if self.query else "")

    def send(self, service):
        return service.send(self.method.upper(), self.target, self.body, self.headers)

    def __str__(self):
        return f"{self.method} {self.path} {self.key}"


def is_json(media_type):
    return media_type.endswith("json")


def is_text(media_type):
    return media_type.startswith("text/")


def _bodies(operation):
    """The examples of a request body as (Content-Type, bytes), by key."""
    bodies = {}
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        for key, example in content.get("examples", {}).items():
            value = example["value"]
            body = (json.dumps(value).encode() if is_json(media_type)
                    else base64.b64decode(value, validate=True))
            assert key not in bodies, f"the example {key} is there twice"
            bodies[key] = media_type, body
    return bodies


def examples(description):
    """All pairs of the document; a request without a reply, or the reverse, is a mistake."""
    found = []
    for path, method, operation in description.operations():
        bodies = _bodies(operation)
        replies = {}
        for status, response in operation["responses"].items():
            response, _ = description.resolve(response, "")
            for media_type, content in response.get("content", {}).items():
                for key, example in content.get("examples", {}).items():
                    assert key not in replies, f"{method} {path} has two replies {key}"
                    replies[key] = example
                    content_type, body = bodies.get(key, (None, None))
                    given = example["x-request"]
                    headers = {"Content-Type": content_type} if content_type else {}
                    found.append(Example(
                        path, method, key, int(status), media_type, body,
                        given.get("query", ""), headers | given.get("headers", {}),
                        example["value"], example.get("x-headers", {})))
        if "requestBody" in operation:
            assert bodies.keys() == replies.keys(), bodies.keys() ^ replies.keys()
    return found

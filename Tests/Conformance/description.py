# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds every exchange of the tests against openapi.yaml."""

import json
import re
from urllib.parse import parse_qsl, quote

import jsonschema
import yaml
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from server import REPOSITORY

METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
# Validating a body takes some microseconds for each of its numbers.
LARGEST_CHECKED_BODY = 100_000


def strict_json(body):
    """Parses JSON as RFC 8259 has it: no NaN, no repeated names."""
    def refuse(word):
        raise ValueError(f"{word} is not JSON")

    def unique(pairs):
        names = [name for name, _ in pairs]
        if len(set(names)) < len(names):
            raise ValueError(f"repeated names in {names}")
        return dict(pairs)

    text = body.decode("utf-8") if isinstance(body, bytes) else body
    return json.loads(text, parse_constant=refuse, object_pairs_hook=unique)


class Description:
    """openapi.yaml, and which of its operations and statuses have been seen."""

    def __init__(self, path=REPOSITORY / "openapi.yaml"):
        self.text = path.read_bytes()
        self.document = yaml.safe_load(self.text)
        resource = Resource.from_contents(self.document, default_specification=DRAFT202012)
        self._registry = Registry().with_resource("urn:nmmask", resource)
        self.seen = set()

    def operations(self):
        """All (path, method, operation), the path with its parameters' examples in it."""
        for path, item in self.document["paths"].items():
            for method in sorted(METHODS & item.keys()):
                yield self._concrete(path), method, item[method]

    def _concrete(self, path):
        for parameter in self.document["components"]["parameters"].values():
            if parameter["in"] == "path":
                path = path.replace(f"{{{parameter['name']}}}", parameter["example"])
        return path

    def template(self, path):
        """The path of the document that a request's path falls under, or the path itself."""
        if path in self.document["paths"]:
            return path
        for template in self.document["paths"]:
            if re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template)), path):
                return template
        return path

    def resolve(self, node, pointer):
        """A node and where it is, after following its `$ref`."""
        while "$ref" in node:
            pointer = node["$ref"].removeprefix("#")
            node = self.document
            for part in pointer.strip("/").split("/"):
                node = node[part.replace("~1", "/").replace("~0", "~")]
        return node, pointer

    def validate(self, value, pointer):
        """Checks a value against the schema at a JSON pointer of the document."""
        validator = jsonschema.Draft202012Validator(
            {"$ref": f"urn:nmmask#{quote(pointer)}"}, registry=self._registry)
        error = jsonschema.exceptions.best_match(validator.iter_errors(value))
        assert error is None, f"{pointer} does not describe this: {error.message} at {error.json_path}"

    def check(self, method, path, query, sent, status, fields, body):
        """Checks that an exchange is one that the document describes.

        `fields` are the reply's, with names in lower case; `sent` is the request's body if it was
        JSON, and may be None.
        """
        path = self.template(path)
        item = self.document["paths"].get(path)
        verb = "get" if method == "HEAD" else method.lower()
        if item is None or verb not in item:
            self._check_undescribed(method, item, status, fields, body)
            return
        operation = item[verb]
        self.seen.add((path, verb, status))
        base = f"/paths/{path.replace('~', '~0').replace('/', '~1')}/{verb}"
        assert str(status) in operation["responses"], (
            f"{method} {path} answered {status}, which openapi.yaml does not have: {body[:500]}")
        response, pointer = self.resolve(
            operation["responses"][str(status)], f"{base}/responses/{status}")
        self._check_fields(response, pointer, fields)
        if method != "HEAD":
            self._check_content(response, pointer, fields, body)
        if status == 200:
            self._check_request(operation, base, query, sent)

    def _check_undescribed(self, method, item, status, fields, body):
        if item is None:
            assert status in (400, 404, 431), f"{status} for a path that is not described: {body}"
        elif method == "OPTIONS":
            assert status == 204
        else:
            assert status == 405, f"{status} for a method that is not described: {body}"
        if item is not None:
            described = {name.upper() for name in METHODS & item.keys()} | {"OPTIONS"}
            described |= {"HEAD"} if "get" in item else set()
            assert {word.strip() for word in fields["allow"].split(",")} == described
        if status != 204:
            self.validate(strict_json(body), "/components/schemas/Problem")

    def _check_fields(self, response, pointer, fields):
        for name, header in response.get("headers", {}).items():
            header, place = self.resolve(header, f"{pointer}/headers/{name}")
            if name.lower() not in fields:
                assert not header.get("required"), f"{name} is missing"
            elif "content" in header:
                value = strict_json(fields[name.lower()])
                self.validate(value, f"{place}/content/application~1json/schema")
            else:
                self.validate(fields[name.lower()], f"{place}/schema")

    def _check_content(self, response, pointer, fields, body):
        if "content" not in response:
            assert body == b""
            return
        media_type = fields["content-type"].split(";")[0]
        assert media_type in response["content"], f"{media_type} is not described"
        if media_type.endswith("json") and len(body) <= LARGEST_CHECKED_BODY:
            place = media_type.replace("~", "~0").replace("/", "~1")
            self.validate(strict_json(body), f"{pointer}/content/{place}/schema")

    def _check_request(self, operation, base, query, sent):
        """What was answered with 200 must be described as a request, too."""
        names = set()
        for index, parameter in enumerate(operation.get("parameters", [])):
            parameter, place = self.resolve(parameter, f"{base}/parameters/{index}")
            names.add(parameter["name"])
            values = dict(parse_qsl(query))
            if parameter["in"] == "query" and parameter["name"] in values:
                value = values[parameter["name"]]
                if "content" in parameter:
                    place, kind = f"{place}/content/application~1json", "object"
                else:
                    kind = self.resolve(parameter["schema"], "")[0].get("type")
                if kind in ("integer", "number", "boolean", "object"):
                    value = strict_json(value)
                self.validate(value, f"{place}/schema")
            elif parameter["in"] == "query":
                assert not parameter.get("required"), f"{parameter['name']} is not required"
        undescribed = dict(parse_qsl(query)).keys() - names
        assert not undescribed, f"the query parameters {undescribed} are not described"
        if sent is not None and len(sent) <= LARGEST_CHECKED_BODY:
            self.validate(
                strict_json(sent), f"{base}/requestBody/content/application~1json/schema")

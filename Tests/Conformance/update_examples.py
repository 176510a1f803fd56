# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the replies of all examples in openapi.yaml anew: python Tests/Conformance/update_examples.py"""

import base64
import json
import re

import yaml

from description import Description, strict_json
from examples import examples, is_json, is_text
from server import REPOSITORY, Server
from service import Service

FILE = REPOSITORY / "openapi.yaml"
SUMMARIES = ("mask-summary", "gradient-summary")


def flow(value):
    """JSON that YAML 1.1 reads as the same: it wants a point in numbers with an exponent."""
    text = json.dumps(value, ensure_ascii=False)
    return re.sub(r"(?<=[\[ :,])(-?\d+)e([+-]?\d+)", r"\1.0e\2", text)


def lines_of(example, reply, indent):
    """The lines that tell a reply."""
    pad = " " * indent
    lines = []
    for name in SUMMARIES:
        if name in reply.fields:
            title = name.title()
            lines += [f"{pad}x-headers:\n", f"{pad}  {title}: {flow(reply.fields[name])}\n"]
    if is_json(example.media_type):
        value = strict_json(reply.body)
        if isinstance(value, list):
            return [*lines, f"{pad}value: {flow(value)}\n"]
        lines.append(f"{pad}value:\n")
        lines += [f"{pad}  {name}: {flow(v)}\n" for name, v in value.items()]
    elif is_text(example.media_type):
        lines.append(f"{pad}value: |\n")
        lines += [f"{pad}  {line}".rstrip() + "\n" for line in reply.body.decode().splitlines()]
    else:
        lines.append(f"{pad}value: {base64.b64encode(reply.body).decode()}\n")
    return lines


def main():
    server = Server()
    try:
        description = Description()
        service = Service(server, description)
        replies = iter([(example, example.send(service)) for example in examples(description)])
    finally:
        server.stop()
    output = []
    lines = FILE.read_text().splitlines(keepends=True)
    index = 0
    while index < len(lines):
        output.append(lines[index])
        index += 1
        found = re.match(r"( +)x-request:", output[-1])
        if not found:
            continue
        indent = len(found[1])
        while index < len(lines) and (not lines[index].strip() or re.match(
                rf" {{{indent}}}(value|x-headers):| {{{indent + 1},}}", lines[index])):
            index += 1
        example, reply = next(replies)
        assert reply.status == example.status, (str(example), reply.body)
        output += lines_of(example, reply, indent)
        if index < len(lines) and re.match(r" {0,2}\S", lines[index]):
            output.append("\n")
    assert next(replies, None) is None
    text = "".join(output)
    yaml.safe_load(text)
    FILE.write_text(text)


if __name__ == "__main__":
    main()

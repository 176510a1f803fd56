# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes the commands out of a Markdown file."""

import re
from dataclasses import dataclass


@dataclass
class Block:
    """A fenced block, and the JSON block that follows it with nothing but blank lines between."""

    line: int
    language: str
    text: str
    output: str | None = None

    def __str__(self):
        return f"line {self.line}: {self.text.splitlines()[0][:60]}"


def blocks(markdown):
    found = []
    end = 0
    for match in re.finditer(r"^```(\w*)\n(.*?)^```$", markdown, re.DOTALL | re.MULTILINE):
        block = Block(markdown.count("\n", 0, match.start()) + 1, match[1], match[2])
        follows = found and not markdown[end:match.start()].strip()
        if block.language == "json" and follows:
            found[-1].output = block.text
        else:
            found.append(block)
        end = match.end()
    return found


def logical_lines(text):
    """The commands of a block: lines joined at a backslash, comments left out."""
    joined = re.sub(r"\\\n\s*", " ", text)
    return [line.strip() for line in joined.splitlines()
            if line.strip() and not line.lstrip().startswith("#")]

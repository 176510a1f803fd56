# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of the service that tests have found and that are not mended yet.

Each mark is strict: once the fault is mended the tests under it fail, until the mark is removed.
"""

import pytest

HOLLOW_MATRIX = pytest.mark.xfail(
    strict=True,
    reason="A matrix without entries whose other side is huge ends the process by an overflow "
    "(near 2^63), or takes time and memory without bound (10^12 rows of no columns).")

BODY_LIMIT_FIRST = pytest.mark.xfail(
    strict=True,
    reason="An announced length above the limit is looked at after Accept and the query: 406 or "
    "400 instead of 413.")

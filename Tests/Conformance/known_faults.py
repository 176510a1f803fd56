# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of the service that tests have found and that are not mended yet.

Each mark is strict: once the fault is mended the tests under it fail, until the mark is removed.
"""

import pytest

CUT_BODY = pytest.mark.xfail(
    strict=True,
    reason="A binary body for /v1/masks that ends inside a band, or whose client goes there, ends "
    "the process: MaskJob destroys its semaphore below the semaphore's first value (SIGILL).")

# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user would write instead: FastAPI with numpy, doing less than the service does."""

import numpy as np
import orjson
from fastapi import FastAPI, Request, Response

app = FastAPI()


@app.post("/parse")
async def parse(request: Request):
    """Only reads a JSON matrix into an array, by the fastest parser there is for Python."""
    document = orjson.loads(await request.body())
    weights = np.array(document["weights"], dtype=np.float32)
    return {"shape": weights.shape}


@app.post("/top2of4")
async def top_two_of_four(request: Request, rows: int, columns: int):
    """Plain 2:4 along rows, which is easier than a transposable mask."""
    weights = np.abs(np.frombuffer(await request.body(), dtype=np.float32))
    groups = weights.reshape(rows * columns // 4, 4)
    order = np.argpartition(groups, 2, axis=1)
    mask = np.zeros(groups.shape, dtype=bool)
    np.put_along_axis(mask, order[:, 2:], True, axis=1)
    return Response(
        np.packbits(mask.ravel(), bitorder="little").tobytes(),
        media_type="application/octet-stream")

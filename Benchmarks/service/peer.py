# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user would write instead: FastAPI with numpy."""

import itertools

import numpy as np
import orjson
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel

app = FastAPI()


class Weights(BaseModel):
    n: int
    m: int
    mask_encoding: str
    weights: list[list[float]]


@app.post("/parse")
async def parse(body: Weights):
    """Only reads a JSON matrix into an array, as FastAPI's own pages would have it."""
    return {"shape": np.array(body.weights, dtype=np.float32).shape}


@app.post("/parse-orjson")
async def parse_with_orjson(request: Request):
    """The same without a model and by the fastest parser there is for Python."""
    document = orjson.loads(await request.body())
    return {"shape": np.array(document["weights"], dtype=np.float32).shape}


def patterns():
    """All 90 masks of a 4 x 4 tile with two of four in each row and column."""
    rows = [row for row in itertools.product([0, 1], repeat=4) if sum(row) == 2]
    return np.array(
        [tile for tile in itertools.product(rows, repeat=4)
         if (np.sum(tile, axis=0) == 2).all()], dtype=np.float32).reshape(90, 16)


PATTERNS = patterns()
CHOICES = PATTERNS.astype(bool)


@app.post("/masks")
async def masks(request: Request, rows: int, columns: int):
    """The best transposable 2:4 mask, by trying every mask of a tile."""
    weights = np.abs(np.frombuffer(await request.body(), dtype=np.float32))
    tiles = weights.reshape(rows // 4, 4, columns // 4, 4).transpose(0, 2, 1, 3).reshape(-1, 16)
    best = CHOICES[np.argmax(tiles @ PATTERNS.T, axis=1)]
    mask = best.reshape(rows // 4, columns // 4, 4, 4).transpose(0, 2, 1, 3)
    return Response(
        np.packbits(mask.ravel(), bitorder="little").tobytes(),
        media_type="application/octet-stream")

# SPDX-License-Identifier: GPL-3.0-or-later
"""Matrices as batches of tiles, for PyTorch and numpy alike."""


def split(matrix, m):
    """A rows x columns matrix as (tiles, m, m), a copy unless a tile is the matrix."""
    rows, columns = matrix.shape
    return matrix.reshape(rows // m, m, columns // m, m).swapaxes(1, 2).reshape(-1, m, m)


def join(tiles, rows, columns):
    m = tiles.shape[-1]
    return tiles.reshape(rows // m, columns // m, m, m).swapaxes(1, 2).reshape(rows, columns)

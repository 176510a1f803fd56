# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain N:M masks along rows, as PyTorch and numpy code finds them."""

import numpy
import torch


def torch_top_n(weights, n, m):
    groups = torch.from_numpy(weights).abs().view(-1, m)
    kept = groups.topk(n, dim=1, sorted=False).indices
    mask = torch.zeros(groups.shape, dtype=torch.bool).scatter_(1, kept, True)
    return mask.view(weights.shape).numpy()


def numpy_top_n(weights, n, m):
    groups = numpy.abs(weights).reshape(-1, m)
    kept = numpy.argpartition(groups, m - n, axis=1)[:, m - n:]
    mask = numpy.zeros(groups.shape, dtype=bool)
    numpy.put_along_axis(mask, kept, True, axis=1)
    return mask.reshape(weights.shape)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Minimum-variance unbiased sparse gradients along rows, in eager PyTorch.

Entry i of a group is kept with probability p_i = min(1, c|g_i|), the p_i summing to n, and is then
worth g_i / p_i; systematic sampling keeps exactly n of them.
"""

import torch


def minimum_variance_1_2(gradients):
    """One of each two: entry i with probability |g_i| / (|g_1| + |g_2|), worth the sum then."""
    pairs = gradients.view(-1, 2)
    one, other = pairs[:, 0], pairs[:, 1]
    magnitude = one.abs()
    total = magnitude + other.abs()
    keeps_one = torch.rand(len(pairs)).mul_(total) < magnitude
    values, zero = torch.empty_like(pairs), torch.zeros(())
    values[:, 0] = torch.where(keeps_one, torch.copysign(total, one), zero)
    values[:, 1] = torch.where(keeps_one, zero, torch.copysign(total, other))
    return values.view(gradients.shape)


def minimum_variance_2_4(gradients):
    """Two of each four."""
    groups = gradients.view(-1, 4)
    probabilities = inclusion_probabilities_2_4(groups.abs())
    # Entry i is kept if one of the needles u and u + 1, 0 < u <= 1, falls on its part of the line.
    ends = probabilities.cumsum(1)
    ends[:, 3].round_()
    passed = (ends + (torch.rand(len(groups), 1) - 1)).floor_()
    kept = torch.empty(groups.shape, dtype=torch.bool)
    torch.gt(passed[:, 0], -1, out=kept[:, 0])
    torch.gt(passed[:, 1:], passed[:, :3], out=kept[:, 1:])
    return torch.where(kept, groups / probabilities, 0).view(gradients.shape)


def inclusion_probabilities_2_4(magnitudes):
    """One entry at most has its probability cut off at 1: the largest, if it exceeds the others' sum."""
    total = magnitudes.sum(1, keepdim=True)
    rest = total - magnitudes.amax(1, keepdim=True)
    scale = torch.maximum(2 / total, 1 / rest).where(total < 2 * (total - rest), 2 / total)
    # Zeros among nothing else make 0 * inf.
    return (magnitudes * scale).clamp_(max=1).nan_to_num_(0)


def measured_variance(gradients, m, estimate, draws):
    """Over many draws: the estimator's variance and the square of its bias, both relative to |g|^2 and
    free of one another, and the share of groups that keep `m / 2`."""
    total, squares, full = torch.zeros_like(gradients, dtype=torch.float64), 0.0, 0
    for _ in range(draws):
        values = estimate(gradients).double()
        total += values
        squares += (values - gradients).square().sum().item()
        full += (values.view(-1, m) != 0).sum(1).eq(m // 2).double().mean().item()
    size = gradients.double().square().sum().item()
    error = (total / draws - gradients).square().sum().item()
    variance = (squares - draws * error) / (draws - 1)
    return variance / size, (error - variance / draws) / size, full / draws


def least_variance(gradients, m):
    """The closed form, for n = m / 2 <= 2 and no zeros: relative to |g|^2."""
    groups = gradients.double().abs().view(-1, m)
    if m == 2:
        probabilities = groups / groups.sum(1, keepdim=True)
    else:
        probabilities = inclusion_probabilities_2_4(groups)
    variance = groups.square() * (1 / probabilities - 1)
    return (variance.sum() / groups.square().sum()).item()

"""Masking of padded time steps, shared by the temporal heads."""

from __future__ import annotations

from torch import Tensor


def without_padding(sequence: Tensor, mask: Tensor | None) -> Tensor:
    """Zero the sequence (B, T', D) where `mask` (B, T') is False; padding may hold any value, even NaN."""
    return sequence if mask is None else sequence.masked_fill(~mask[..., None], 0)


def masked_mean(sequence: Tensor, mask: Tensor | None) -> Tensor:
    """Average a sequence (B, T', D) over its real time steps to (B, D)."""
    if mask is None:
        return sequence.mean(1)
    return without_padding(sequence, mask).sum(1) / mask.sum(1, keepdim=True)

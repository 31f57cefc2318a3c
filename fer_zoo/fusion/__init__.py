"""Landmark fusions: how facial landmarks enter the network. Importing this package registers them."""

from fer_zoo.fusion import lm, lm_add, lm_attn, lm_gate, lm_in, lm_traj, none

__all__ = ["lm", "lm_add", "lm_attn", "lm_gate", "lm_in", "lm_traj", "none"]

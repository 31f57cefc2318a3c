"""Landmark fusions: how facial landmarks enter the network. Importing this package registers them."""

from fer_zoo.fusion import lm_attn, lm_in, lm_traj, none, residual  # noqa: F401  (importing registers them)

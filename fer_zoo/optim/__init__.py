"""Optimizers, learning-rate schedules and losses, as registered components; importing this registers them."""

from fer_zoo.optim import losses, optimizers, schedules

__all__ = ["losses", "optimizers", "schedules"]

"""Training and judging: recipe in, weights folder with figures out."""

from fer_zoo.training.evaluate import evaluate_clips
from fer_zoo.training.loop import TrainResult, train
from fer_zoo.training.run import begun

__all__ = ["TrainResult", "begun", "evaluate_clips", "train"]

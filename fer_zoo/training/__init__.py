"""Training and evaluation of a network: a recipe goes in, a weights folder with metrics comes out."""

from fer_zoo.training.evaluate import evaluate_clips
from fer_zoo.training.run_folder import begun
from fer_zoo.training.trainer import TrainResult, train

__all__ = ["TrainResult", "begun", "evaluate_clips", "train"]

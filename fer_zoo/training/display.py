"""What a training shows while it runs: a progress bar, and curves for TensorBoard."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from rich import get_console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from fer_zoo.errors import MissingExtraError
from fer_zoo.specs import Recipe
from fer_zoo.training.checkpoint import TrainingState

# Columns of a terminal that also fit the network's name, a bar and the elapsed time.
_WIDE = 130
# Steps between two points of the training curves.
_CURVE_STEPS = 10


class Display:
    """Progress bar (steps, smoothed loss, steps and clips per second, best UAR, time left), and optional curves.

    One line per epoch stays. Silent if `main` is false.

    Raises:
        MissingExtraError: curves are requested, and tensorboard is not installed.
    """

    def __init__(self, recipe: Recipe, progress: TrainingState, total: int, *, main: bool, curves: Path | None) -> None:
        pace = [MofNCompleteColumn(), TextColumn("{task.fields[pace]}UAR {task.fields[uar]}")]
        left = [TextColumn("left"), TimeRemainingColumn()]
        columns = [TextColumn("{task.description}"), BarColumn(), *pace, TimeElapsedColumn(), *left]
        if get_console().width < _WIDE:
            columns = [*pace, *left]
        self._bar = Progress(*columns, disable=not main)
        self._task = self._bar.add_task(
            recipe.model.name, total=total, completed=progress.step, pace="", uar=_best(progress)
        )
        self._epochs, self._batch = recipe.train.epochs, recipe.train.batch_size
        self._loss = self._seconds = 0.0
        self._curves = None
        if curves is not None and main:
            check_tensorboard()
            from torch.utils.tensorboard import SummaryWriter

            # Points after the checkpoint that is resumed are drawn again.
            self._curves = SummaryWriter(curves, purge_step=progress.step + 1)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        if self._curves is not None:
            self._curves.close()

    def step(self, step: int, loss: float, rate: float, seconds: float) -> None:
        """Show one more step of the optimizer, at learning rate `rate`."""
        self._loss = 0.95 * self._loss + 0.05 * loss if self._loss else loss
        self._seconds = 0.95 * self._seconds + 0.05 * seconds if self._seconds else max(seconds, 1e-9)
        clips = self._batch / self._seconds
        pace = f"loss {self._loss:.3f}  {1 / self._seconds:.2f} it/s  {clips:.1f} clips/s  "
        self._bar.update(self._task, advance=1, pace=pace)
        if step % _CURVE_STEPS == 0:
            self._draw(step, {"train/loss": self._loss, "train/lr": rate, "train/clips_per_second": clips})

    def epoch(self, progress: TrainingState) -> None:
        """Print the metrics of the epoch just finished."""
        row = progress.history[-1]
        best = "  best" if progress.best_epoch == row["epoch"] else ""
        self._bar.update(self._task, uar=_best(progress))
        self._draw(progress.step, {f"validation/{name}": row[f"validation_{name}"] for name in ("war", "uar")})
        if self._bar.disable:
            return
        self._bar.console.print(
            f"epoch {row['epoch']:.0f}/{self._epochs}  loss {row['loss']:.3f}  "
            f"validation UAR {row['validation_uar']:.1%} WAR {row['validation_war']:.1%}  "
            f"{row['seconds'] / 60:.1f} min{best}",
            highlight=False,
        )

    def _draw(self, step: int, values: dict[str, float]) -> None:
        if self._curves is not None:
            for name, value in values.items():
                self._curves.add_scalar(name, value, step)


def check_tensorboard() -> None:
    """Raise MissingExtraError if tensorboard is not installed."""
    try:
        import tensorboard  # noqa: F401
    except ImportError as error:
        raise MissingExtraError.for_extra("tensorboard", "tensorboard") from error


def _best(progress: TrainingState) -> str:
    return f"{100 * progress.best_uar:.1f}" if progress.best_epoch else "-"

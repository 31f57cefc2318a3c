"""What a training shows while it runs: a progress bar, a line per epoch, and metrics for trackers."""

from __future__ import annotations

from rich import get_console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from fer_zoo.notebooks import can_show_bars
from fer_zoo.specs import Recipe
from fer_zoo.training.checkpoint import TrainingState
from fer_zoo.training.trackers import Log

# Columns of a terminal that also fit the network's name, a bar and the elapsed time.
_WIDE = 130
# Steps between two points of the logged training loss.
_LOG_STEPS = 10


class Display(Progress):
    """Progress bar (steps, smoothed loss, steps and clips per second, best UAR, time left), and metrics for `log`.

    One line per epoch stays. Silent if `main` is false.
    """

    def __init__(
        self, recipe: Recipe, progress: TrainingState, total: int, *, main: bool, log: Log | None = None
    ) -> None:
        pace = [MofNCompleteColumn(), TextColumn("{task.fields[pace]}UAR {task.fields[uar]}")]
        left = [TextColumn("left"), TimeRemainingColumn()]
        columns = [TextColumn("{task.description}"), BarColumn(), *pace, TimeElapsedColumn(), *left]
        if get_console().width < _WIDE:
            columns = [*pace, *left]
        super().__init__(*columns, disable=not (main and can_show_bars()))
        self._main = main
        self._task = self.add_task(
            recipe.model.name, total=total, completed=progress.step, pace="", uar=_best(progress)
        )
        self._epochs, self._batch = recipe.train.epochs, recipe.train.batch_size
        self._loss = self._seconds = 0.0
        self._log = log or (lambda values, step: None)

    def step(self, step: int, loss: float, rate: float, seconds: float) -> None:
        """Show one more step of the optimizer, at learning rate `rate`."""
        self._loss = 0.95 * self._loss + 0.05 * loss if self._loss else loss
        self._seconds = 0.95 * self._seconds + 0.05 * seconds if self._seconds else max(seconds, 1e-9)
        clips = self._batch / self._seconds
        pace = f"loss {self._loss:.3f}  {1 / self._seconds:.2f} it/s  {clips:.1f} clips/s  "
        self.update(self._task, advance=1, pace=pace)
        if step % _LOG_STEPS == 0:
            self._log({"train/loss": self._loss, "train/lr": rate, "train/clips_per_second": clips}, step)

    def epoch(self, progress: TrainingState) -> None:
        """Print the metrics of the epoch just finished."""
        row = progress.history[-1]
        best = "  best" if progress.best_epoch == row["epoch"] else ""
        self.update(self._task, uar=_best(progress))
        logged = {f"validation/{name}": row[f"validation_{name}"] for name in ("war", "uar")}
        self._log(
            {"epoch": row["epoch"], "train/epoch_loss": row["loss"], "train/lr": row["lr"], **logged}, progress.step
        )
        self.note(
            f"epoch {row['epoch']:.0f}/{self._epochs}  loss {row['loss']:.3f}  "
            f"validation UAR {row['validation_uar']:.1%} WAR {row['validation_war']:.1%}  "
            f"{row['seconds'] / 60:.1f} min{best}"
        )

    def note(self, text: str) -> None:
        """Print a line that stays."""
        if self._main:
            self.console.print(text, highlight=False)


def _best(progress: TrainingState) -> str:
    return f"{100 * progress.best_uar:.1f}" if progress.best_epoch else "-"

"""How a recipe is evaluated at the end, and the published figures to compare with."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fer_zoo.specs.base import Positive, Spec


class ViewsSpec(Spec):
    """Views of a clip in the final evaluation; their probabilities are averaged. Epochs are compared by one view."""

    clips: Positive = 1
    """Clips of other frames of a stored clip, evenly spaced; needs stored clips longer than the network's."""
    flip: Annotated[bool, Field(strict=True)] = False
    """Evaluate each clip flipped horizontally too."""


class Published(Spec):
    """Published figures of the network that a recipe reproduces."""

    war: Annotated[float, Field(gt=1, le=100, strict=True)]
    """Accuracy (weighted average recall) in percent."""
    uar: Annotated[float, Field(gt=1, le=100, strict=True)] | None = None
    """Unweighted average recall in percent, if published."""
    std: Annotated[float, Field(ge=0, strict=True)] | None = None
    """Standard deviation over folds, in percentage points, if published."""
    source: str
    """Paper and table."""

"""The interfaces between components: feature maps in time, and a protocol per kind of component."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Site:
    """A feature map (B, channels, T', H', W') of a backbone, and the input frames of its time steps.

    Step t is centred on input frame `first_frame + t * frame_stride`.
    """

    channels: int
    first_frame: float = 0
    frame_stride: int = 1

    def centres(self, steps: int) -> list[float]:
        """Input frames on which the first `steps` time steps are centred."""
        return [self.first_frame + step * self.frame_stride for step in range(steps)]


FusionSite = Literal["none", "input", "residual", "features", "embedding"]
"""Where a fusion is applied: to the clip, residual shortcuts, features, or the embedding of the temporal head."""

Shortcut = Callable[[str, "Tensor"], "Tensor"]
"""Called by a backbone at each residual site: (site name, shortcut (B, C, T', H', W')) -> changed shortcut."""


class Backbone(Protocol):
    """`(clip (B, C, T, H, W), shortcut hook or None) -> features (B, output.channels, T', H', W')`.

    The composer injects `in_channels` (3, or more for a fusion at the input) and `input`, the InputSpec.
    `residual_sites` are the units whose shortcut a fusion may change; empty if there are none. `stages` name groups of
    parameters from input to output, each by prefixes of their names; together they hold every parameter once. A
    backbone with published weights has a method `load_pretrained()` that fetches and loads them.
    """

    output: Site
    residual_sites: Mapping[str, Site]
    stages: Mapping[str, Sequence[str]]

    def __call__(self, clip: Tensor, shortcut: Shortcut | None = None) -> Tensor:
        """Return features of one batch of clips."""


class Temporal(Protocol):
    """`(sequence (B, T', D), mask (B, T') or None) -> embedding (B, out_features)`; the composer injects in_features.

    Steps where the boolean mask is False are padding at the end and must not change the result; step 0 is always real.
    """

    out_features: int

    def __call__(self, sequence: Tensor, mask: Tensor | None = None) -> Tensor:
        """Summarise each sequence in one vector."""


class Fusion(Protocol):
    """Brings landmarks (B, T, 68, 2), in clip pixels, NaN where there is no face, into the network at one site.

    | site, stated when it is registered | injected | call | declares |
    |---|---|---|---|
    | none | | is never called | |
    | input | | (clip (B, 3, T, H, W), landmarks, clip_size) -> clip with more channels | `extra_channels` |
    | residual | `sites` | (shortcut (B, C, T', H', W'), landmarks, clip_size, site name) -> shortcut | |
    | features | `features: Site` | (features (B, D, T', H', W'), landmarks, clip_size) -> features | `out_channels` |
    | embedding | `in_features` | (embedding (B, E), landmarks, clip_size) -> embedding | `out_features` |

    `clip_size` is (height, width) in pixels.
    """

    def __call__(self, x: Tensor, landmarks: Tensor, clip_size: tuple[int, int], site: str = "") -> Tensor:
        """Return x changed by the landmarks."""

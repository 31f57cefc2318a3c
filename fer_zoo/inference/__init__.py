"""From video to expression timeline."""

from fer_zoo.inference.predict import predict_video
from fer_zoo.inference.timeline import Row, Span, Timeline

__all__ = ["Row", "Span", "Timeline", "predict_video"]

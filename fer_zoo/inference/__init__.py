"""From video to expression timeline."""

from fer_zoo.inference.predict import predict_faces, predict_video
from fer_zoo.inference.stream import predict_stream
from fer_zoo.inference.timeline import Row, Span, Summary, Timeline

__all__ = ["Row", "Span", "Summary", "Timeline", "predict_faces", "predict_stream", "predict_video"]

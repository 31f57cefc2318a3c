"""From video to expression timeline."""

from fer_zoo.inference.features import Features, store_features, video_features
from fer_zoo.inference.predict import predict_faces, predict_video
from fer_zoo.inference.stream import predict_stream
from fer_zoo.inference.timeline import Row, Span, Summary, Timeline

__all__ = [
    "Features",
    "Row",
    "Span",
    "Summary",
    "Timeline",
    "predict_faces",
    "predict_stream",
    "predict_video",
    "store_features",
    "video_features",
]

"""The page of `fer-zoo app` as a Hugging Face Space."""

from fer_zoo.app import build_app, launch_app
from fer_zoo.listing import list_weights

launch_app(build_app(list_weights(), max_seconds=60), host="0.0.0.0", port=7860, max_mb=100)

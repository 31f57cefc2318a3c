"""Video in and out: PyAV reading and writing, one face track a video, crops and clips."""

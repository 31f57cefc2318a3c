"""Video in and out: PyAV reading and writing, face tracks, crops and clips."""

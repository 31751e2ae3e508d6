"""What serving measures, for Prometheus. Labels come from our own code: never from a client, never of a person."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

PHOTOS = Counter("inference_photos", "Photos by outcome: analysed, or the code of the refusal.", ["outcome"])
NOT_RUN = Counter("inference_photos_not_run", "Photos the models were spared: full, late or abandoned.", ["reason"])
WAITING = Gauge("inference_photos_waiting", "Photos admitted that no batch has taken yet.", multiprocess_mode="livesum")
BATCH_SIZE = Histogram("inference_batch_size", "Photos in a batch.", buckets=(1, 2, 4, 8, 16, 32, 64, 128))
BATCH_SECONDS = Histogram(
    "inference_batch_seconds",
    "Time the models take for a batch.",
    buckets=(0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12),
)
DECODE_SECONDS = Histogram(
    "inference_decode_seconds",
    "Time to decode a photo.",
    buckets=(0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56),
)

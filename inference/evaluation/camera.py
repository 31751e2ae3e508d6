"""Photos as large as a phone's camera takes them, from smaller ones."""

from __future__ import annotations

from math import sqrt

import cv2
import numpy as np

from inference.contracts import InvalidImage

# Standard deviation, of 255: an enlarged picture without a sensor's noise is far easier to decode than a camera's.
_SENSOR_NOISE = 5
_QUALITY = 92


def as_from_camera(photo: bytes, megapixels: float) -> bytes:
    """The photo as a JPEG of this size, with a sensor's noise. Raises InvalidImage."""
    pixels = cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise InvalidImage("the photo cannot be decoded")
    scale = sqrt(megapixels * 1e6 / (pixels.shape[0] * pixels.shape[1]))
    resized = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    noisy = np.asarray(np.random.default_rng(0).standard_normal(resized.shape, np.float32))
    noisy *= _SENSOR_NOISE
    noisy += resized
    pixels = noisy.clip(0, 255, out=noisy).astype(np.uint8)
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()

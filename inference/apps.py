from django.apps import AppConfig
from django.conf import settings

from inference import client
from inference.contracts import PhotoLimits


class InferenceConfig(AppConfig):
    name = "inference"

    def ready(self) -> None:
        client.configure(
            settings.INFERENCE_BACKEND,
            limits=PhotoLimits(
                max_bytes=settings.MAX_PHOTO_BYTES,
                max_pixels=settings.MAX_PHOTO_PIXELS,
                min_face_pixels=settings.MIN_FACE_PIXELS,
            ),
            threads=settings.INFERENCE_THREADS,
        )

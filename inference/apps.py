from django.apps import AppConfig
from django.conf import settings
from django.utils.module_loading import import_string

from inference import client
from inference.contracts import PhotoLimits


def build_backend() -> client.Backend:
    """The backend that the settings name; imported only now, since it may bring torch with it."""
    limits = PhotoLimits(
        max_bytes=settings.MAX_PHOTO_BYTES,
        max_pixels=settings.MAX_PHOTO_PIXELS,
        min_face_pixels=settings.MIN_FACE_PIXELS,
    )
    backend: client.Backend = import_string(settings.INFERENCE_BACKEND)(
        limits=limits, threads=settings.INFERENCE_THREADS
    )
    return backend


class InferenceConfig(AppConfig):
    name = "inference"

    def ready(self) -> None:
        client.configure(build_backend)

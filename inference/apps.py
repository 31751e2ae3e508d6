from collections.abc import Callable
from functools import partial
from pathlib import Path

from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from inference import client
from inference.bulk import BulkJob, model_files
from inference.contracts import PhotoLimits
from inference.serving.following import FollowingBackend


def build_backend() -> client.Backend:
    """The backend that the settings name; imported only now, since it may bring torch with it."""
    from inference.models import ModelRelease  # noqa: PLC0415 - models are there only once all apps are

    options = client.BackendOptions(
        limits=photo_limits(),
        processes=settings.INFERENCE_PROCESSES,
        threads=settings.INFERENCE_THREADS,
        max_batch=settings.INFERENCE_BATCH,
        max_wait=settings.INFERENCE_WAIT / 1000,
        max_waiting=settings.INFERENCE_QUEUE,
        device=settings.INFERENCE_DEVICE,
        urls=tuple(settings.INFERENCE_URL),
        secret=settings.INFERENCE_SECRET,
    )
    try:
        backend_class = import_string(settings.INFERENCE_BACKEND)
    except ImportError as error:
        raise ImproperlyConfigured(f"INFERENCE_BACKEND: there is no {settings.INFERENCE_BACKEND}") from error
    build = partial(backend_class, options)
    if not backend_class.loads_weights:
        backend: client.Backend = build()
        return backend

    def build_from(weights_dir: Path) -> client.Backend:
        loaded: client.Backend = build(weights_dir=weights_dir)
        return loaded

    return FollowingBackend(
        build=build_from,
        releases=ModelRelease.objects,
        cache=settings.MODEL_CACHE_FOLDER,
        after_poll=connections.close_all,
    )


def bulk_job(read: Callable[[str], bytes]) -> BulkJob:
    """Batch work with the models in use now, under the limits of the settings.

    read: a photo's bytes by its name; raises OSError. Raises what reading released weights raises.
    """
    from inference.models import ModelRelease  # noqa: PLC0415 - models are there only once all apps are

    return BulkJob(
        read=read,
        limits=photo_limits(),
        models=model_files(ModelRelease.objects),
        cores=settings.INFERENCE_PROCESSES * settings.INFERENCE_THREADS,
    )


def photo_limits() -> PhotoLimits:
    return PhotoLimits(
        max_bytes=settings.MAX_PHOTO_BYTES,
        max_pixels=settings.MAX_PHOTO_PIXELS,
        min_face_pixels=settings.MIN_FACE_PIXELS,
    )


class InferenceConfig(AppConfig):
    name = "inference"
    verbose_name = _("Models")

    def ready(self) -> None:
        client.configure(build_backend)

"""Measurements for Prometheus: of requests here, of photos in inference.telemetry.

Several server processes count into files of a folder they share (PROMETHEUS_MULTIPROC_DIR, which gunicorn's
configuration sets); whichever is asked answers for all of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Histogram, Metric, generate_latest
from prometheus_client.core import InfoMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from inference import client

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_REQUEST_SECONDS = Histogram(
    "http_request_seconds",
    "Time to answer a request once it has arrived, by route, method and status.",
    ["route", "method", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


def request_observe(*, route: str | None, method: str | None, status: int, seconds: float) -> None:
    """Count one request. A client may send any path and method, so neither becomes a label as it came."""
    known = method if method in _METHODS else "other"
    _REQUEST_SECONDS.labels("none" if route is None else route, known, status).observe(seconds)


class _Models(Collector):
    """The models that the answering process uses."""

    def collect(self) -> Iterable[Metric]:
        if client.is_ready():
            yield InfoMetricFamily("inference_models", "Versions of the models in use.", asdict(client.versions()))


_models = CollectorRegistry()
_models.register(_Models())


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """All measurements in Prometheus' text format, for who has METRICS_TOKEN; without one, nothing is here."""
    if not settings.METRICS_TOKEN:
        raise Http404
    if not constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {settings.METRICS_TOKEN}"):
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return HttpResponse(generate_latest(registry) + generate_latest(_models), content_type=CONTENT_TYPE_LATEST)

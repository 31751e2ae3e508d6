"""What the pages behind secret links have in common."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils.cache import patch_cache_control
from django.views import View

from classification.errors import ClassificationError
from classification.problems import problem_of


class LinkedView(View):
    """A page for those who have its link: no cache keeps it, no search engine lists it, and a refusal says why."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            response = super().dispatch(request, *args, **kwargs)
        except ClassificationError as error:
            problem = problem_of(error)
            context = {"problem": problem}
            response = render(request, "classification/link_refused.html", context, status=problem.status)
        patch_cache_control(response, no_store=True, private=True)
        response.headers["X-Robots-Tag"] = "noindex"
        return response

"""What all screens of the catalogue share."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from catalog.errors import CatalogError
from catalog.models import CelebrityImage

THUMBNAIL_WIDTH, THUMBNAIL_HEIGHT = 60, 75


class CatalogAdmin(ModelAdmin):  # type: ignore[misc]
    """Shows a service's refusal as a message where a form could not foresee it."""

    list_per_page = 50
    # The count of all rows beside a filtered list's own would be one more pass over the table.
    show_full_result_count = False

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            response: HttpResponse = super().changeform_view(request, *args, **kwargs)
        except CatalogError as error:
            return self._refused(request, error)
        return response

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            response: HttpResponse = super().delete_view(request, *args, **kwargs)
        except CatalogError as error:
            return self._refused(request, error)
        return response

    def _refused(self, request: HttpRequest, error: CatalogError) -> HttpResponse:
        messages.error(request, str(error))
        return HttpResponseRedirect(request.get_full_path())


class FixedRowsAdmin(CatalogAdmin):
    """Rows that the product's code knows by name: their texts change, the rows stay."""

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:  # noqa: ARG002
        return False


def thumbnail(image: CelebrityImage) -> SafeString:
    return format_html(
        '<img src="{}" width="{}" height="{}" loading="lazy" alt="" '
        'style="width:{}px;height:{}px;object-fit:cover;border-radius:6px">',
        image.url,
        THUMBNAIL_WIDTH,
        THUMBNAIL_HEIGHT,
        THUMBNAIL_WIDTH,
        THUMBNAIL_HEIGHT,
    )

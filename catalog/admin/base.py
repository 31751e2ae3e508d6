"""What all screens of the catalogue share."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from catalog.errors import CatalogError
from catalog.models import Celebrity, CelebrityImage

THUMBNAIL_WIDTH, THUMBNAIL_HEIGHT = 60, 75


class Screen(ModelAdmin):  # type: ignore[misc]
    """What every screen of the back office does, whatever it shows."""

    list_per_page = 50
    # The count of all rows beside a filtered list's own would be one more pass over the table.
    show_full_result_count = False

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        # Django takes the selected ids to the database as they come.
        try:
            for selected in request.POST.getlist(ACTION_CHECKBOX_NAME):
                self.opts.pk.clean(selected, None)
        except ValidationError:
            messages.error(request, _("That selection was not understood. Please select the rows again."))
            return HttpResponseRedirect(request.get_full_path())
        response: HttpResponse = super().changelist_view(request, *args, **kwargs)
        return response


class ReadOnlyScreen(Screen):
    """Rows that nobody edits here."""

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:  # noqa: ARG002
        return False


class UncountedScreen(Screen):
    """A list of so many rows that only those of one page are ever looked at: it has no total and no last page."""

    paginator = InfinitePaginator
    # "Select all" would say how many that are.
    list_disable_select_all = True


class CatalogAdmin(Screen):
    """Shows a service's refusal as a message where a form could not foresee it."""

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


def of_celebrity(search_term: str, *, image: str = "") -> Q:
    """Whose images a search means, or which image, by its whole SHA-256; image: the lookup of the image, with `__`.

    Names are looked for among the celebrities, who are fewer, instead of once for each image that is joined to them.
    """
    named = Celebrity.objects.all()
    for word in search_term.split():
        named = named.filter(Q(name_ko__icontains=word) | Q(name_en__icontains=word))
    sha256 = search_term.strip().lower()
    return Q(**{f"{image}celebrity__in": named.order_by().values("pk")}) | Q(**{f"{image}sha256": sha256})


def thumbnail(image: CelebrityImage) -> SafeString:
    return format_html(
        '<img src="{}" width="{}" height="{}" loading="lazy" alt="" '
        'style="width:{}px;height:{}px;max-width:none;object-fit:cover;border-radius:6px">',
        image.thumbnail_url,
        THUMBNAIL_WIDTH,
        THUMBNAIL_HEIGHT,
        THUMBNAIL_WIDTH,
        THUMBNAIL_HEIGHT,
    )

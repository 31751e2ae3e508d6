from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from catalog.admin.base import CatalogAdmin, thumbnail
from catalog.models import Celebrity

_PICTURES_SHOWN = 12


@admin.register(Celebrity)
class CelebrityAdmin(CatalogAdmin):
    list_display = ["name_en", "name_ko", "is_sample", "images_link"]
    list_filter = ["is_sample"]
    search_fields = ["name_ko", "name_en"]
    readonly_fields = ["is_sample", "pictures", "created_at", "updated_at"]
    fieldsets = [
        (None, {"fields": ["name_ko", "name_en", "is_sample"]}),
        (_("Images"), {"fields": ["pictures"]}),
        (_("Times"), {"fields": ["created_at", "updated_at"]}),
    ]

    add_fieldsets = [(None, {"fields": ["name_ko", "name_en"]})]

    def get_queryset(self, _request: HttpRequest) -> QuerySet[Celebrity]:
        return Celebrity.objects.with_image_count()

    @admin.display(description=_("images"))
    def images_link(self, celebrity: Celebrity) -> SafeString:
        url = reverse("admin:catalog_celebrityimage_changelist")
        return format_html('<a href="{}?celebrity={}">{}</a>', url, celebrity.pk, celebrity.image_count)

    @admin.display(description=_("pictures"), empty_value="–")
    def pictures(self, celebrity: Celebrity) -> SafeString:
        return format_html_join(
            " ",
            '<a href="{}" style="display:inline-block">{}</a>',
            (
                (reverse("admin:catalog_celebrityimage_change", args=[image.pk]), thumbnail(image))
                for image in celebrity.images.all()[:_PICTURES_SHOWN]
            ),
        )

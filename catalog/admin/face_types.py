from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from catalog.admin.base import FixedRowsAdmin
from catalog.models import FaceType

# As many as an answer of the mobile contract shows.
IMAGES_WANTED = 4


@admin.register(FaceType)
class FaceTypeAdmin(FixedRowsAdmin):
    list_display = ["type", "name_ko", "rank", "gallery"]
    list_display_links = ["type"]
    readonly_fields = ["id", "code", "letter", "rank", "gallery"]
    fieldsets = [
        (None, {"fields": ["id", "code", "letter", "rank", "gallery"]}),
        (_("Korean"), {"fields": ["name_ko", "description_ko"]}),
        (_("English"), {"fields": ["name_en", "description_en"]}),
    ]

    def get_queryset(self, _request: HttpRequest) -> QuerySet[FaceType]:
        types: QuerySet[FaceType] = FaceType.objects.with_published_count().best_first()
        return types

    @admin.display(description=_("type"), ordering="rank")
    def type(self, face_type: FaceType) -> str:
        return str(face_type)

    @admin.display(description=_("published images"))
    def gallery(self, face_type: FaceType) -> str:
        count = face_type.published_count
        published = ngettext("%(count)d image.", "%(count)d images.", count) % {"count": count}
        if count >= IMAGES_WANTED:
            return published
        note = _(
            "Fewer than four: the mobile app fills up from the neighbouring types, "
            "and the API v1 answers with what there is."
        )
        return f"{published} {note}"

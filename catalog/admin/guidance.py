from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from catalog.admin.base import FixedRowsAdmin
from catalog.models import Guidance


@admin.register(Guidance)
class GuidanceAdmin(FixedRowsAdmin):
    list_display = ["code", "message_ko", "message_en"]
    search_fields = ["code", "message_ko", "message_en", "advice_ko", "advice_en"]
    readonly_fields = ["code"]
    fieldsets = [
        (None, {"fields": ["code"]}),
        (_("Korean"), {"fields": ["message_ko", "advice_ko"]}),
        (_("English"), {"fields": ["message_en", "advice_en"]}),
    ]

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.files.uploadedfile import UploadedFile
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.widgets import UnfoldAdminImageFieldWidget, UnfoldBooleanSwitchWidget

from catalog.admin.base import CatalogAdmin, thumbnail
from catalog.errors import CatalogError
from catalog.models import CelebrityImage
from catalog.services.images import (
    image_add,
    image_delete,
    image_publish,
    image_set_type,
    image_unpublish,
    image_update,
    image_verify,
)

_NEEDED_TO_PUBLISH = ("face_type", "source", "licence")


class ImageForm(forms.ModelForm):  # type: ignore[type-arg]
    publish = forms.BooleanField(
        label=_("Published"),
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text=_("Shown to people who get this type. Needs a face type, a source and a licence."),
    )

    class Meta:
        model = CelebrityImage
        fields = ["celebrity", "face_type", "source", "licence", "attribution"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["publish"].initial = self.instance.is_published

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("publish"):
            for name in _NEEDED_TO_PUBLISH:
                if name in cleaned and not cleaned[name]:
                    self.add_error(name, _("A published image needs this."))
        return cleaned


class NewImageForm(ImageForm):
    upload = forms.FileField(
        label=_("Picture"),
        widget=UnfoldAdminImageFieldWidget,
        help_text=_("JPEG, PNG or WebP. Stored without metadata, at most 800 pixels long."),
    )

    def clean_upload(self) -> bytes:
        upload: UploadedFile[bytes] = self.cleaned_data["upload"]
        content: bytes = upload.read()
        try:
            image_verify(content=content)
        except CatalogError as error:
            raise forms.ValidationError(str(error), code=error.code) from error
        return content


class PublishedFilter(admin.SimpleListFilter):
    title = _("published")
    parameter_name = "published"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> Iterator[tuple[str, Any]]:
        yield "yes", _("Yes")
        yield "no", _("No")

    def queryset(self, _request: HttpRequest, queryset: QuerySet[CelebrityImage]) -> QuerySet[CelebrityImage] | None:
        match self.value():
            case "yes":
                return queryset.filter(gallery_slot__isnull=False)
            case "no":
                return queryset.filter(gallery_slot__isnull=True)
        return None


@admin.register(CelebrityImage)
class CelebrityImageAdmin(CatalogAdmin):
    form = ImageForm
    list_display = ["preview", "celebrity", "face_type", "is_published", "licence", "source", "updated_at"]
    list_display_links = ["preview", "celebrity"]
    list_select_related = ["celebrity", "face_type"]
    list_filter = ["face_type", PublishedFilter, "celebrity__is_sample", "licence"]
    search_fields = ["celebrity__name_ko", "celebrity__name_en", "source", "licence", "attribution", "sha256"]
    autocomplete_fields = ["celebrity"]
    readonly_fields = ["picture", "size", "file", "sha256", "created_at", "updated_at"]
    fieldsets = [
        (None, {"fields": ["picture", "celebrity", "face_type", "publish"]}),
        (_("Rights"), {"fields": ["source", "licence", "attribution"]}),
        (_("File"), {"fields": ["size", "file", "sha256", "created_at", "updated_at"]}),
    ]
    add_fieldsets = [
        (None, {"fields": ["upload", "celebrity", "face_type", "publish"]}),
        (_("Rights"), {"fields": ["source", "licence", "attribution"]}),
    ]
    actions = ["publish_selected", "unpublish_selected"]

    @admin.display(description=_("picture"))
    def preview(self, image: CelebrityImage) -> SafeString:
        return thumbnail(image)

    @admin.display(description=_("published"), boolean=True, ordering="gallery_slot")
    def is_published(self, image: CelebrityImage) -> bool:
        return image.is_published

    @admin.display(description=_("picture"))
    def picture(self, image: CelebrityImage) -> SafeString:
        return format_html(
            '<img src="{}" width="{}" height="{}" alt="" style="max-width:240px;height:auto;border-radius:8px">',
            image.url,
            image.width,
            image.height,
        )

    @admin.display(description=_("size"))
    def size(self, image: CelebrityImage) -> str:
        return f"{image.width} × {image.height}"

    def get_form(self, request: HttpRequest, obj: CelebrityImage | None = None, **kwargs: Any) -> type[forms.BaseForm]:
        kwargs["form"] = ImageForm if obj else NewImageForm
        form: type[forms.BaseForm] = super().get_form(request, obj, **kwargs)
        return form

    def save_form(self, _request: HttpRequest, form: ImageForm, *, change: bool) -> CelebrityImage:
        values = dict(form.cleaned_data)
        publish: bool = values.pop("publish")
        if change:
            image: CelebrityImage = form.instance
            face_type = values.pop("face_type")
            if not publish:
                image_unpublish(images=[image])
            image_update(image=image, **values)
            image_set_type(images=[image], face_type=face_type)
        else:
            image = image_add(content=values.pop("upload"), **values)
        if publish:
            image_publish(images=[image])
        return image

    def save_model(self, *_args: Any, **_kwargs: Any) -> None:
        """Nothing is left to do: save_form saved through the services."""

    def save_related(self, *_args: Any, **_kwargs: Any) -> None:
        """An image has no rows of other models on its page."""

    def delete_model(self, _request: HttpRequest, image: CelebrityImage) -> None:
        image_delete(images=[image])

    def delete_queryset(self, _request: HttpRequest, images: QuerySet[CelebrityImage]) -> None:
        image_delete(images=list(images))

    @admin.action(description=_("Publish"), permissions=["change"])
    def publish_selected(self, request: HttpRequest, images: QuerySet[CelebrityImage]) -> None:
        outcome = image_publish(images=list(images))
        count = len(outcome.published)
        messages.success(
            request, ngettext("%(count)d image published.", "%(count)d images published.", count) % {"count": count}
        )
        if outcome.incomplete:
            names = ", ".join(map(str, outcome.incomplete))
            messages.warning(
                request,
                _("Not published, because a face type, source or licence is missing: %(names)s") % {"names": names},
            )

    @admin.action(description=_("Unpublish"), permissions=["change"])
    def unpublish_selected(self, request: HttpRequest, images: QuerySet[CelebrityImage]) -> None:
        count = image_unpublish(images=list(images))
        messages.success(
            request, ngettext("%(count)d image unpublished.", "%(count)d images unpublished.", count) % {"count": count}
        )

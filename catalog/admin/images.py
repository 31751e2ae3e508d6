from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.files.uploadedfile import UploadedFile
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import action
from unfold.widgets import UnfoldAdminImageFieldWidget, UnfoldBooleanSwitchWidget

from catalog.admin.base import CatalogAdmin, of_celebrity, thumbnail
from catalog.admin.labels import begin_autolabel, export_response
from catalog.admin.surveys import add_to_survey
from catalog.errors import CatalogError
from catalog.models import CelebrityImage, FaceType, ImageLabel
from catalog.models.labels import LabelSource, LabelState
from catalog.services.embeddings import embedding_of, embeddings_set
from catalog.services.image_check import picture_check
from catalog.services.images import (
    image_add_picture,
    image_delete,
    image_publish,
    image_set_type,
    image_unpublish,
    image_update,
    image_verify,
)
from catalog.services.labels import part_labels_set_types
from catalog.services.pictures import Picture
from inference.contracts import FaceAnalysis, FacePart

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
    add_anyway = forms.BooleanField(
        label=_("Add it anyway"),
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text=_("Even if it looks like another picture, or no usable face is found in it."),
    )

    # What the models say of the upload, where they were asked.
    analysis: FaceAnalysis | None = None

    def clean_upload(self) -> Picture:
        upload: UploadedFile[bytes] = self.cleaned_data["upload"]
        try:
            return image_verify(content=upload.read())
        except CatalogError as error:
            raise forms.ValidationError(str(error), code=error.code) from error

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        picture = cleaned.get("upload")
        if picture and not cleaned.get("add_anyway"):
            try:
                self.analysis = picture_check(picture=picture)
            except CatalogError as error:
                self.add_error("upload", forms.ValidationError(str(error), code=error.code))
        return cleaned


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


class LabelFilter(admin.SimpleListFilter):
    title = _("label")
    parameter_name = "label"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, Any]]:
        return [("none", _("nobody labelled it")), *LabelState.choices]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[CelebrityImage]) -> QuerySet[CelebrityImage] | None:
        if self.value() == "none":
            return queryset.filter(label=None)
        return queryset.filter(label__state=self.value()) if self.value() in LabelState.values else None


@admin.register(CelebrityImage)
class CelebrityImageAdmin(CatalogAdmin):
    form = ImageForm
    list_display = ["preview", "celebrity", "face_type", "is_published", "licence", "source", "updated_at"]
    list_display_links = ["preview", "celebrity"]
    list_select_related = ["celebrity", "face_type"]
    list_filter = [
        "face_type",
        PublishedFilter,
        LabelFilter,
        ("licence", admin.EmptyFieldListFilter),
        "celebrity__is_sample",
    ]
    search_fields = ["celebrity__name_ko", "celebrity__name_en"]
    search_help_text = _("A celebrity's name, or the whole SHA-256 of a picture.")
    autocomplete_fields = ["celebrity"]
    readonly_fields = ["picture", "label_link", "size", "file", "sha256", "created_at", "updated_at"]
    fieldsets = [
        (None, {"fields": ["picture", "label_link", "celebrity", "face_type", "publish"]}),
        (_("Rights"), {"fields": ["source", "licence", "attribution"]}),
        (_("File"), {"fields": ["size", "file", "sha256", "created_at", "updated_at"]}),
    ]
    add_fieldsets = [
        (None, {"fields": ["upload", "add_anyway", "celebrity", "face_type", "publish"]}),
        (_("Rights"), {"fields": ["source", "licence", "attribution"]}),
    ]
    actions = ["publish_selected", "unpublish_selected", "autolabel_selected", "export_selected", add_to_survey]
    actions_list = ["import_archive"]

    class Media:
        css = {"all": ["css/lists.css"]}

    def get_search_results(
        self, _request: HttpRequest, queryset: QuerySet[CelebrityImage], search_term: str
    ) -> tuple[QuerySet[CelebrityImage], bool]:
        return (queryset.filter(of_celebrity(search_term)) if search_term else queryset), False

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

    @admin.display(description=_("label"), empty_value="–")
    def label_link(self, image: CelebrityImage) -> SafeString | None:
        label = ImageLabel.objects.filter(image=image).first()
        if label is None:
            return None
        url = reverse("admin:catalog_imagelabel_change", args=[label.pk])
        return format_html('<a href="{}">{}</a>', url, label.get_state_display())

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
            _set_type(image, face_type)
        else:
            del values["add_anyway"]
            face_type = values.pop("face_type")
            image = image_add_picture(picture=values.pop("upload"), **values)
            if isinstance(form, NewImageForm) and form.analysis:
                embeddings_set({image.pk: embedding_of(form.analysis)})
            if face_type:
                _set_type(image, face_type)
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

    def has_label_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("catalog.change_imagelabel")

    def has_survey_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("catalog.change_survey")

    def has_export_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("catalog.add_labelexport")

    @admin.action(description=_("Label automatically"), permissions=["label"])
    def autolabel_selected(self, request: HttpRequest, images: QuerySet[CelebrityImage]) -> HttpResponse:
        return begin_autolabel(request, CelebrityImage.objects.filter(pk__in=images.order_by().values("pk")))

    @admin.action(description=_("Export labels for training"), permissions=["export"])
    def export_selected(self, request: HttpRequest, images: QuerySet[CelebrityImage]) -> HttpResponseBase | None:
        return export_response(request, ImageLabel.objects.filter(image__in=images.order_by().values("pk")))

    @action(  # type: ignore[untyped-decorator]
        description=_("Import images"), url_path="import-archive", permissions=["add"], icon="upload_file"
    )
    def import_archive(self, _request: HttpRequest) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:catalog_import"))


def _set_type(image: CelebrityImage, face_type: FaceType | None) -> None:
    """A curator's word also stands in the label, which reviewers and training see."""
    image.refresh_from_db(fields=["face_type"])
    if image.face_type == face_type:
        return
    image_set_type(images=[image], face_type=face_type)
    part_labels_set_types(changes={(image.pk, FacePart.WHOLE_FACE.value): face_type}, source=LabelSource.CURATOR)

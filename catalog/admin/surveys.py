"""Surveys: what is asked, of whom, about which pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from catalog.admin.base import CatalogAdmin, UncountedScreen, thumbnail
from catalog.errors import CatalogError
from catalog.models import CelebrityImage, Rating, Survey, SurveyImage
from catalog.models.labels import PART_CHOICES
from catalog.models.survey import Scale
from catalog.services.survey_results import TYPE_COUNT
from catalog.services.surveys import survey_add_images, survey_close, survey_open
from inference.survey_rule import SURVEY_SHARES

_LANGUAGES = [("ko", gettext_lazy("Korean")), ("en", gettext_lazy("English"))]
# What ratings there are stands or falls with these.
_FIXED_BY_RATINGS = ("scale", "parts")


class NumbersField(forms.CharField):
    """Numbers with commas or spaces between."""

    widget = UnfoldAdminTextInputWidget

    def __init__(self, *, count: int, **options: Any) -> None:
        self.count = count
        super().__init__(**options)

    def prepare_value(self, value: Any) -> Any:
        return (
            ", ".join(f"{number:g}" for number in value)
            if isinstance(value, Sequence) and not isinstance(value, str)
            else value
        )

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        if not text:
            return None
        try:
            numbers = [float(number) for number in text.replace(",", " ").split()]
        except ValueError as error:
            raise forms.ValidationError(_("Give numbers, with commas between.")) from error
        if len(numbers) != self.count or not all(abs(number) < 1e6 for number in numbers):
            raise forms.ValidationError(_("Give %(count)d numbers.") % {"count": self.count})
        return numbers

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.prepare_value(initial) != data)


class SurveyForm(forms.ModelForm):  # type: ignore[type-arg]
    parts = forms.MultipleChoiceField(
        label=gettext_lazy("Parts"), choices=PART_CHOICES, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    languages = forms.MultipleChoiceField(
        label=gettext_lazy("Languages"), choices=_LANGUAGES, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    shares = NumbersField(
        label=gettext_lazy("Shares of the types"),
        count=TYPE_COUNT,
        required=False,
        help_text=gettext_lazy("Five numbers, the best type first. Empty: the rule's own, %(shares)s."),
    )

    class Meta:
        model = Survey
        fields = [
            "title_ko",
            "title_en",
            "question_ko",
            "question_en",
            "scale",
            "parts",
            "languages",
            "opens_at",
            "closes_at",
            "ratings_wanted",
            "repeat_share",
            "shares",
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "shares" in self.fields:
            help_text = str(self.fields["shares"].help_text)
            own = ", ".join(f"{100 * share:g}" for share in SURVEY_SHARES)
            self.fields["shares"].help_text = help_text % {"shares": own}

    def clean_parts(self) -> list[str]:
        # In the product's order, which the first part's count of ratings relies on.
        return [part for part, _label in PART_CHOICES if part in self.cleaned_data["parts"]]

    def clean_shares(self) -> list[float] | None:
        shares: list[float] | None = self.cleaned_data["shares"]
        if shares is not None and (min(shares) < 0 or not sum(shares)):
            raise forms.ValidationError(_("Shares must not be negative, and not all be 0."))
        return shares


@admin.register(Survey)
class SurveyAdmin(CatalogAdmin):
    form = SurveyForm
    list_display = ["__str__", "state", "scale", "images", "answers", "opens_at", "closes_at"]
    search_fields = ["title_ko", "title_en"]
    readonly_fields = ["link", "created_by", "created_at", "updated_at"]
    fieldsets = [
        (gettext_lazy("Korean"), {"fields": ["title_ko", "question_ko"]}),
        (gettext_lazy("English"), {"fields": ["title_en", "question_en"]}),
        (gettext_lazy("Questions"), {"fields": ["scale", "parts", "languages"]}),
        (gettext_lazy("Raters"), {"fields": ["opens_at", "closes_at", "ratings_wanted", "repeat_share"]}),
        (gettext_lazy("Results"), {"fields": ["shares"]}),
        (gettext_lazy("Times"), {"fields": ["link", "created_by", "created_at", "updated_at"]}),
    ]
    add_fieldsets = fieldsets[:-1]
    change_form_outer_before_template = "admin/catalog/survey_steps.html"
    show_facets = admin.ShowFacets.NEVER

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                "<int:survey_id>/step/<slug:step>/",
                self.admin_site.admin_view(self.step_view),
                name="catalog_survey_step",
            )
        ]
        return [*own, *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Survey]:
        surveys: QuerySet[Survey] = super().get_queryset(request)
        images = SurveyImage.objects.filter(survey=OuterRef("pk")).order_by().values("survey")
        return surveys.annotate(
            image_count=Coalesce(Subquery(images.annotate(number=Count("pk")).values("number")), 0),
            answer_count=Coalesce(Subquery(images.annotate(number=Sum("rating_count")).values("number")), 0),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Survey | None = None) -> Sequence[str]:
        fields: Sequence[str] = super().get_readonly_fields(request, obj)
        return [*fields, *_FIXED_BY_RATINGS] if obj and _has_ratings(obj) else fields

    def has_delete_permission(self, request: HttpRequest, obj: Survey | None = None) -> bool:
        # What raters said is never deleted here; and to ask about a million ratings would take all memory.
        allowed = bool(super().has_delete_permission(request, obj))
        return allowed and obj is not None and not obj.raters.exists()

    def save_model(self, request: HttpRequest, obj: Survey, form: forms.ModelForm[Survey], change: bool) -> None:  # noqa: FBT001
        if not change:
            obj.created_by = cast("User", request.user)
        super().save_model(request, obj, form, change)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        survey = self.get_object(request, object_id)
        steps = {
            "survey": survey,
            "survey_url": request.build_absolute_uri(_path(survey)) if survey else "",
            "may_change": self.has_change_permission(request, survey),
            "may_make_result": request.user.has_perm("catalog.add_surveyresult"),
            "may_see_result": request.user.has_perm("catalog.view_surveyresult"),
        }
        response: HttpResponse = super().change_view(request, object_id, form_url, {**steps, **(extra_context or {})})
        return response

    def step_view(self, request: HttpRequest, survey_id: int, step: str) -> HttpResponse:
        """Open or close a survey."""
        if request.method != "POST" or step not in ("open", "close"):
            raise Http404
        survey = get_object_or_404(Survey, pk=survey_id)
        if not self.has_change_permission(request, survey):
            raise PermissionDenied
        try:
            if step == "open":
                survey_open(survey=survey)
                messages.success(request, _("The survey takes ratings now."))
            else:
                survey_close(survey=survey)
                messages.success(request, _("The survey takes no more ratings."))
        except CatalogError as error:
            messages.error(request, str(error))
        return HttpResponseRedirect(reverse("admin:catalog_survey_change", args=[survey.pk]))

    @admin.display(description=gettext_lazy("state"))
    def state(self, survey: Survey) -> str:
        if survey.is_open:
            return _("open")
        return _("not open yet") if survey.closes_at is None else _("closed")

    @admin.display(description=gettext_lazy("images"))
    def images(self, survey: Survey) -> SafeString:
        url = reverse("admin:catalog_surveyimage_changelist")
        return format_html('<a href="{}?survey__id__exact={}">{}</a>', url, survey.pk, survey.image_count)  # type: ignore[attr-defined]

    @admin.display(description=gettext_lazy("answers about the first part"))
    def answers(self, survey: Survey) -> int:
        return survey.answer_count  # type: ignore[attr-defined,no-any-return]

    @admin.display(description=gettext_lazy("link"))
    def link(self, survey: Survey) -> SafeString:
        return format_html('<a href="{0}">{0}</a>', _path(survey))


class SurveyImageForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = SurveyImage
        fields = ["gold_value"]
        help_texts = {
            "gold_value": gettext_lazy(
                "What an attentive rater answers here. Such an image tests raters and gets no type."
            )
        }

    def clean_gold_value(self) -> float | None:
        value: float | None = self.cleaned_data["gold_value"]
        scale = Scale(self.instance.survey.scale)
        if value is not None and not scale.allows(value):
            raise forms.ValidationError(
                _("%(value)s is not on the survey's scale, which is: %(scale)s.")
                % {"value": f"{value:g}", "scale": scale.label}
            )
        return value


@admin.register(SurveyImage)
class SurveyImageAdmin(UncountedScreen, CatalogAdmin):
    """Images come from the list of images, or from an imported file."""

    form = SurveyImageForm
    list_display = ["preview", "key", "survey", "rating_count", "gold_value", "ratings"]
    list_display_links = ["preview", "key"]
    list_select_related = ["survey", "image"]
    list_filter = ["survey", ("gold_value", admin.EmptyFieldListFilter)]
    search_fields = ["key"]
    ordering = ["survey", "rating_count", "pk"]
    sortable_by = ("rating_count",)
    readonly_fields = ["preview", "key", "survey", "rating_count", "ratings"]
    fieldsets = [(None, {"fields": ["preview", "key", "survey", "gold_value", "rating_count", "ratings"]})]
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: SurveyImage | None = None) -> bool:
        allowed = bool(super().has_delete_permission(request, obj))
        return allowed and obj is not None and not obj.ratings.exists()

    @admin.display(description=gettext_lazy("picture"), empty_value="–")
    def preview(self, survey_image: SurveyImage) -> SafeString | None:
        return thumbnail(survey_image.image) if survey_image.image else None

    @admin.display(description=gettext_lazy("ratings"))
    def ratings(self, survey_image: SurveyImage) -> SafeString:
        url = reverse("admin:catalog_rating_changelist")
        return format_html('<a href="{}?survey_image={}">{}</a>', url, survey_image.pk, _("ratings"))


class AddToSurveyForm(forms.Form):
    survey = forms.ModelChoiceField(
        label=gettext_lazy("Survey"), queryset=Survey.objects.all(), widget=UnfoldAdminSelectWidget
    )


def add_to_survey(model_admin: Any, request: HttpRequest, images: QuerySet[CelebrityImage]) -> HttpResponse | None:
    """The images' list's action: asks which survey, then adds the selected images to it."""
    form = AddToSurveyForm(request.POST if "survey" in request.POST else None)
    if form.is_valid():
        chosen = CelebrityImage.objects.filter(pk__in=images.order_by().values("pk"))
        added = survey_add_images(survey=form.cleaned_data["survey"], images=chosen)
        messages.success(
            request,
            ngettext(
                "%(count)d image added to the survey; the others were in it already.",
                "%(count)d images added to the survey; the others were in it already.",
                added,
            )
            % {"count": added},
        )
        return None
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _("Add images to a survey"),
        "opts": model_admin.opts,
        "form": form,
        "button": _("Add"),
        "hidden": [
            ("action", "add_to_survey"),
            ("select_across", request.POST.get("select_across", "0")),
            ("index", request.POST.get("index", "0")),
            *((ACTION_CHECKBOX_NAME, pk) for pk in request.POST.getlist(ACTION_CHECKBOX_NAME)),
        ],
    }
    return TemplateResponse(request, "admin/catalog/survey_form.html", context)


add_to_survey.short_description = gettext_lazy("Add to a survey")  # type: ignore[attr-defined]
add_to_survey.allowed_permissions = ["survey"]  # type: ignore[attr-defined]


def _has_ratings(survey: Survey) -> bool:
    return Rating.objects.filter(survey_image__survey=survey).exists()


def _path(survey: Survey) -> str:
    return reverse("survey-welcome", args=[survey.link_token])

"""Results of surveys: made, looked at, compared, published and taken back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget

from catalog.admin.base import ReadOnlyScreen, UncountedScreen, thumbnail
from catalog.admin.ratings import exclusion_reason
from catalog.admin.surveys import NumbersField
from catalog.errors import CatalogError
from catalog.models import Survey, SurveyResult, SurveyResultRow
from catalog.models.labels import PART_CHOICES
from catalog.models.survey import Method, Scale
from catalog.services.aggregation import ExclusionRule
from catalog.services.survey_results import (
    TYPE_COUNT,
    Cut,
    CutKind,
    result_compare,
    result_create,
    result_publish,
    result_undo,
    shares_of,
)

CUT_CHOICES = [
    (CutKind.SHARES.value, gettext_lazy("shares of the ranking")),
    (CutKind.POINTS.value, gettext_lazy("fixed points of the scale")),
    (CutKind.CATEGORY.value, gettext_lazy("the raters' own answer")),
]
AGREEMENT_LABELS = {
    "ratings": gettext_lazy("ratings"),
    "raters": gettext_lazy("raters"),
    "images": gettext_lazy("images"),
    "alpha_nominal": gettext_lazy("Krippendorff's alpha, nominal"),
    "alpha_ordinal": gettext_lazy("Krippendorff's alpha, ordinal"),
    "alpha_interval": gettext_lazy("Krippendorff's alpha, interval"),
    "icc_1": gettext_lazy("intraclass correlation of one rating, ICC(1)"),
    "icc_1_k": gettext_lazy("intraclass correlation of the mean, ICC(1,k)"),
    "k": gettext_lazy("k, ratings an image"),
    "half_correlation": gettext_lazy("correlation of two halves of the raters"),
    "split_half": gettext_lazy("split-half reliability (Spearman-Brown)"),
}
_DEFAULTS = ExclusionRule()


def _limit(label: Any, initial: float | None, help_text: Any) -> forms.FloatField:
    return forms.FloatField(
        label=label,
        initial=initial,
        required=False,
        min_value=-1,
        max_value=1,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
        help_text=help_text,
    )


class ResultForm(forms.Form):
    method = forms.ChoiceField(
        label=gettext_lazy("Method"), choices=Method.choices, widget=UnfoldAdminSelectWidget, initial=Method.MEAN
    )
    cut = forms.ChoiceField(
        label=gettext_lazy("Types by"), choices=CUT_CHOICES, widget=UnfoldAdminSelectWidget, initial=CutKind.SHARES
    )
    shares = NumbersField(
        label=gettext_lazy("Shares of the types"),
        count=TYPE_COUNT,
        required=False,
        help_text=gettext_lazy("Five numbers, the best type first."),
    )
    points = NumbersField(
        label=gettext_lazy("Cut points"),
        count=TYPE_COUNT - 1,
        required=False,
        help_text=gettext_lazy("Four values of the scale, from the best type to the last."),
    )
    max_same_share = _limit(
        gettext_lazy("Leave out raters whose answers are the same more often than"),
        _DEFAULTS.max_same_share,
        gettext_lazy("A share from 0 to 1. Empty: nobody is left out for this."),
    )
    min_gold_share = _limit(
        gettext_lazy("Leave out raters who answer known questions rightly less often than"),
        _DEFAULTS.min_gold_share,
        gettext_lazy("A share from 0 to 1. Empty: nobody is left out for this."),
    )
    gold_tolerance = _limit(
        gettext_lazy("Right is what is as near to the known answer as"),
        _DEFAULTS.gold_tolerance,
        gettext_lazy("A share of the scale's range."),
    )
    max_repeat_difference = _limit(
        gettext_lazy("Leave out raters whose repeated answers differ by more than"),
        _DEFAULTS.max_repeat_difference,
        gettext_lazy("On average, as a share of the scale's range. Empty: nobody is left out for this."),
    )
    min_reliability = _limit(
        gettext_lazy("Leave out raters whose correlation with all others is below"),
        _DEFAULTS.min_reliability,
        gettext_lazy("From -1 to 1. Empty: nobody is left out for this."),
    )
    min_ratings = forms.IntegerField(
        label=gettext_lazy("Judge only raters with at least so many answers"),
        initial=_DEFAULTS.min_ratings,
        min_value=1,
        max_value=10_000,
        widget=UnfoldAdminIntegerFieldWidget,
    )

    def clean_gold_tolerance(self) -> float:
        tolerance: float | None = self.cleaned_data["gold_tolerance"]
        return _DEFAULTS.gold_tolerance if tolerance is None else tolerance

    def chosen_cut(self) -> Cut:
        kind = CutKind(self.cleaned_data["cut"])
        values = {CutKind.SHARES: "shares", CutKind.POINTS: "points"}.get(kind)
        return Cut(kind, tuple(self.cleaned_data[values] or ()) if values else ())

    def chosen_exclusion(self) -> ExclusionRule:
        names = (
            "max_same_share",
            "min_gold_share",
            "gold_tolerance",
            "max_repeat_difference",
            "min_reliability",
            "min_ratings",
        )
        return ExclusionRule(**{name: self.cleaned_data[name] for name in names})


@admin.register(SurveyResult)
class SurveyResultAdmin(ReadOnlyScreen):
    list_display = [
        "__str__",
        "method",
        "cut",
        "rating_count",
        "rater_count",
        "created_at",
        "created_by",
        "published_at",
    ]
    list_select_related = ["survey", "created_by"]
    list_filter = ["survey", "method", ("published_at", admin.EmptyFieldListFilter)]
    fieldsets = [
        (None, {"fields": ["survey", "ranking", "published_at", "published_by"]}),
        (gettext_lazy("Agreement"), {"fields": ["agreement_table"]}),
        (
            gettext_lazy("How it was made"),
            {
                "fields": [
                    "method",
                    "cut",
                    "exclusion",
                    "excluded_table",
                    "rating_count",
                    "rater_count",
                    "data_hash_shown",
                    "created_by",
                    "created_at",
                ]
            },
        ),
    ]
    actions = ["compare_selected"]
    change_form_outer_before_template = "admin/catalog/survey_result_steps.html"
    show_facets = admin.ShowFacets.NEVER

    def get_urls(self) -> list[URLPattern]:
        own = [
            path("of/<int:survey_id>/", self.admin_site.admin_view(self.create_view), name="catalog_survey_result"),
            path(
                "<int:result_id>/step/<slug:step>/",
                self.admin_site.admin_view(self.step_view),
                name="catalog_surveyresult_step",
            ),
        ]
        return [*own, *super().get_urls()]

    def create_view(self, request: HttpRequest, survey_id: int) -> HttpResponse:
        """Make a result of a survey's ratings as they are now."""
        if not request.user.has_perm("catalog.add_surveyresult"):
            raise PermissionDenied
        survey = get_object_or_404(Survey, pk=survey_id)
        form = ResultForm(request.POST or None, initial={"shares": [100 * share for share in shares_of(survey)]})
        if survey.shares:
            form.initial["shares"] = survey.shares
        if request.method == "POST" and form.is_valid():
            try:
                result = result_create(
                    survey=survey,
                    method=Method(form.cleaned_data["method"]),
                    cut=form.chosen_cut(),
                    exclusion=form.chosen_exclusion(),
                    created_by=cast("User", request.user),
                )
            except CatalogError as error:
                form.add_error(None, str(error))
            else:
                return HttpResponseRedirect(reverse("admin:catalog_surveyresult_change", args=[result.pk]))
        scale = Scale(survey.scale)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Make a result"),
            "opts": self.opts,
            "form": form,
            "button": _("Make a result"),
            "explanation": [
                str(survey),
                _("The survey's scale: %(scale)s. Nothing changes in the catalogue before the result is published.")
                % {"scale": scale.label},
            ],
        }
        return TemplateResponse(request, "admin/catalog/survey_form.html", context, status=422 if form.errors else 200)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        steps = {"result": self.get_object(request, object_id), "may_publish": self.has_publish_permission(request)}
        response: HttpResponse = super().change_view(request, object_id, form_url, {**steps, **(extra_context or {})})
        return response

    def step_view(self, request: HttpRequest, result_id: int, step: str) -> HttpResponse:
        """Publish a result, or take that back."""
        if request.method != "POST" or step not in ("publish", "undo"):
            raise Http404
        if not self.has_publish_permission(request):
            raise PermissionDenied
        result = get_object_or_404(SurveyResult, pk=result_id)
        try:
            if step == "publish":
                outcome = result_publish(result=result, published_by=cast("User", request.user))
                messages.success(request, _published(outcome.published, outcome.without_picture))
            else:
                count = result_undo(result=result)
                messages.success(
                    request,
                    ngettext(
                        "%(count)d label is what it was before.", "%(count)d labels are what they were before.", count
                    )
                    % {"count": count},
                )
        except CatalogError as error:
            messages.error(request, str(error))
        return HttpResponseRedirect(reverse("admin:catalog_surveyresult_change", args=[result.pk]))

    def has_publish_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("catalog.publish_surveyresult")

    @admin.action(description=gettext_lazy("Compare two results"), permissions=["view"])
    def compare_selected(self, request: HttpRequest, results: QuerySet[SurveyResult]) -> HttpResponse | None:
        chosen = list(results.select_related("survey").order_by("pk")[:3])
        if len(chosen) != 2:
            messages.error(request, _("Select exactly two results."))
            return None
        try:
            comparison = result_compare(first=chosen[0], second=chosen[1])
        except CatalogError as error:
            messages.error(request, str(error))
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": _("Comparison of two results"),
            "opts": self.opts,
            "first": chosen[0],
            "second": chosen[1],
            "parts": [
                {"label": dict(PART_CHOICES)[part.part], "equal_percent": 100 * part.equal_share, "comparison": part}
                for part in comparison
            ],
        }
        return TemplateResponse(request, "admin/catalog/survey_comparison.html", context)

    @admin.display(description=gettext_lazy("types by"))
    def cut(self, result: SurveyResult) -> str:
        cut = result.parameters["cut"]
        kind = str(dict(CUT_CHOICES)[cut["kind"]])
        return f"{kind}: {', '.join(f'{value:g}' for value in cut['values'])}" if cut["values"] else kind

    @admin.display(description=gettext_lazy("raters left out"))
    def exclusion(self, result: SurveyResult) -> str:
        form, rule = ResultForm(), result.parameters["exclusion"]
        return _table(
            (form.fields[name].label or name, "–" if limit is None else f"{limit:g}") for name, limit in rule.items()
        )

    @admin.display(description=gettext_lazy("excluded raters"), empty_value="–")
    def excluded_table(self, result: SurveyResult) -> str:
        return _table((exclusion_reason(reason), len(raters)) for reason, raters in result.excluded.items())

    @admin.display(description=gettext_lazy("agreement"), empty_value="–")
    def agreement_table(self, result: SurveyResult) -> SafeString:
        names = dict(PART_CHOICES)
        return format_html_join(
            "",
            '<p style="font-weight:600">{}</p>{}',
            (
                (
                    names[part],
                    _table(
                        (label, _number(measures[name]))
                        for name, label in AGREEMENT_LABELS.items()
                        if measures.get(name) is not None
                    ),
                )
                for part, measures in result.agreement.items()
            ),
        )

    @admin.display(description=gettext_lazy("hash of the ratings"))
    def data_hash_shown(self, result: SurveyResult) -> SafeString:
        # One long word, on a phone too.
        return format_html('<span style="overflow-wrap:anywhere">{}</span>', result.data_hash)

    @admin.display(description=gettext_lazy("ranking"))
    def ranking(self, result: SurveyResult) -> SafeString:
        url = reverse("admin:catalog_surveyresultrow_changelist")
        names = dict(PART_CHOICES)
        return format_html_join(
            " · ",
            '<a href="{}?result={}&amp;part={}" style="text-decoration:underline">{}</a>',
            ((url, result.pk, part, names[part]) for part in result.agreement),
        )


@admin.register(SurveyResultRow)
class SurveyResultRowAdmin(ReadOnlyScreen, UncountedScreen):
    """A result's ranking."""

    list_display = ["rank", "preview", "survey_image", "part", "value_shown", "interval", "count", "face_type"]
    list_display_links = None
    list_select_related = ["survey_image__image", "face_type"]
    list_filter = ["part", "face_type"]
    # The order of its index.
    ordering = ["-result", "part", "rank"]
    sortable_by = ()

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return lookup == "result" or super().lookup_allowed(lookup, value, request)

    @admin.display(description=gettext_lazy("picture"), empty_value="–")
    def preview(self, row: SurveyResultRow) -> SafeString | None:
        return thumbnail(row.survey_image.image) if row.survey_image.image else None

    @admin.display(description=gettext_lazy("value"))
    def value_shown(self, row: SurveyResultRow) -> str:
        return f"{row.value:.2f}"

    @admin.display(description=gettext_lazy("interval (95 %)"), empty_value="–")
    def interval(self, row: SurveyResultRow) -> str | None:
        return None if row.low is None or row.high is None else f"{row.low:.2f} – {row.high:.2f}"


def _published(count: int, without_picture: int) -> str:
    published = ngettext("%(count)d label published.", "%(count)d labels published.", count) % {"count": count}
    if not without_picture:
        return published
    left_out = ngettext(
        "%(count)d is of an image that the catalogue does not have.",
        "%(count)d are of images that the catalogue does not have.",
        without_picture,
    ) % {"count": without_picture}
    return f"{published} {left_out}"


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def _table(rows: Iterable[tuple[object, object]]) -> SafeString:
    row = '<tr><td style="padding:2px 24px 2px 0;white-space:normal">{}</td><td style="vertical-align:top">{}</td></tr>'
    body = format_html_join("", row, rows)
    return format_html("<table>{}</table>", body) if body else body

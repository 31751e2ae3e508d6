"""The analysis page of a survey, its pictures and its tables. All of it is read from frozen results."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils.translation import get_language, gettext, override
from django.views.decorators.http import require_safe

from catalog.models import Survey, SurveyResult
from catalog.models.labels import PART_CHOICES
from catalog.models.survey import Scale
from catalog.services.tables import csv_lines
from catalog.survey.analysis import figures, labels
from catalog.survey.analysis.downloads import TABLES

RANKED_A_PAGE = 30
DISAGREEMENTS_SHOWN = 20
_RESULTS_OFFERED = 50
_MAX_PAGE = 10_000
_MAX_ID = 2**63 - 1
PLOTS = ("types", "ranking", "groups", "agreement")
_PLOT_FORMATS = {"png": "image/png", "svg": "image/svg+xml"}

view_permission = permission_required("catalog.view_surveyresult", raise_exception=True)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a reader looks at."""

    survey: Survey
    results: list[SurveyResult]
    result: SurveyResult | None
    part: str
    page: int

    @property
    def query(self) -> str:
        return urlencode({"result": self.result.pk if self.result else "", "part": self.part})

    @property
    def file_name(self) -> str:
        return f"survey-{self.survey.pk}-result-{self.result.pk if self.result else 0}-{self.part}"


@require_safe
@view_permission
def analysis(request: HttpRequest, survey_id: int) -> HttpResponse:
    chosen = _chosen(request, survey_id)
    survey, result = chosen.survey, chosen.result
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": gettext("Analysis: %(survey)s") % {"survey": survey},
        "survey": survey,
        "counts": figures.survey_counts(survey),
        "results": chosen.results,
        "result": result,
        "may_make_result": request.user.has_perm("catalog.add_surveyresult"),
    }
    if result:
        offset = (chosen.page - 1) * RANKED_A_PAGE
        ranked = figures.ranking(result, chosen.part, offset=offset, limit=RANKED_A_PAGE + 1)
        context |= {
            "part": chosen.part,
            "parts": [(part, label) for part, label in PART_CHOICES if part in result.agreement],
            "query": chosen.query,
            "page": chosen.page,
            "has_next": len(ranked) > RANKED_A_PAGE,
            "types": figures.type_shares(result, chosen.part),
            "ranked": ranked[:RANKED_A_PAGE],
            "measures": labels.measures(result, chosen.part),
            "agreement": result.agreement.get(chosen.part, {}),
            "groups": labels.group_lines(result, chosen.part),
            "disagreement": figures.disagreement(result, chosen.part, limit=DISAGREEMENTS_SHOWN),
            "excluded": sum(len(raters) for raters in result.excluded.values()),
        }
    return TemplateResponse(request, "catalog/survey/analysis.html", context)


@require_safe
@view_permission
def table(request: HttpRequest, survey_id: int, name: str) -> StreamingHttpResponse:
    chosen = _chosen(request, survey_id)
    if name not in TABLES or chosen.result is None:
        raise Http404
    rows = TABLES[name](chosen.result, chosen.part)
    response = StreamingHttpResponse(csv_lines(rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{chosen.file_name}-{name}.csv"'
    response["Cache-Control"] = "private, no-store"
    return response


@require_safe
@view_permission
def plot(request: HttpRequest, survey_id: int, name: str, image_format: str) -> HttpResponse:
    chosen = _chosen(request, survey_id)
    if name not in PLOTS or image_format not in _PLOT_FORMATS or chosen.result is None:
        raise Http404
    language = get_language() or "en"
    # A result never changes, but names of types and celebrities may.
    key = f"survey-plot:{chosen.result.pk}:{chosen.part}:{chosen.page}:{name}.{image_format}:{language}"
    content = cache.get_or_set(key, partial(_drawn, chosen, name, image_format, language), timeout=600)
    # Where a picture is not shown but saved.
    disposition = "attachment" if "download" in request.GET else "inline"
    return HttpResponse(
        content,
        content_type=_PLOT_FORMATS[image_format],
        headers={
            "Content-Disposition": f'{disposition}; filename="{chosen.file_name}-{name}.{image_format}"',
            "Cache-Control": "private, max-age=600",
        },
    )


def _drawn(chosen: Chosen, name: str, image_format: str, language: str) -> bytes:
    # Only whoever draws pays for matplotlib.
    from catalog.survey.analysis import plots  # noqa: PLC0415

    result, part = chosen.result, chosen.part
    if result is None:
        raise Http404
    language = plots.language_for(image_format, language)
    scale = Scale(chosen.survey.scale)
    worst, best = (scale.lowest, scale.highest)[:: scale.direction]
    with override(language):
        part_name = dict(PART_CHOICES)[part]
        title = f"{chosen.survey.title(language)} – {part_name}"
        axis = gettext("mean rating, %(scale)s; intervals: 95 %%") % {"scale": scale.label}
        match name:
            case "types":
                shares = figures.type_shares(result, part)
                if any(share.count for share in shares):
                    return plots.types_pie(shares, title=title, image_format=image_format)
            case "ranking":
                offset = (chosen.page - 1) * RANKED_A_PAGE
                if ranked := figures.ranking(result, part, offset=offset, limit=RANKED_A_PAGE):
                    return plots.ranking_bars(
                        ranked,
                        title=title,
                        axis=axis,
                        worst=worst,
                        best=best,
                        image_format=image_format,
                        language=language,
                    )
            case "groups":
                if lines := labels.group_lines(result, part):
                    return plots.group_means(
                        lines,
                        title=title,
                        axis=axis,
                        worst=worst,
                        best=best,
                        image_format=image_format,
                    )
            case "agreement":
                if measures := labels.measures(result, part):
                    return plots.agreement_bars(measures, title=title, image_format=image_format)
    return plots.nothing(image_format, language)


def _chosen(request: HttpRequest, survey_id: int) -> Chosen:
    if survey_id > _MAX_ID:
        raise Http404
    survey = get_object_or_404(Survey, pk=survey_id)
    results = list(survey.results.select_related("created_by").order_by("-pk")[:_RESULTS_OFFERED])
    result = results[0] if results else None
    if wanted := request.GET.get("result", ""):
        number = _number(wanted, most=_MAX_ID)
        found = [one for one in results if one.pk == number]
        result = found[0] if found else get_object_or_404(SurveyResult, survey=survey, pk=number)
    if result:
        # Saves each reader of it a query.
        result.survey = survey
    parts = [part for part, _label in PART_CHOICES if result and part in result.agreement]
    part = request.GET.get("part", "")
    if part not in parts:
        part = parts[0] if parts else ""
    return Chosen(survey, results, result, part, max(1, _number(request.GET.get("page", ""), most=_MAX_PAGE)))


def _number(text: str, *, most: int) -> int:
    """0 for whatever is no such number."""
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(most))
    return int(text) if is_number and int(text) <= most else 0

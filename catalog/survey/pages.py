"""The pages of a survey: welcome, rating, thanks. They work without scripts; static/js/survey.js makes them instant."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from math import ceil
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import translation
from django.utils.cache import add_never_cache_headers
from django.utils.functional import Promise
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _
from django.views import View
from rest_framework.views import APIView

from catalog.errors import AnsweredOtherwise, CatalogError, NotInSurvey, RaterUnknown, RatingOffScale, SurveyClosed
from catalog.languages import in_language
from catalog.models import Rater, Survey, SurveyImage
from catalog.models.survey import Scale
from catalog.selectors import face_types, image_bytes
from catalog.services.rating import (
    Visit,
    VisitKey,
    consistency_of,
    progress_of,
    rater_by_secret,
    rater_join,
    rating_give,
    survey_by_link,
    survey_require_open,
    visits_last,
    visits_next,
)
from catalog.survey.answers import MAX_HELD, VISITS_AHEAD
from catalog.survey.forms import AnswerForm, JoinForm
from catalog.survey.questions import PartJSON, VisitJSON, key_from_text, key_text, visit_json
from catalog.survey.raters import rater_in, remember_rater, secret_in
from inference.contracts import FacePart

# A page keeps so many answered images at hand, for undo.
VISITS_BACK = 3
# Fewer repeats say nothing about a rater.
REPEATS_TO_TELL = 3
_PART_NAMES: dict[str, Promise] = {
    FacePart.WHOLE_FACE.value: _("The whole face"),
    FacePart.UPPER_FACE.value: _("Only the upper face: brows, eyes and nose"),
    FacePart.LOWER_FACE.value: _("Only the lower face: mouth and chin"),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One button of a scale."""

    value: int
    mark: str
    name: str


@dataclass(frozen=True, slots=True)
class Step:
    """One question: a part of an image. back: how many answers ago it was answered; 0 where it was not."""

    visit: VisitJSON
    asked: PartJSON
    back: int


class SurveyView(View):
    """A page of one survey, in one of the survey's languages; a refusal becomes a page that says why."""

    survey: Survey

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            self.survey = survey_by_link(kwargs["link_token"])
        except CatalogError as error:
            return self._never_cached(_refused_page(request, error))
        language = _language_of(self.survey)
        with translation.override(language):
            try:
                response = super().dispatch(request, *args, **kwargs)
            except CatalogError as error:
                response = _refused_page(request, error, self.survey)
        response.headers["Content-Language"] = language
        return self._never_cached(response)

    @staticmethod
    def _never_cached(response: HttpResponseBase) -> HttpResponseBase:
        if not response.has_header("Cache-Control"):
            add_never_cache_headers(response)
        return response

    def page(self, name: str, *, status: int = HTTPStatus.OK, **context: Any) -> HttpResponse:
        return render(self.request, f"catalog/survey/{name}.html", _page_context(self.survey) | context, status=status)

    def to(self, name: str) -> HttpResponse:
        return redirect(name, self.survey.link_token)


class WelcomeView(SurveyView):
    """What the survey is about, what is kept, and joining it."""

    throttle_scope = "survey_join"
    throttle_classes = APIView.throttle_classes

    def get(self, request: HttpRequest, link_token: str) -> HttpResponse:  # noqa: ARG002
        survey_require_open(self.survey)
        return self._welcome(JoinForm(), rater=_rater_or_none(request, self.survey))

    def post(self, request: HttpRequest, link_token: str) -> HttpResponse:  # noqa: ARG002
        survey_require_open(self.survey)
        # Whoever sends the form twice goes on as one person.
        if _rater_or_none(request, self.survey):
            return self.to("survey-rate")
        form = JoinForm(request.POST)
        if not form.is_valid():
            return self._welcome(form, status=HTTPStatus.BAD_REQUEST)
        if seconds := self._seconds_to_wait(request):
            response = self._welcome(form, status=HTTPStatus.TOO_MANY_REQUESTS, is_throttled=True)
            response["Retry-After"] = str(seconds)
            return response
        joined = rater_join(
            survey=self.survey,
            language=get_language() or "",
            age_band=form.cleaned_data["age_band"],
            sex=form.cleaned_data["sex"],
        )
        response = self.to("survey-rate")
        remember_rater(response, self.survey, joined.secret)
        return response

    def _welcome(
        self, form: JoinForm, *, rater: Rater | None = None, status: int = HTTPStatus.OK, is_throttled: bool = False
    ) -> HttpResponse:
        done = progress_of(rater=rater).done if rater else 0
        return self.page("welcome", status=status, form=form, rater=rater, done=done, is_throttled=is_throttled)

    def _seconds_to_wait(self, request: HttpRequest) -> int:
        """Until somebody at this address may join again; 0 means now."""
        for throttle in (throttle_class() for throttle_class in self.throttle_classes):
            # A throttle asks for the user, the address and the scope, which Django's own classes have too.
            if not throttle.allow_request(request, self):  # type: ignore[arg-type]
                return ceil(throttle.wait() or 1)
        return 0


class ResumeView(SurveyView):
    """A rater's personal link, which makes a further browser that rater's."""

    def get(self, request: HttpRequest, link_token: str, secret: str) -> HttpResponse:  # noqa: ARG002
        rater_by_secret(survey=self.survey, secret=secret)
        response = self.to("survey-rate")
        remember_rater(response, self.survey, secret)
        return response


class RateView(SurveyView):
    """One question at a time.

    `undo=N` shows the N-th last answer again, to be changed; `skip=KEY` passes over images, which come again later.
    """

    def get(self, request: HttpRequest, link_token: str) -> HttpResponse:  # noqa: ARG002
        survey_require_open(self.survey)
        return self._question(rater_in(request, self.survey))

    def post(self, request: HttpRequest, link_token: str) -> HttpResponse:  # noqa: ARG002
        survey_require_open(self.survey)
        rater = rater_in(request, self.survey)
        form = AnswerForm(request.POST)
        if not form.is_valid():
            return self._question(rater, status=HTTPStatus.BAD_REQUEST, problem=gettext("Please choose an answer."))
        answer = form.cleaned_data
        replaced = answer["replaces"]
        try:
            rating_give(
                rater=rater,
                key=VisitKey(answer["image"], answer["round"]),
                part=answer["part"],
                value=answer["value"],
                replaces=() if replaced is None else (replaced,),
            )
        except (AnsweredOtherwise, NotInSurvey, RatingOffScale) as error:
            return self._question(rater, status=error.status, problem=str(error))
        progress = progress_of(rater=rater)
        is_set_done = progress.in_set == 0 and progress.done > 0 and replaced is None
        has_begun_another = any(asked.answer is not None for visit in _upcoming(rater, 1) for asked in visit.parts)
        return self.to("survey-thanks" if is_set_done and not has_begun_another else "survey-rate")

    def _question(self, rater: Rater, *, status: int = HTTPStatus.OK, problem: str = "") -> HttpResponse:
        skipped = [key for text in self.request.GET.getlist("skip")[:MAX_HELD] if (key := key_from_text(text))]
        upcoming = visits_next(rater=rater, count=VISITS_AHEAD, holding=skipped)
        visits = [
            visit_json(visit, self.survey.link_token)
            for visit in [*visits_last(rater=rater, count=VISITS_BACK), *upcoming]
        ]
        step = _step(visits, back=_number(self.request.GET.get("undo", ""))) or _step(visits, back=0)
        if step is None:
            return self.to("survey-thanks")
        progress = progress_of(rater=rater)
        token = self.survey.link_token
        state = {
            "rater": rater.pk,
            "answersUrl": reverse("survey-answers", args=[token]),
            "visitsUrl": reverse("survey-visits", args=[token]),
            "thanksUrl": reverse("survey-thanks", args=[token]),
            "inSet": progress.in_set,
            "goal": progress.goal,
            "texts": {
                # The script fills in the numbers.
                "progress": gettext("Picture {number} of {goal}"),
                "waiting": gettext("No connection. Your last answers wait on this device: {count}"),
            },
            "parts": {part: str(_PART_NAMES[part]) for part in self.survey.parts},
            "skipped": [key_text(key) for key in skipped],
            "visits": visits,
        }
        return self.page(
            "rate",
            status=status,
            problem=problem,
            step=step,
            part_name=_PART_NAMES[step.asked["part"]],
            number=min(progress.in_set + 1, progress.goal),
            progress=progress,
            undo=step.back + 1 if _step(visits, back=step.back + 1) else 0,
            skip_query=urlencode([("skip", key_text(key)) for key in skipped] + [("skip", step.visit["key"])]),
            state=state,
            personal_link=_personal_link(self.request, self.survey),
            **_scale_context(self.survey),
        )


class ThanksView(SurveyView):
    def get(self, request: HttpRequest, link_token: str) -> HttpResponse:  # noqa: ARG002
        rater = rater_in(request, self.survey)
        consistency = consistency_of(rater=rater)
        has_more = self.survey.is_open and bool(_upcoming(rater, 1))
        return self.page(
            "thanks",
            done=progress_of(rater=rater).done,
            consistency=consistency if consistency.repeated >= REPEATS_TO_TELL else None,
            has_more=has_more,
            personal_link=_personal_link(request, self.survey) if has_more else "",
        )


class PictureView(SurveyView):
    """A picture of the survey, for its raters: it need not be published, and its storage stays closed."""

    def get(self, request: HttpRequest, link_token: str, survey_image_id: int) -> HttpResponse:  # noqa: ARG002
        survey_require_open(self.survey)
        rater_in(request, self.survey)
        survey_image = (
            SurveyImage.objects.filter(survey=self.survey, pk=survey_image_id, image__isnull=False)
            .select_related("image")
            .first()
        )
        if survey_image is None or survey_image.image is None:
            raise NotInSurvey(gettext("This survey does not ask about this picture, or not about this part of it."))
        response = HttpResponse(image_bytes(survey_image.image), content_type="image/jpeg")
        response["Cache-Control"] = "private, max-age=86400, immutable"
        return response


def _language_of(survey: Survey) -> str:
    """The reader's language where the survey has it, else the survey's first."""
    current = (get_language() or "").split("-")[0]
    languages: list[str] = survey.languages
    return current if current in languages or not languages else languages[0]


def _page_context(survey: Survey) -> dict[str, Any]:
    language = get_language() or ""
    return {
        "survey": survey,
        "title": survey.title(language),
        "question": survey.question(language),
        "survey_languages": survey.languages,
    }


def _refused_page(request: HttpRequest, error: CatalogError, survey: Survey | None = None) -> HttpResponse:
    rater = _rater_or_none(request, survey) if survey else None
    context: dict[str, Any] = {
        "sentence": str(error),
        # Whoever has no cookie can join; whoever was in the middle is told that nothing is lost.
        "can_join": isinstance(error, RaterUnknown),
        "kept": progress_of(rater=rater).done if rater and isinstance(error, SurveyClosed) else 0,
    }
    if survey:
        context |= _page_context(survey)
    return render(request, "catalog/survey/refused.html", context, status=error.status)


def _rater_or_none(request: HttpRequest, survey: Survey) -> Rater | None:
    try:
        return rater_in(request, survey)
    except RaterUnknown:
        return None


def _personal_link(request: HttpRequest, survey: Survey) -> str:
    path = reverse("survey-resume", args=[survey.link_token, secret_in(request, survey)])
    return request.build_absolute_uri(path)


def _upcoming(rater: Rater, count: int) -> list[Visit]:
    return visits_next(rater=rater, count=count)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else 0


def _step(visits: list[VisitJSON], *, back: int) -> Step | None:
    """The question answered `back` answers ago; for 0, the first that is not answered."""
    steps = [(visit, asked) for visit in visits for asked in visit["parts"]]
    if back:
        answered = [step for step in steps if step[1]["answer"] is not None]
        return Step(*answered[-back], back) if back <= len(answered) else None
    return next((Step(visit, asked, 0) for visit, asked in steps if asked["answer"] is None), None)


def _scale_context(survey: Survey) -> dict[str, Any]:
    scale = Scale(survey.scale)
    language = get_language() or ""
    choices: list[Choice] = []
    if scale is Scale.TYPES:
        choices = [
            Choice(
                face_type.rank,
                face_type.letter,
                in_language(language, korean=face_type.name_ko, english=face_type.name_en),
            )
            for face_type in face_types()
        ]
    elif scale.has_categories:
        choices = [Choice(value, str(value), "") for value in range(int(scale.lowest), int(scale.highest) + 1)]
    return {"scale": scale.value, "choices": choices, "lowest": scale.lowest, "highest": scale.highest}

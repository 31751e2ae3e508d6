"""What the rating page's script talks to: it sends answers and fetches what comes next.

Not part of the public API. These views need no CSRF token: a form cannot send JSON, and the cookie stays with pages
of this site. So answers that waited for a connection are taken however old the page is.
"""

from __future__ import annotations

from django.utils.decorators import method_decorator
from django.views.decorators.cache import cache_control
from rest_framework import serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.models import Rater
from catalog.services.rating import VisitKey, rating_give, survey_by_link, survey_require_open, visits_next
from catalog.survey.questions import key_from_text, visit_json
from catalog.survey.raters import rater_in

# The script keeps so many visits ready.
VISITS_AHEAD = 4
MAX_HELD = 200
_MAX_REPLACED = 20


class AnswerSerializer(serializers.Serializer[object]):
    image = serializers.IntegerField(min_value=1, max_value=2**63 - 1)
    round = serializers.IntegerField(min_value=0, max_value=1)
    part = serializers.CharField(max_length=20)
    value = serializers.FloatField()
    replaces = serializers.ListField(child=serializers.FloatField(), max_length=_MAX_REPLACED, default=list)


class RaterView(APIView):
    schema = None

    def rater(self, link_token: str) -> Rater:
        survey = survey_by_link(link_token)
        survey_require_open(survey)
        return rater_in(self.request._request, survey)  # noqa: SLF001


@method_decorator(cache_control(no_store=True, private=True), name="dispatch")
class AnswersView(RaterView):
    """Take one answer."""

    def post(self, request: Request, link_token: str) -> Response:
        rater = self.rater(link_token)
        answer = AnswerSerializer(data=request.data)
        answer.is_valid(raise_exception=True)
        values = answer.validated_data
        rating = rating_give(
            rater=rater,
            key=VisitKey(values["image"], values["round"]),
            part=values["part"],
            value=values["value"],
            replaces=values["replaces"],
        )
        return Response({"value": rating.value}, status=status.HTTP_200_OK)


@method_decorator(cache_control(no_store=True, private=True), name="dispatch")
class VisitsView(RaterView):
    """The next visits, after those named in `holding` (comma-separated keys)."""

    def get(self, request: Request, link_token: str) -> Response:
        rater = self.rater(link_token)
        names = [name for name in request.query_params.get("holding", "").split(",") if name]
        holding = [key for name in names if (key := key_from_text(name))]
        if len(holding) != len(names) or len(names) > MAX_HELD:
            raise ValidationError({"holding": ["Expected keys of visits, separated by commas."]})
        visits = visits_next(rater=rater, count=VISITS_AHEAD, holding=holding)
        return Response({"visits": [visit_json(visit, link_token) for visit in visits]})

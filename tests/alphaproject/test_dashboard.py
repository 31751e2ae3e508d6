"""The back office's first page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from alphaproject.dashboard import activity, survey_progress
from catalog.models import Survey, SurveyImage
from classification.models import DailyCount
from tests.catalog.factories import make_face_types

pytestmark = pytest.mark.django_db


@pytest.fixture
def counts() -> None:
    """Yesterday 6 alphas and 2 omegas; today 2 alphas, 3 photos too dark and one without a face; much long ago."""
    make_face_types()
    today = timezone.localdate()
    rows = [
        (1, "api", "alpha", 5),
        (1, "web", "alpha", 1),
        (1, "web", "omega", 2),
        (0, "mobile", "alpha", 2),
        (0, "mobile", "too_dark", 3),
        (0, "mobile", "no_face", 1),
        (30, "mobile", "gamma", 10_000),
    ]
    for days_ago, client, outcome, count in rows:
        DailyCount.objects.create(day=today - timedelta(days=days_ago), client=client, outcome=outcome, count=count)


@pytest.mark.usefixtures("counts")
def test_the_last_month_is_summed_up_by_day_type_and_reason() -> None:
    month = activity()

    assert (month.classified, month.refused, month.refused_percent) == ("10", "4", "28.6")
    assert [(day.classified, day.refused) for day in month.days[-2:]] == [(8, 0), (2, 4)]
    assert len(month.days) == 30
    assert month.days[-2].classified_share == 100
    assert [(bar.label, bar.value) for bar in month.types] == [
        ("Alpha", 8),
        ("Beta", 0),
        ("Gamma", 0),
        ("Delta", 0),
        ("Omega", 2),
    ]
    assert [(bar.label, bar.value, bar.percent) for bar in month.reasons] == [
        ("too dark", 3, "75"),
        ("no face", 1, "25"),
    ]


def test_a_survey_counts_no_more_ratings_of_an_image_than_it_wants() -> None:
    now = timezone.now()
    survey = Survey.objects.create(title_en="Open", title_ko="열림", opens_at=now, ratings_wanted=10)
    Survey.objects.create(title_en="Closed", title_ko="닫힘", opens_at=now - timedelta(days=2), closes_at=now)
    Survey.objects.create(title_en="Draft", title_ko="초안")
    for number, count in enumerate([4, 25]):
        SurveyImage.objects.create(survey=survey, key=str(number), rating_count=count)

    (progress,) = survey_progress()

    assert progress.title == "Open"
    assert (progress.bar.value, progress.wanted, progress.bar.percent) == (14, "20", "70")


@pytest.mark.usefixtures("counts")
@pytest.mark.parametrize("language", ["en", "ko"])
def test_everybody_sees_only_what_they_may(client: Client, admin_client: Client, language: str) -> None:
    headers = {"accept-language": language}
    url = reverse("admin:index")
    everything: Any = admin_client.get(url, headers=headers)
    assert everything.status_code == 200
    assert everything.context["dashboard"]["activity"]
    assert everything.context["dashboard"]["models"]

    user = User.objects.create_user("someone", is_staff=True)
    client.force_login(user)
    nothing: Any = client.get(url, headers=headers)
    assert nothing.status_code == 200
    assert nothing.context["dashboard"] == {"days": 30, "activity": None, "waiting": [], "surveys": [], "models": []}

    user.user_permissions.set(Permission.objects.filter(codename="view_modelrelease"))
    models: Any = client.get(url, headers=headers)
    assert models.context["dashboard"]["activity"] is None
    assert [model.name for model in models.context["dashboard"]["models"]]


def test_it_takes_as_many_queries_for_much_as_for_little(admin_client: Client) -> None:
    make_face_types()
    url = reverse("admin:index")
    today = timezone.localdate()

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert admin_client.get(url).status_code == 200
        return len(captured)

    def fill(size: int) -> None:
        survey = Survey.objects.create(title_en="S", title_ko="S", opens_at=timezone.now())
        for number in range(size):
            SurveyImage.objects.create(survey=survey, key=str(number))
            DailyCount.objects.create(
                day=today - timedelta(days=number), client="api", outcome="alpha", count=size, id=None
            )

    fill(2)
    queries()
    few = queries()
    DailyCount.objects.all().delete()
    fill(25)

    assert queries() == few


def test_charts_have_their_numbers_in_tables(admin_client: Client, counts: None) -> None:
    page = admin_client.get(reverse("admin:index")).content.decode()

    # Drawn bars are hidden from screen readers, and each number stands in a cell with a header.
    assert 'class="dashboard-days" aria-hidden="true"' in page
    assert page.count('<th scope="row">') >= 30 + 5 + 2

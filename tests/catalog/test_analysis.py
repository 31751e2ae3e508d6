"""The analysis page of a survey, its pictures and its tables."""

from __future__ import annotations

import csv
import io
import re
from html import unescape
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client as HttpClient
from django.test.utils import CaptureQueriesContext
from PIL import Image

from catalog.models import FaceType, Rating, Survey, SurveyResult
from catalog.models.survey import Method
from catalog.services.aggregation import Votes
from catalog.services.rater_groups import rater_groups
from catalog.services.survey_results import result_create
from catalog.survey.analysis import figures, plots
from tests.catalog.factories import make_celebrity, make_face_types, make_image
from tests.catalog.raters import add_image, make_open_survey, make_rater, rate_images

pytestmark = pytest.mark.django_db


def rated_survey(celebrities: int = 3, images_each: int = 2, raters: int = 4, **fields: Any) -> Survey:
    """The n-th celebrity is rated n + 1 on average, and raters differ the more about the later ones."""
    survey = make_open_survey(**fields)
    images = [
        add_image(survey, make_image(celebrity=celebrity))
        for celebrity in [make_celebrity(name_en=f"Number {number}") for number in range(celebrities)]
        for _ in range(images_each)
    ]
    for number in range(raters):
        rater = make_rater(survey, age_band="18_24" if number % 2 else "35_44", sex="" if number else "female")
        for place, image in enumerate(images):
            celebrity = place // images_each
            swing = celebrity if number % 2 else -celebrity
            rate_images(rater, [image], value=min(7, max(1, celebrity + 2 + (swing > 0) - (swing < 0))))
    return survey


@pytest.fixture
def types(db: None) -> list[FaceType]:
    return make_face_types()


@pytest.fixture
def result(types: list[FaceType]) -> SurveyResult:
    return result_create(survey=rated_survey())


def address(result: SurveyResult, rest: str = "") -> str:
    return f"/admin/catalog/survey/{result.survey_id}/analysis/{rest}"


def text(response: Any) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode())))


def table(response: Any) -> list[list[str]]:
    content = b"".join(response.streaming_content).decode()
    assert content.startswith("\ufeff")
    return list(csv.reader(io.StringIO(content[1:])))


# --- Numbers ---


def test_shares_of_the_types_add_up(result: SurveyResult) -> None:
    shares = figures.type_shares(result, "whole_face")

    assert [share.code for share in shares] == ["alpha", "beta", "gamma", "delta", "omega"]
    assert sum(share.count for share in shares) == result.rows.count() == 6
    assert sum(share.share for share in shares) == pytest.approx(1)


def test_celebrities_are_ranked_by_the_mean_of_their_images(result: SurveyResult) -> None:
    ranked = figures.ranking(result, "whole_face")

    assert [(one.place, one.name, one.images, one.ratings) for one in ranked] == [
        (1, "Number 2", 2, 8),
        (2, "Number 1", 2, 8),
        (3, "Number 0", 2, 8),
    ]
    assert [one.value for one in ranked] == [4, 3, 2]


def test_interval_of_a_celebrity_narrows_with_its_images(types: list[FaceType]) -> None:
    one_image = figures.ranking(result_create(survey=rated_survey(images_each=1)), "whole_face")[0]
    four_images = figures.ranking(result_create(survey=rated_survey(images_each=4)), "whole_face")[0]

    # Four ratings, 3 and 5 twice each, have a standard deviation of 2 / sqrt(3).
    row_margin = 3.1824 * (2 / 3**0.5) / 2
    assert one_image.low == pytest.approx(4 - row_margin, abs=1e-3)
    assert four_images.low is not None
    assert four_images.high is not None
    assert four_images.high - 4 == pytest.approx(1.95996 * (2 / 3**0.5) / 2 / 4**0.5, abs=1e-4)
    assert 4 - four_images.low == pytest.approx(four_images.high - 4)


def test_values_that_are_no_means_get_no_mean_interval(types: list[FaceType]) -> None:
    result = result_create(survey=rated_survey(), method=Method.DAWID_SKENE)

    assert {(one.low, one.high) for one in figures.ranking(result, "whole_face")} == {(None, None)}


def test_types_scale_ranks_the_smallest_value_first(types: list[FaceType]) -> None:
    result = result_create(survey=rated_survey(scale="types"))

    assert [one.name for one in figures.ranking(result, "whole_face")] == ["Number 0", "Number 1", "Number 2"]


def test_images_of_nobody_in_the_catalogue_are_ranked_by_name(types: list[FaceType]) -> None:
    survey = make_open_survey()
    rater = make_rater(survey)
    for number in range(3):
        image = add_image(survey, None, key=f"outside {number}")
        Rating.objects.create(
            survey_image=image, rater=rater, part="whole_face", value=number + 1, created_at=survey.created_at
        )

    ranked = figures.ranking(result_create(survey=survey), "whole_face")

    assert [one.name for one in ranked] == ["outside 2", "outside 1", "outside 0"]
    assert ranked[0].low is None


def test_images_that_raters_differ_about_come_first(result: SurveyResult) -> None:
    rows = figures.disagreement(result, "whole_face", limit=3)

    spreads = [row.spread for row in rows]
    assert spreads == sorted(spreads, reverse=True)  # type: ignore[type-var]
    # Ratings of 3 and 5, or 2 and 4, twice each.
    assert spreads[0] == pytest.approx(2 / 3**0.5)
    assert result.rows.order_by("spread")[0].spread == 0


def test_groups_of_raters_count_each_rater_once() -> None:
    # Two women, one of whom answered twice as much, and a man.
    votes = Votes(
        item=np.array([0, 1, 2, 3, 0, 1, 0, 1, 2]),
        rater=np.array([0, 0, 0, 0, 1, 1, 2, 2, 2]),
        value=np.array([1.0, 2, 3, 2, 6, 6, 4, 5, 6]),
        items=4,
        raters=3,
    )

    groups = rater_groups(votes, age_bands=["18_24", "", "18_24"], sexes=["female", "female", "male"])

    assert [(group.by, group.value, group.raters, group.ratings, group.mean) for group in groups] == [
        ("age_band", "18_24", 2, 7, 3.5),
        ("age_band", "", 1, 2, 6),
        ("sex", "female", 2, 6, 4),
        ("sex", "male", 1, 3, 5),
    ]
    # Means of 2 and 6: t(1) = 12.706, standard error 2.
    women = groups[2]
    assert women.low == pytest.approx(4 - 12.706 * 2, abs=0.01)
    assert (groups[3].low, groups[3].correlation) == (None, None)


def test_groups_that_rank_alike_correlate() -> None:
    items = np.tile(np.arange(6), 2)
    same = Votes(items, np.repeat([0, 1], 6), np.concatenate([np.arange(6.0), np.arange(6.0) * 2]), 6, 2)
    opposite = Votes(items, np.repeat([0, 1], 6), np.concatenate([np.arange(6.0), -np.arange(6.0)]), 6, 2)

    def correlations(votes: Votes) -> list[float | None]:
        groups = rater_groups(votes, age_bands=["", ""], sexes=["female", "male"])
        return [group.correlation for group in groups if group.by == "sex"]

    assert correlations(same) == pytest.approx([1, 1])
    assert correlations(opposite) == pytest.approx([-1, -1])


# --- The page ---


def test_page_shows_all_of_a_result(admin_client: HttpClient, result: SurveyResult) -> None:
    page = admin_client.get(address(result), headers={"accept-language": "en"})

    assert page.status_code == 200
    shown = text(page)
    for words in (
        "24 ratings of 6 images by 4 raters",
        "1 Number 2 4.00",
        "Krippendorff's alpha, ordinal",
        "18 to 24",
        "sex not said",
        "What raters differ most about",
    ):
        assert words in shown
    assert f"analysis/types.png?result={result.pk}&amp;part=whole_face" in page.content.decode()


def test_page_can_show_an_earlier_result_and_another_part(admin_client: HttpClient, types: list[FaceType]) -> None:
    survey = rated_survey(parts=["whole_face", "lower_face"])
    earlier = result_create(survey=survey)
    rater = make_rater(survey)
    for image in survey.survey_images.all():
        rate_images(rater, [image], value=7, part="lower_face")
    later = result_create(survey=survey)

    page = admin_client.get(address(later))
    assert (page.context["result"], page.context["part"]) == (later, "whole_face")
    page = admin_client.get(address(later, "?part=lower_face"))
    assert page.context["ranked"][0].value == 7
    page = admin_client.get(address(later, f"?result={earlier.pk}&part=lower_face"))
    assert (page.context["result"], page.context["part"]) == (earlier, "whole_face")


def test_survey_without_a_result_offers_to_make_one(admin_client: HttpClient) -> None:
    survey = rated_survey()

    page = admin_client.get(f"/admin/catalog/survey/{survey.pk}/analysis/", headers={"accept-language": "en"})

    assert "There is no result yet." in text(page)
    assert "raters: 4" in text(page)
    assert admin_client.get(f"/admin/catalog/survey/{survey.pk}/analysis/types.csv").status_code == 404
    assert admin_client.get(f"/admin/catalog/survey/{survey.pk}/analysis/types.png").status_code == 404


def test_long_ranking_has_pages(admin_client: HttpClient, types: list[FaceType]) -> None:
    result = result_create(survey=rated_survey(celebrities=35, images_each=1, raters=1))

    first, second = (admin_client.get(address(result, f"?page={page}")) for page in (1, 2))

    places = [[one.place for one in page.context["ranked"]] for page in (first, second)]
    assert places == [list(range(1, 31)), list(range(31, 36))]
    assert (first.context["has_next"], second.context["has_next"]) == (True, False)


@pytest.mark.parametrize("query", ["page=0", "page=x", "page=99999999999999999999", "part=nose", "part=%00", "page=²"])
def test_nonsense_in_the_address_is_passed_over(admin_client: HttpClient, result: SurveyResult, query: str) -> None:
    assert admin_client.get(address(result, f"?{query}")).status_code == 200


@pytest.mark.parametrize("wanted", ["0", "x", "99999999999999999999", "\x00"])
def test_unknown_result_is_not_found(admin_client: HttpClient, result: SurveyResult, wanted: str) -> None:
    assert admin_client.get(address(result), {"result": wanted}).status_code == 404


def test_result_of_another_survey_is_not_found(admin_client: HttpClient, result: SurveyResult) -> None:
    other = result_create(survey=rated_survey())

    assert admin_client.get(address(result, f"?result={other.pk}")).status_code == 404
    assert admin_client.get(f"/admin/catalog/survey/{10**30}/analysis/").status_code == 404


@pytest.mark.parametrize("rest", ["", "types.csv", "types.png"])
def test_analysis_is_for_staff_with_the_permission(client: HttpClient, result: SurveyResult, rest: str) -> None:
    assert client.get(address(result, rest)).status_code == 302
    user = User.objects.create_user("staff", is_staff=True)
    client.force_login(user)
    assert client.get(address(result, rest)).status_code == 403

    user.user_permissions.add(Permission.objects.get(codename="view_surveyresult"))

    assert client.get(address(result, rest)).status_code == 200


def test_analysis_costs_the_same_however_much_there_is(admin_client: HttpClient, types: list[FaceType]) -> None:
    costs = []
    for size in (3, 12):
        result = result_create(survey=rated_survey(celebrities=size, raters=size))
        admin_client.get(address(result))
        with CaptureQueriesContext(connection) as queries:
            assert admin_client.get(address(result)).status_code == 200
        costs.append(len(queries))

    assert costs[0] == costs[1] < 20


# --- Pictures ---


@pytest.mark.parametrize("name", ["types", "ranking", "groups", "agreement"])
def test_pictures_can_be_saved(admin_client: HttpClient, result: SurveyResult, name: str) -> None:
    png = admin_client.get(address(result, f"{name}.png?download"))
    svg = admin_client.get(address(result, f"{name}.svg"))

    with Image.open(io.BytesIO(png.content)) as image:
        assert image.format == "PNG"
        assert image.width > 800
    assert png["Content-Disposition"].startswith("attachment;")
    assert svg["Content-Type"] == "image/svg+xml"
    # Texts are texts.
    assert ">Faces – whole face<" in svg.content.decode()


def test_korean_pictures_are_in_korean_or_at_least_legible(
    admin_client: HttpClient, result: SurveyResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    korean = {"accept-language": "ko"}
    FaceType.objects.filter(code="alpha").update(name_ko="알파")

    assert "알파" in admin_client.get(address(result, "types.svg"), headers=korean).content.decode()

    # On a server without a Korean font a PNG speaks English.
    monkeypatch.setattr(plots, "korean_font", lambda: "")
    assert plots.language_for("png", "ko") == "en"
    assert plots.language_for("svg", "ko") == "ko"
    assert admin_client.get(address(result, "types.png"), headers=korean).status_code == 200


def test_picture_of_no_numbers_says_so(admin_client: HttpClient, result: SurveyResult) -> None:
    SurveyResult.objects.update(groups={})

    assert "There are no numbers to draw." in admin_client.get(address(result, "groups.svg")).content.decode()


@pytest.mark.parametrize("name", ["types.gif", "nothing.png", "types.exe", "nothing.csv"])
def test_unknown_picture_or_table_is_not_found(admin_client: HttpClient, result: SurveyResult, name: str) -> None:
    assert admin_client.get(address(result, name)).status_code == 404


# --- Tables ---


def test_tables_hold_every_number(admin_client: HttpClient, result: SurveyResult) -> None:
    tables = {
        name: table(admin_client.get(address(result, f"{name}.csv")))
        for name in ("types", "ranking", "images", "groups", "agreement")
    }

    assert [row[0] for row in tables["types"][1:]] == ["alpha", "beta", "gamma", "delta", "omega"]
    assert [row[:4] for row in tables["ranking"]] == [
        ["place", "name", "images", "ratings"],
        ["1", "Number 2", "2", "8"],
        ["2", "Number 1", "2", "8"],
        ["3", "Number 0", "2", "8"],
    ]
    assert len(tables["images"]) == 7
    assert [float(row[6]) for row in tables["images"][1:]] == [4, 4, 3, 3, 2, 2]
    assert {row[1] for row in tables["groups"][1:]} == {"18_24", "35_44", "female", ""}
    measures = dict(tables["agreement"][1:])
    assert float(measures["alpha_ordinal"]) == result.agreement["whole_face"]["alpha_ordinal"]


def test_tables_hold_no_formulas(admin_client: HttpClient, types: list[FaceType]) -> None:
    survey = make_open_survey()
    image = add_image(survey, make_image(celebrity=make_celebrity(name_en="=1+1", name_ko="@SUM(A1)")), key="-2+3")
    rate_images(make_rater(survey), [image])
    result = result_create(survey=survey)

    row = table(admin_client.get(address(result, "images.csv")))[1]
    assert row[1:4] == ["'-2+3", "'@SUM(A1)", "'=1+1"]
    assert table(admin_client.get(address(result, "ranking.csv"), headers={"accept-language": "en"}))[1][1] == "'=1+1"


def test_survey_and_result_lead_to_the_analysis(admin_client: HttpClient, result: SurveyResult) -> None:
    survey_page = admin_client.get(f"/admin/catalog/survey/{result.survey_id}/change/").content.decode()
    result_page = admin_client.get(f"/admin/catalog/surveyresult/{result.pk}/change/").content.decode()

    assert f'href="{address(result)}"' in survey_page
    assert f'href="{address(result)}?result={result.pk}"' in result_page

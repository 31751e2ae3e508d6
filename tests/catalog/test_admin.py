"""The curators' screens."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from catalog.models import Celebrity, CelebrityImage, FaceType, Guidance, ScoringPolicy
from catalog.services.seed import catalog_seed
from tests.catalog.factories import make_celebrity, make_image, make_images, make_picture
from tests.fakes import FakeBackend

pytestmark = pytest.mark.django_db

MODELS = (FaceType, Guidance, Celebrity, CelebrityImage, ScoringPolicy)
IMAGES = "admin:catalog_celebrityimage_changelist"


@pytest.fixture
def alpha() -> FaceType:
    """A catalogue with its texts, one celebrity and no image."""
    make_celebrity(name_ko="홍길동", name_en="Hong Gildong")
    catalog_seed()
    return FaceType.objects.get(code="alpha")


@pytest.fixture
def curator(client: Client) -> Client:
    """Someone who may do everything in the catalogue and nothing else."""
    user = User.objects.create_user("curator", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="catalog"))
    client.force_login(user)
    return client


def said(response: HttpResponse) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def run_action(client: Client, name: str, images: list[CelebrityImage]) -> list[str]:
    data = {"action": name, "_selected_action": [image.pk for image in images]}
    return said(client.post(reverse(IMAGES), data, follow=True))


def post_image(client: Client, url: str, **fields: Any) -> Any:
    data = {"celebrity": Celebrity.objects.get(name_en="Hong Gildong").pk, "source": "here", "licence": "CC0-1.0"}
    data |= {"attribution": "", "face_type": FaceType.objects.get(code="alpha").pk} | fields
    return client.post(url, {name: value for name, value in data.items() if value is not None}, follow=True)


def upload(content: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("picture.jpg", content, "image/jpeg")


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_screen_opens(curator: Client, alpha: FaceType, model: type[Any], language: str) -> None:
    make_image(alpha, published=True)
    name = f"admin:catalog_{model._meta.model_name}"
    headers = {"accept-language": language}

    assert curator.get(reverse(f"{name}_changelist"), headers=headers).status_code == 200
    row = model.objects.first()
    assert curator.get(reverse(f"{name}_change", args=[row.pk]), headers=headers).status_code == 200
    expected = 403 if model in (FaceType, Guidance) else 200
    assert curator.get(reverse(f"{name}_add"), headers=headers).status_code == expected


def test_the_sidebar_shows_what_one_may_see(curator: Client, alpha: FaceType) -> None:
    page = curator.get(reverse("admin:index")).content.decode()

    assert reverse(IMAGES) in page
    assert reverse("admin:auth_user_changelist") not in page


@pytest.mark.parametrize("model", [Celebrity, CelebrityImage], ids=lambda model: model.__name__)
def test_a_list_takes_as_many_queries_for_many_rows_as_for_few(
    curator: Client, alpha: FaceType, model: type[Any]
) -> None:
    url = reverse(f"admin:catalog_{model._meta.model_name}_changelist")

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert curator.get(url).status_code == 200
        return len(captured)

    make_images(alpha, 2)
    queries()
    few = queries()
    make_images(alpha, 18)

    assert queries() == few


def test_thumbnails_load_lazily_at_their_size(curator: Client, alpha: FaceType) -> None:
    image = make_image(alpha)

    page = curator.get(reverse(IMAGES)).content.decode()

    assert re.search(rf'<img src="[^"]*{image.file}" width="60" height="75" loading="lazy"', page)


def test_images_are_found_by_name_and_filtered(curator: Client, alpha: FaceType) -> None:
    found = make_image(alpha, celebrity=Celebrity.objects.get(name_en="Hong Gildong"))
    make_image(FaceType.objects.get(code="beta"), published=True)

    for query in ("q=홍길동", "published=no", f"face_type__id__exact={alpha.pk}", f"celebrity={found.celebrity_id}"):
        response = curator.get(f"{reverse(IMAGES)}?{query}")
        assert list(response.context["cl"].queryset) == [found]


def test_publishing_counts_what_it_did_and_names_what_it_could_not(curator: Client, alpha: FaceType) -> None:
    complete = [make_image(alpha), make_image(alpha)]
    incomplete = make_image(alpha, licence="")

    messages = run_action(curator, "publish_selected", [*complete, incomplete])

    assert messages[0] == "2 images published."
    assert str(incomplete) in messages[1]
    assert "licence is missing" in messages[1]
    assert CelebrityImage.objects.published().count() == 2
    assert run_action(curator, "unpublish_selected", complete[:1]) == ["1 image unpublished."]
    assert CelebrityImage.objects.published().count() == 1


def test_deleting_a_selection_keeps_the_gallery_dense(curator: Client, alpha: FaceType) -> None:
    first, second, third = make_images(alpha, 3)

    data = {"action": "delete_selected", "_selected_action": [first.pk, second.pk], "post": "yes"}
    curator.post(reverse(IMAGES), data, follow=True)
    curator.post(reverse("admin:catalog_celebrityimage_delete", args=[make_image(alpha).pk]), {"post": "yes"})

    third.refresh_from_db()
    assert third.gallery_slot == 0
    assert CelebrityImage.objects.count() == 1


def test_an_uploaded_picture_is_added_and_published(curator: Client, alpha: FaceType, engine: FakeBackend) -> None:
    url = reverse("admin:catalog_celebrityimage_add")

    response = post_image(curator, url, upload=upload(make_picture("PNG")), publish="on")

    assert response.redirect_chain
    image = CelebrityImage.objects.get()
    assert (image.face_type, image.gallery_slot, image.width, image.height) == (alpha, 0, 200, 250)


def test_a_picture_is_refused_in_words(curator: Client, alpha: FaceType, engine: FakeBackend) -> None:
    url = reverse("admin:catalog_celebrityimage_add")
    content = make_picture()
    post_image(curator, url, upload=upload(content))

    duplicate = post_image(curator, url, upload=upload(content))
    text = post_image(curator, url, upload=upload(b"text"))
    nothing = post_image(curator, url)

    assert duplicate.context["adminform"].form.errors["upload"] == ["This picture is in the catalogue already."]
    assert text.context["adminform"].form.errors["upload"] == ["This is not a JPEG, PNG or WebP picture."]
    assert list(nothing.context["adminform"].form.errors) == ["upload"]
    assert CelebrityImage.objects.count() == 1


@pytest.mark.parametrize("missing", ["face_type", "source", "licence"])
def test_publishing_names_the_field_that_is_missing(curator: Client, alpha: FaceType, missing: str) -> None:
    image = make_image(alpha)
    url = reverse("admin:catalog_celebrityimage_change", args=[image.pk])

    refused = post_image(curator, url, publish="on", **{missing: ""})

    assert refused.context["adminform"].form.errors == {missing: ["A published image needs this."]}
    post_image(curator, url, publish="on")
    image.refresh_from_db()
    assert image.is_published


def test_an_edit_moves_a_published_image_or_takes_it_back(curator: Client, alpha: FaceType) -> None:
    omega = FaceType.objects.get(code="omega")
    make_images(omega, 2)
    first, second = make_images(alpha, 2)
    url = reverse("admin:catalog_celebrityimage_change", args=[first.pk])

    post_image(curator, url, publish="on", face_type=omega.pk, source="elsewhere")

    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.face_type, first.gallery_slot, first.source) == (omega, 2, "elsewhere")
    assert second.gallery_slot == 0

    post_image(curator, url, licence="", face_type="")

    first.refresh_from_db()
    assert (first.face_type, first.gallery_slot, first.licence) == (None, None, "")


def test_a_type_tells_how_many_images_it_shows(curator: Client, alpha: FaceType) -> None:
    make_images(alpha, 3)
    url = reverse("admin:catalog_facetype_change", args=[alpha.pk])
    assert "3 images. Fewer than four: the mobile app fills up" in curator.get(url).content.decode()

    make_images(alpha, 1)

    assert "Fewer than four" not in curator.get(url).content.decode()
    # The four other types have none.
    assert curator.get(reverse("admin:catalog_facetype_changelist")).content.decode().count("Fewer than four") == 4


def test_a_types_texts_are_edited_within_the_mobile_apps_rules(curator: Client, alpha: FaceType) -> None:
    url = reverse("admin:catalog_facetype_change", args=[alpha.pk])
    texts = {"name_ko": "알파", "name_en": "Alpha", "description_ko": "가.\n나.\n다.", "description_en": "A.\nB.\nC."}

    refused = curator.post(url, texts | {"description_en": "A. · B.\nC.\nD."})
    assert list(refused.context["adminform"].form.errors) == ["description_en"]

    curator.post(url, texts)
    alpha.refresh_from_db()
    assert alpha.sentences("en") == ["A.", "B.", "C."]
    assert (alpha.rank, alpha.code) == (1, "alpha")


def test_a_policy_is_edited_activated_and_kept(curator: Client, alpha: FaceType) -> None:
    active = ScoringPolicy.objects.get()
    numbers = {
        field.name: getattr(active, field.name)
        for field in ScoringPolicy._meta.fields
        if field.name.startswith(("weight", "factor", "threshold"))
    }
    add, changelist = reverse("admin:catalog_scoringpolicy_add"), reverse("admin:catalog_scoringpolicy_changelist")

    refused = curator.post(add, {"name": "Other", **numbers, "weight_whole_face": 60})
    assert refused.context["adminform"].form.non_field_errors() == ["The three weights must add up to 100."]
    curator.post(add, {"name": "Other", **numbers, "threshold_alpha": 90})
    other = ScoringPolicy.objects.get(name="Other")

    both = curator.post(changelist, {"action": "activate", "_selected_action": [active.pk, other.pk]}, follow=True)
    assert said(both)[-1] == "Select exactly one policy to activate."
    curator.post(changelist, {"action": "activate", "_selected_action": [other.pk]})
    other.refresh_from_db()
    assert other.is_active

    assert (
        curator.post(reverse("admin:catalog_scoringpolicy_delete", args=[other.pk]), {"post": "yes"}).status_code == 403
    )
    assert (
        curator.post(reverse("admin:catalog_scoringpolicy_delete", args=[active.pk]), {"post": "yes"}).status_code
        == 302
    )
    assert list(ScoringPolicy.objects.all()) == [other]


def test_a_celebrity_with_images_is_not_deleted(curator: Client, alpha: FaceType) -> None:
    image = make_image(alpha)

    curator.post(reverse("admin:catalog_celebrity_delete", args=[image.celebrity_id]), {"post": "yes"})

    assert Celebrity.objects.filter(pk=image.celebrity_id).exists()


def test_viewers_cannot_publish(client: Client, alpha: FaceType) -> None:
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename="view_celebrityimage"))
    client.force_login(viewer)
    image = make_image(alpha)

    client.post(reverse(IMAGES), {"action": "publish_selected", "_selected_action": [image.pk]}, follow=True)

    image.refresh_from_db()
    assert not image.is_published

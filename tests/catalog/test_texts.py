"""The texts a fresh catalogue has, and the rules for those that curators write."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from catalog.defaults import GUIDANCE_TEXTS, TYPE_TEXTS, TypeText
from catalog.models import FaceType
from catalog.validators import validate_description
from inference import contracts
from tests.catalog.factories import make_face_types


def test_there_is_a_text_for_every_type_and_every_refusal() -> None:
    assert [text.code for text in TYPE_TEXTS] == list(contracts.FaceType)
    assert [text.id for text in TYPE_TEXTS] == [1, 2, 3, 4, 5]
    assert {text.code for text in GUIDANCE_TEXTS} == {*contracts.RefusalReason, "under_age"}
    assert len({text.code for text in GUIDANCE_TEXTS}) == len(GUIDANCE_TEXTS)


@pytest.mark.parametrize("text", TYPE_TEXTS, ids=lambda text: text.code)
def test_a_types_sentences_fit_the_mobile_app(text: TypeText) -> None:
    for sentences, longest in ((text.sentences_ko, 60), (text.sentences_en, 90)):
        assert len(sentences) == 4
        validate_description("\n".join(sentences))
        assert all(sentence.endswith(".") and len(sentence) <= longest for sentence in sentences)


def test_guidance_says_why_and_what_to_do_in_a_sentence_each() -> None:
    for text in GUIDANCE_TEXTS:
        for sentence in (text.message_ko, text.message_en, text.advice_ko, text.advice_en):
            assert sentence.endswith(".")
            assert sentence.count(".") == 1


@pytest.mark.django_db
def test_a_text_comes_in_the_readers_language() -> None:
    alpha = make_face_types()[0]
    alpha.name_ko, alpha.description_ko = "알파", "하나.\n\n 둘. \n셋."

    assert alpha.name("ko") == alpha.name("ko-KR") == alpha.name("KO_kr") == "알파"
    assert alpha.name("en") == alpha.name("fr") == alpha.name("") == "Alpha"
    assert alpha.sentences("ko") == ["하나.", "둘.", "셋."]
    assert alpha.description("ko") == "하나. 둘. 셋."
    assert alpha.description("en-GB") == "One. Two. Three."


@pytest.mark.parametrize("text", ["", "One.", "One.\nTwo.\n\n", "One. Two. Three.", "One.\nTwo · two.\nThree."])
def test_a_description_the_mobile_app_could_not_show_is_refused(text: str) -> None:
    validate_description("One.\nTwo.\nThree.")

    with pytest.raises(ValidationError):
        validate_description(text)


@pytest.mark.django_db
@pytest.mark.parametrize("field", ["description_ko", "description_en"])
def test_a_type_names_the_description_that_is_wrong(field: str) -> None:
    alpha = make_face_types()[0]
    setattr(alpha, field, "Too short.")

    with pytest.raises(ValidationError) as refusal:
        alpha.full_clean()

    assert list(refusal.value.message_dict) == [field]
    assert FaceType.objects.get(code="alpha").sentences("en") == ["One.", "Two.", "Three."]

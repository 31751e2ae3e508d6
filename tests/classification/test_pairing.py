"""What is said about two results together, for every pair of types."""

from __future__ import annotations

import re
from itertools import product
from uuid import UUID, uuid5

import pytest
from django.utils import translation

from classification.pair_texts import HEADLINES, OPENINGS, PART_LINES, QUALITIES, pair_text
from classification.pairing import Likeness, likeness_of, overlap_of, pairing_of
from inference.contracts import FacePart, FaceType
from tests.classification.people import make_parts

NAMESPACE = UUID("12345678-1234-5678-1234-567812345678")
IDS = (uuid5(NAMESPACE, "one"), uuid5(NAMESPACE, "other"))
ALL_PAIRS = list(product(FaceType, repeat=2))
# Words that would make one of two people the lesser one.
UNKIND = re.compile(
    r"\b(better|best|worse|worst|win|wins|winner|lose|loser|beat|beats|rank|ugly|plain|inferior|superior|above|below"
    r"|score|worth|less attractive|more attractive)\b",
    re.IGNORECASE,
)


@pytest.mark.parametrize(("first", "second"), ALL_PAIRS)
def test_every_pair_of_types_gets_kind_words_the_same_for_both(first: FaceType, second: FaceType) -> None:
    one, other = make_parts(first), make_parts(second)

    text = pair_text(pairing_of(one, other), (first, second), IDS)
    mirrored = pair_text(pairing_of(other, one), (second, first), IDS[::-1])

    assert text.headline == mirrored.headline
    assert text.opening == mirrored.opening
    assert set(text.parts) == set(FacePart)
    for sentence in (text.headline, text.opening, *text.parts.values()):
        assert sentence
        assert "%" not in sentence
        assert not UNKIND.search(sentence)
    # A line about two different qualities names both.
    for line in text.parts.values():
        assert str(QUALITIES[first]) in line.lower()
        assert str(QUALITIES[second]) in line.lower()


@pytest.mark.parametrize(("first", "second"), ALL_PAIRS)
def test_likeness_is_the_distance_between_types(first: FaceType, second: FaceType) -> None:
    steps = abs(list(FaceType).index(first) - list(FaceType).index(second))
    expected = {0: Likeness.ALIKE, 1: Likeness.CLOSE}.get(steps, Likeness.DIFFERENT)

    assert likeness_of(first, second) == likeness_of(second, first) == expected


def test_parts_are_counted_one_by_one() -> None:
    pairing = pairing_of(make_parts("alpha", "beta", "omega"), make_parts("alpha", "gamma", "beta"))

    assert [pair.likeness for pair in pairing.parts] == [Likeness.ALIKE, Likeness.CLOSE, Likeness.DIFFERENT]
    assert pairing.alike == 1
    # The same type coincides wholly; two others share all but what makes them differ.
    assert [pair.overlap for pair in pairing.parts] == pytest.approx([1, 0.25, 0.25])
    assert pairing.overlap == pytest.approx(0.5)


def test_overlap_is_one_minus_the_total_variation_distance() -> None:
    first, second = [0.5, 0.3, 0.2, 0, 0], [0.1, 0.3, 0.2, 0.4, 0]

    assert overlap_of(first, second) == pytest.approx(
        1 - sum(abs(a - b) for a, b in zip(first, second, strict=True)) / 2
    )


def test_only_parts_of_both_are_compared() -> None:
    whole_only = make_parts("beta")[:1]

    assert [pair.part for pair in pairing_of(make_parts("beta"), whole_only).parts] == [FacePart.WHOLE_FACE]
    nothing = pairing_of([], whole_only)
    assert (nothing.parts, nothing.overlap) == ([], 0)
    assert pair_text(nothing, (FaceType.BETA, FaceType.BETA), IDS).opening == ""


def test_words_are_chosen_by_the_pair_and_all_of_them_are_used() -> None:
    pairing = pairing_of(make_parts("alpha", "beta", "omega"), make_parts("alpha", "gamma", "beta"))
    types = (FaceType.ALPHA, FaceType.ALPHA)
    texts = [pair_text(pairing, types, (IDS[0], uuid5(NAMESPACE, str(number)))) for number in range(40)]

    assert {text.headline for text in texts} == {str(each) for each in HEADLINES[types]}
    assert {text.opening for text in texts} == {str(each) for each in OPENINGS[1]}
    assert len({text.parts[FacePart.LOWER_FACE] for text in texts}) == len(PART_LINES[Likeness.DIFFERENT])
    assert texts[0] == pair_text(pairing, types, (IDS[0], uuid5(NAMESPACE, "0")))


def test_pair_keeps_its_words_in_another_language() -> None:
    pairing = pairing_of(make_parts("alpha"), make_parts("omega"))
    types = (FaceType.ALPHA, FaceType.OMEGA)
    position = [str(each) for each in HEADLINES[types]].index(pair_text(pairing, types, IDS).headline)

    with translation.override("ko"):
        assert pair_text(pairing, types, IDS).headline == str(HEADLINES[types][position])


def test_there_are_words_for_every_case() -> None:
    assert set(HEADLINES) == {(a, b) for a, b in ALL_PAIRS if list(FaceType).index(a) <= list(FaceType).index(b)}
    assert len(OPENINGS) == len(FacePart) + 1
    assert set(PART_LINES) == set(Likeness)
    assert all(len(variants) > 1 for variants in (*HEADLINES.values(), *OPENINGS, *PART_LINES.values()))

"""What the models can and cannot say, by the numbers on the cards of those in use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from catalog.survey.sample import SAMPLE_SET, SAMPLE_SURVEY
from classification.pages.about.card_texts import known_text
from classification.pages.about.page import AboutPage
from inference.cards import ModelCard, Number
from inference.comparison import CROSS_VALIDATED_R, FACES_ACCEPTED, RIGHT_REASONS, SCENES_ACCEPTED, part_iou
from inference.contracts import FacePart
from inference.models import ModelRelease

Facts = Sequence[tuple[str, str, Promise]]

# Model, metric of its card, and what the number says.
TYPE_FACTS: Facts = (
    (
        "types",
        CROSS_VALIDATED_R,
        _("How closely scores follow raters, on men it never saw (correlation, at most 1)"),
    ),
    ("types", "5-fold same type", _("Gives the type that the survey gave; guessing would reach 20 percent")),
    ("types", "5-fold at most one type apart", _("Gives that type or the one beside it")),
    (
        "types",
        "same type after any change",
        _("Keeps the type when the photo is cropped, lighter, smaller or mirrored"),
    ),
)
PHOTO_FACTS: Facts = (
    ("gate", FACES_ACCEPTED, _("Portraits that get a type")),
    ("gate", SCENES_ACCEPTED, _("Pictures without a face that get one all the same")),
    ("gate", RIGHT_REASONS, _("Unusable photos that are refused for the right reason")),
    ("parts", part_iou(FacePart.WHOLE_FACE), _("How well the box of the whole face fits (overlap)")),
    ("parts", part_iou(FacePart.UPPER_FACE), _("The same of the upper face")),
    ("parts", part_iou(FacePart.LOWER_FACE), _("The same of the lower face")),
)
WEAKNESSES: Facts = (
    (
        "gate",
        "with a beard: typed",
        _("Faces with a drawn beard that get a type; others seem covered"),
    ),
    ("gate", "head turned by 45 degrees: typed", _("Heads turned by 45 degrees that get a type")),
    (
        "gate",
        "head turned by 70 to 80 degrees: typed",
        _("Heads in profile that get a type, though they should not"),
    ),
    ("gate", "shaken by 20 % of the face: typed", _("Shaken photos that get a type, though they should not")),
    ("types", "same type after: half size", _("Small photos that keep their type at half the size")),
)
# By the beginning of the metrics' names: what is compared, and the groups in it.
GROUPS: Mapping[str, tuple[Promise, Mapping[str, Promise]]] = {
    "skin tone, thirds of the raters' light to dark": (
        _("Skin tone, as raters saw it"),
        {"1 light": _("lightest third"), "2 middle": _("middle third"), "3 dark": _("darkest third")},
    ),
    "origin that raters saw most": (
        _("Origin that raters saw most"),
        {
            "asian": _("Asian"),
            "black": _("Black"),
            "hispanic": _("Hispanic"),
            "islander": _("Pacific Islander"),
            "middle-eastern": _("Middle Eastern"),
            "native": _("Native American"),
            "white": _("White"),
        },
    ),
    "age in years": (_("Age in years"), {}),
    "gender": (_("Gender, as raters saw it"), {"man": _("men"), "woman": _("women")}),
}
_LARGEST_DIFFERENCE = "largest difference"


@dataclass(frozen=True, slots=True)
class Row:
    """One number as it is shown. bar: 0 to 100."""

    text: str
    value: str
    interval: str
    cases: int | None
    bar: float


@dataclass(frozen=True, slots=True)
class GroupTable:
    title: str
    rows: list[Row]
    largest_difference: Row | None


@dataclass(frozen=True, slots=True)
class ModelSheet:
    """A model's origin: limits and licences in the reader's language where they are ones we know."""

    name: str
    version: str
    licence: str
    limits: str
    sets: list[tuple[str, str]]
    teachers: list[tuple[str, str]]


class ModelsView(AboutPage):
    template_name = "about/models.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        cards = ModelRelease.objects.cards_in_use()
        return super().get_context_data(
            type_rows=rows_of(cards, TYPE_FACTS),
            photo_rows=rows_of(cards, PHOTO_FACTS),
            weaknesses=rows_of(cards, WEAKNESSES),
            groups=list(group_tables(cards["gate"])),
            sheets=[_sheet(card) for card in cards.values()],
            is_sample=any(SAMPLE_SET in card.sets for card in cards.values()),
            halves_agree=SAMPLE_SURVEY.half_correlation,
            **kwargs,
        )


def rows_of(cards: Mapping[str, ModelCard], facts: Facts) -> list[Row]:
    """Those of the facts that the cards in use tell."""
    return [
        _row(str(text), cards[model].numbers[metric], as_share=metric != CROSS_VALIDATED_R)
        for model, metric, text in facts
        if metric in cards[model].numbers
    ]


def group_tables(card: ModelCard) -> Iterable[GroupTable]:
    """How acceptance differs between people; only of what the card compares."""
    for prefix, (title, names) in GROUPS.items():
        numbers = {
            metric.removeprefix(f"{prefix}, "): number
            for metric, number in card.numbers.items()
            if metric.startswith(f"{prefix}, ")
        }
        rows = [_row(str(names.get(group, group)), number) for group, number in numbers.items()]
        difference = card.numbers.get(f"{prefix}: {_LARGEST_DIFFERENCE}")
        if rows:
            yield GroupTable(str(title), rows, _row(gettext("Largest difference"), difference) if difference else None)


def _row(text: str, number: Number, *, as_share: bool = True) -> Row:
    shown = _percent if as_share else _decimal
    interval = "" if number.low is None or number.high is None else f"{shown(number.low)} – {shown(number.high)}"
    return Row(text, shown(number.value), interval, number.cases, round(100 * min(1.0, max(0.0, number.value)), 1))


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _decimal(value: float) -> str:
    return f"{value:.2f}"


def _sheet(card: ModelCard) -> ModelSheet:
    return ModelSheet(
        name=card.name,
        version=card.version,
        licence=known_text(card.licence),
        limits=known_text(card.limits),
        sets=[(name, known_text(licence)) for name, licence in card.sets.items()],
        teachers=[(name, known_text(what)) for name, what in card.teachers.items()],
    )

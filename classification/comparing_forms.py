"""What people fill in to compare themselves with others."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django import forms
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from classification.models import Classification
from classification.models.comparing import BOARD_NAME_LENGTH, NICKNAME_LENGTH
from classification.nicknames import clean_name


@dataclass(frozen=True, slots=True)
class ResultOption:
    """One of a browser's results, to choose from."""

    value: str
    type_code: str
    letter: str
    type_name: str
    created_at: datetime
    is_checked: bool


class NameField(forms.CharField):
    """One line of visible text."""

    def to_python(self, value: Any) -> str:
        return clean_name(super().to_python(value) or "")


def nickname_field(*, required: bool) -> NameField:
    return NameField(
        label=_("Your nickname"),
        required=required,
        max_length=NICKNAME_LENGTH,
        widget=forms.TextInput(attrs={"autocomplete": "nickname"}),
        error_messages={"required": _("Please enter a nickname.")},
    )


def board_name_field() -> NameField:
    return NameField(
        label=_("Name of the board"),
        max_length=BOARD_NAME_LENGTH,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": _("Please give the board a name.")},
    )


class OnceForm(forms.Form):
    """A form that makes one thing however often it is sent. nonce: anew with every blank form."""

    nonce = forms.CharField(
        widget=forms.HiddenInput, required=False, max_length=64, initial=partial(secrets.token_urlsafe, 16)
    )


class InvitationForm(OnceForm):
    nickname = nickname_field(required=False)
    shows_photo = forms.BooleanField(label=_("Show my photo to this friend"), required=False)


class BoardForm(OnceForm):
    name = board_name_field()
    nickname = nickname_field(required=True)


class BoardNameForm(forms.Form):
    name = board_name_field()


class ResultChoiceForm(forms.Form):
    """Taking part with one of a browser's results."""

    result = forms.ChoiceField(
        label=_("Your result"),
        widget=forms.RadioSelect,
        error_messages={
            "required": _("Please choose one of your results."),
            "invalid_choice": _("Please choose one of your results."),
        },
    )

    def __init__(self, *args: Any, results: Sequence[Classification], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.results = {str(result.pk): result for result in results}
        field = self.fields["result"]
        field.choices = [(key, key) for key in self.results]  # type: ignore[attr-defined]
        field.initial = next(iter(self.results), None)

    @property
    def options(self) -> list[ResultOption]:
        language = get_language() or "en"
        value = self["result"].value()
        return [
            ResultOption(
                value=key,
                type_code=result.type.code,
                letter=result.type.letter,
                type_name=result.type.name(language),
                created_at=result.created_at,
                is_checked=key == value,
            )
            for key, result in self.results.items()
        ]

    @property
    def has_photos(self) -> bool:
        """Whether one of the results has a stored photo that could be shown."""
        return any(result.photo_key for result in self.results.values())

    @property
    def chosen(self) -> Classification:
        """Of a valid form."""
        return self.results[self.cleaned_data["result"]]


class AcceptForm(ResultChoiceForm):
    nickname = nickname_field(required=False)
    shows_photo = forms.BooleanField(label=_("Show my photo to this friend"), required=False)


class BoardJoinForm(ResultChoiceForm):
    nickname = nickname_field(required=True)

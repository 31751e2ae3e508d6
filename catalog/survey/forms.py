"""What a rater fills in."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from catalog.models.survey import AgeBand, Sex

_NO_ANSWER = ("", _("Prefer not to say"))


class JoinForm(forms.Form):
    """The welcome page's. Its button says that the rater agrees, and sends `consent`."""

    age_band = forms.ChoiceField(
        label=_("Your age"),
        choices=[_NO_ANSWER, *AgeBand.choices],
        widget=forms.RadioSelect,
        required=False,
        initial="",
    )
    sex = forms.ChoiceField(
        label=_("Your sex"), choices=[_NO_ANSWER, *Sex.choices], widget=forms.RadioSelect, required=False, initial=""
    )
    consent = forms.BooleanField(
        widget=forms.HiddenInput, error_messages={"required": _("You can take part only if you agree.")}
    )


class AnswerForm(forms.Form):
    """One answer, as a page without scripts sends it."""

    image = forms.IntegerField(min_value=1, max_value=2**63 - 1)
    round = forms.IntegerField(min_value=0, max_value=1)
    part = forms.CharField(max_length=20)
    value = forms.FloatField()
    replaces = forms.FloatField(required=False)

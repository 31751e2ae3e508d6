"""What a person fills in on the start page."""

from __future__ import annotations

import hashlib
import secrets
from functools import partial
from typing import Any

from django import forms
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from classification.models import MBTI_CODES
from classification.validators import IN_THE_FUTURE, OLDEST_BIRTH_DATE, TOO_LONG_AGO, validate_birth_date
from inference.contracts import PHOTO_MEDIA_TYPES


class PhotoForm(forms.Form):
    photo = forms.FileField(
        label=_("Photo"),
        # Phones convert their own formats, such as HEIC, when a page names the formats it takes.
        widget=forms.FileInput(attrs={"accept": ",".join(PHOTO_MEDIA_TYPES)}),
        error_messages={"required": _("Please choose a photo."), "empty": _("This file is empty.")},
    )
    birth_date = forms.DateField(
        label=_("Birth date"),
        input_formats=["%Y-%m-%d"],
        validators=[validate_birth_date],
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date", "autocomplete": "bday"}),
        error_messages={
            "required": _("Please enter the birth date."),
            "invalid": _("Please enter a date as year-month-day, such as 1995-03-21."),
        },
    )
    mbti = forms.ChoiceField(
        label=_("MBTI"),
        choices=[("", _("Skip")), *((code, code) for code in MBTI_CODES)],
        widget=forms.RadioSelect,
        required=False,
        initial="",
    )
    store_photo = forms.BooleanField(label=_("Keep my photo with the result"), required=False)
    # Made anew with every blank form, so that reloading the answer's page repeats nothing.
    nonce = forms.CharField(
        widget=forms.HiddenInput, required=False, max_length=64, initial=partial(secrets.token_urlsafe, 16)
    )

    # Where to go once there is a result, such as back to a friend's invitation.
    next = forms.CharField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["photo"].help_text = gettext("JPEG, PNG or WebP, up to %(size)d MB") % {
            "size": settings.MAX_PHOTO_BYTES // (1024 * 1024)
        }
        self.fields["store_photo"].help_text = ngettext(
            "If you agree, your photo is kept encrypted for %(days)d day and then erased. If not, it is gone once you "
            "have the answer. The result, your birth date and MBTI are kept as long. You can erase it all at once on "
            "the result page.",
            "If you agree, your photo is kept encrypted for %(days)d days and then erased. If not, it is gone once you "
            "have the answer. The result, your birth date and MBTI are kept as long. You can erase it all at once on "
            "the result page.",
            settings.RETENTION_DAYS,
        ) % {"days": settings.RETENTION_DAYS}
        birth_date = self.fields["birth_date"]
        birth_date.widget.attrs |= {
            "min": OLDEST_BIRTH_DATE.isoformat(),
            "max": timezone.localdate().isoformat(),
            # What to say, by the name of the browser's own finding (ValidityState).
            "data-value-missing": birth_date.error_messages["required"],
            "data-bad-input": birth_date.error_messages["invalid"],
            "data-range-overflow": IN_THE_FUTURE,
            "data-range-underflow": TOO_LONG_AGO,
        }

    def clean_photo(self) -> bytes:
        content: bytes = self.cleaned_data["photo"].read()
        return content

    @property
    def idempotency_key(self) -> str:
        """The same for the same answers on the same form; a photo or a date that was changed makes another."""
        if not (nonce := self.cleaned_data["nonce"]):
            return ""
        photo = hashlib.sha256(self.cleaned_data["photo"]).hexdigest()
        rest = "|".join(str(self.cleaned_data[name]) for name in ("birth_date", "mbti", "store_photo"))
        return f"{nonce}|{photo}|{rest}"

"""What a person fills in on the start page."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from classification.models import MBTI_CODES
from classification.validators import OLDEST_BIRTH_DATE, validate_birth_date

# Phones convert their own formats, such as HEIC, when a page names the formats it takes.
PHOTO_MEDIA_TYPES = ("image/jpeg", "image/png", "image/webp")


class PhotoForm(forms.Form):
    photo = forms.FileField(
        label=_("Photo"),
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
        self.fields["birth_date"].widget.attrs |= {
            "min": OLDEST_BIRTH_DATE.isoformat(),
            "max": timezone.localdate().isoformat(),
        }

"""What the models say of the catalogue's pictures."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from catalog.selectors import guidance
from inference import client
from inference.contracts import Busy, FaceAnalysis, InferenceError, RefusalReason

# Enough to keep the models' batches full; more would only wait.
_AT_ONCE = 8
_ATTEMPTS = 5


def analyse_many(pictures: Sequence[bytes]) -> list[FaceAnalysis | InferenceError]:
    """An analysis or an error for each picture, in their order. Busy models are asked again a few times."""
    if not pictures:
        return []
    # The backend is built here, not in a thread that would keep a database connection.
    client.versions()
    with ThreadPoolExecutor(min(_AT_ONCE, len(pictures)), "analysis") as threads:
        return list(threads.map(_analyse, pictures))


def refusal_sentence(reason: RefusalReason) -> str:
    """Why the gate refuses a picture, in the active language; curators edit the sentence."""
    text = guidance(reason.value)
    return text.message(get_language() or "en") if text else _("No usable face was found in the picture.")


def _analyse(picture: bytes) -> FaceAnalysis | InferenceError:
    for attempt in range(_ATTEMPTS):
        try:
            return client.analyze(picture)
        except Busy as error:
            if attempt == _ATTEMPTS - 1:
                return error
            time.sleep(error.retry_after)
        except InferenceError as error:
            return error
    raise AssertionError

"""The sentences on the cards of the models that ship with the code, for translators to find.

A card is data: what stands on another one's is shown as it is.
"""

from __future__ import annotations

from django.utils.translation import gettext, gettext_noop

KNOWN_TEXTS = (
    gettext_noop(
        "CC BY-NC-SA 4.0; a sample trained on data that may not be used commercially. Replace it with your own survey."
    ),
    gettext_noop(
        "Learned from portraits, mostly of members of the US Congress and of generated people; covers, turned heads "
        "and bad light were mostly made by augmentation. Paintings and dolls can pass."
    ),
    gettext_noop(
        "Only studio portraits of young adults have hand-placed landmarks; elsewhere it learned from its own first "
        "answers."
    ),
    gettext_noop(
        "Its raters were US residents on the web, its faces generated ones of adult men; their taste is its taste. "
        "All three parts learned from one rating of the whole face. On faces unlike those it says little."
    ),
    gettext_noop("public domain, official portraits of members of the US Congress"),
    gettext_noop("mostly public domain, portraits of members of the US Congress"),
    gettext_noop("licence unclear, negatives for training only"),
    gettext_noop("origin unclear, negatives for training only"),
    gettext_noop("not stated"),
    gettext_noop(
        "YuNet face detector (MIT, opencv_zoo), trained on WIDER FACE; gave boxes and points of the portraits"
    ),
    gettext_noop(
        "dlib_face_recognition_resnet_model_v1 (CC0), trained on about 3 million faces of VGG-Face, FaceScrub and web "
        "images; what its inner layers and its identity embedding hold of portraits and of morphs of them was to be "
        "predicted"
    ),
)


def known_text(text: str) -> str:
    """A card's sentence in the reader's language, or as it is."""
    return gettext(text) if text in KNOWN_TEXTS else text

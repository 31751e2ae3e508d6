"""Examples of requests and answers, as of a fresh installation, in English.

Tests hold them against the schema and against what the API really answers.
"""

from __future__ import annotations

from typing import Any

from catalog.defaults import TYPE_TEXTS
from inference.contracts import PHOTO_MEDIA_TYPES, PhotoLimits

Json = dict[str, Any]

_LIMITS = PhotoLimits()
_HOST = "https://alpha.example"
_TYPES: dict[str, Json] = {
    text.code.value: {
        "code": text.code.value,
        "letter": text.letter,
        "rank": text.id,
        "name": text.name_en,
        "description": " ".join(text.sentences_en),
    }
    for text in TYPE_TEXTS
}


def _celebrity(name: str, key: str) -> Json:
    return {"name": name, "image_url": f"{_HOST}/media/images/{key}.jpg", "attribution": "Drawn by Alpha Project"}


ALPHA, BETA, GAMMA = _TYPES["alpha"], _TYPES["beta"], _TYPES["gamma"]
CELEBRITY = _celebrity("Seo Haneul", "1f/1f0c")
CLASSIFICATION: Json = {
    "id": "7b0a4d3e-52d8-4c1e-9c7f-0f6f6a1f4b52",
    "type": _TYPES["beta"],
    "score": 71.4,
    "confidence": 0.44,
    "borderline_with": _TYPES["gamma"],
    "parts": [
        {
            "part": "whole_face",
            "box": [212.0, 96.5, 588.0, 640.5],
            "type": "beta",
            "probabilities": [0.2, 0.38, 0.27, 0.11, 0.04],
        },
        {
            "part": "upper_face",
            "box": [212.0, 205.0, 588.0, 470.5],
            "type": "beta",
            "probabilities": [0.24, 0.36, 0.25, 0.11, 0.04],
        },
        {
            "part": "lower_face",
            "box": [212.0, 470.5, 588.0, 640.5],
            "type": "gamma",
            "probabilities": [0.12, 0.29, 0.34, 0.18, 0.07],
        },
    ],
    "celebrities": [
        CELEBRITY | {"look_alike": True},
        _celebrity("Kang Doyun", "2a/2a9e") | {"look_alike": True},
        _celebrity("Min Jaeha", "6c/6c41") | {"look_alike": True},
        _celebrity("Yoon Sion", "b3/b3d7") | {"look_alike": False},
    ],
    "model": {"gate": "gate-05313224", "parts": "parts-cd999533", "types": "types-f9786f39"},
    "created_at": "2026-11-22T09:30:00Z",
    "expires_at": "2026-12-22T09:30:00Z",
}
OWNER_TOKEN = "k3Jv0m1Q8cYy2tq0G5oW7a9uHn4ZxRfLdT6sBpEwIgM"  # noqa: S105 - nobody's
CREATED_CLASSIFICATION: Json = CLASSIFICATION | {"owner_token": OWNER_TOKEN}
SHARE_REQUEST: Json = {"photo": False}
SHARE_LINK: Json = {
    "url": f"{_HOST}/s/pX3cV9mQ2tLk7wZr5yBn8uHj4sDf6gAa/",
    "shows_photo": False,
    "created_at": "2026-11-22T09:31:00Z",
    "expires_at": CLASSIFICATION["expires_at"],
}
LIMITS: Json = {
    "formats": list(PHOTO_MEDIA_TYPES),
    "max_photo_bytes": _LIMITS.max_bytes,
    "max_photo_pixels": _LIMITS.max_pixels,
    "min_face_pixels": _LIMITS.min_face_pixels,
    "min_face_share": _LIMITS.min_face_share,
    "min_age": 14,
    "retention_days": 30,
}
PHOTO_UPLOAD: Json = {"photo": "(the file)", "birth_date": "1996-05-04", "mbti": "ESTJ", "store_photo": False}

# --- The mobile app's ---
_MOBILE_JPEG = "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBgcGBQgHBwcJ"
MOBILE_NO_RESULT: Json = {"human": "False", "male_type": "null", "dsc": "null"} | dict.fromkeys(
    ("img1", "img2", "img3", "img4"), "null"
)
MOBILE_REQUEST: Json = {
    "first_user": {"user_img": _MOBILE_JPEG, "age": "1996-05-04", "mbti": "ESTJ"},
    "result": MOBILE_NO_RESULT,
}
MOBILE_RESULT: Json = {
    "human": "True",
    "male_type": "Beta",
    "dsc": " ".join(f"·{sentence}" for sentence in TYPE_TEXTS[1].sentences_ko[:3]),
} | dict.fromkeys(("img1", "img2", "img3", "img4"), _MOBILE_JPEG)

# --- The source system's ---
STAFF_USER: Json = {
    "id": CLASSIFICATION["id"],
    "cft_result": "beta",
    "age": "1996-05-04",
    "mbti": "ESTJ",
    "created_at": CLASSIFICATION["created_at"],
    "created_by": "mobile",
}
STAFF_CREATED_USER: Json = STAFF_USER | {"created_by": "api", "owner_token": OWNER_TOKEN}
STAFF_NEW_USER: Json = {"user_img": _MOBILE_JPEG, "age": "1996-05-04", "mbti": "ESTJ", "store_photo": False}
STAFF_CORRECTION: Json = {"cft_result": "gamma", "mbti": "ENTP"}
STAFF_MALE: Json = {
    "male_id": 2,
    "male_type": "beta",
    "dsc_text": "".join(f"·{s} " for s in TYPE_TEXTS[1].sentences_ko),
}
STAFF_NEW_IMAGE: Json = {"male_id": 2, "url": _MOBILE_JPEG, "licence": "CC-BY-4.0", "source": "https://alpha.example"}
STAFF_NEW_IMAGES: Json = {"images": [_MOBILE_JPEG], "licence": "CC-BY-4.0", "source": "https://alpha.example"}
STAFF_IMAGE: Json = {"id": 311, "male_id": 2, "created_at": CLASSIFICATION["created_at"]}
STAFF_IMAGE_OUTCOME: Json = {"added": STAFF_IMAGE, "code": "", "detail": ""}

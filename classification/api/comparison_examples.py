"""Examples of comparing, as of a fresh installation, in English."""

from __future__ import annotations

from classification.api.examples import BETA, CLASSIFICATION, GAMMA, OWNER_TOKEN, Json

_TOKEN = "5702e7138ee4ad40e0fea9d5d0dd98ee"  # noqa: S105 - nobody's
INVITATION_REQUEST: Json = {"nickname": "Minsu"}
INVITATION: Json = {
    "token": _TOKEN,
    "url": f"https://alpha.example/compare/{_TOKEN}/",
    "nickname": "Minsu",
    "is_open": True,
    "created_at": CLASSIFICATION["created_at"],
    "expires_at": CLASSIFICATION["expires_at"],
}
COMPARISON_REQUEST: Json = {
    "result": {"id": CLASSIFICATION["id"], "owner_token": OWNER_TOKEN, "nickname": "Junho"},
    "invitation": _TOKEN,
}
COMPARISON: Json = {
    "token": _TOKEN,
    "headline": "A light breeze and a comfy chair",
    "text": "Two of the three parts are alike, and the third keeps things interesting.",
    "overlap": 0.8567,
    "sides": [
        {"nickname": "Minsu", "type": GAMMA, "score": 61.2},
        {"nickname": "Junho", "type": BETA, "score": 71.4},
    ],
    "parts": [
        {
            "part": "whole_face",
            "likeness": "close",
            "overlap": 0.83,
            "text": "Ease and freshness: next-door neighbours.",
            "sides": [
                {"type": "gamma", "probabilities": [0.11, 0.3, 0.36, 0.16, 0.07]},
                {"type": "beta", "probabilities": [0.2, 0.38, 0.27, 0.11, 0.04]},
            ],
        },
        {
            "part": "upper_face",
            "likeness": "alike",
            "overlap": 0.92,
            "text": "Freshness on both sides.",
            "sides": [
                {"type": "beta", "probabilities": [0.18, 0.34, 0.29, 0.14, 0.05]},
                {"type": "beta", "probabilities": [0.24, 0.36, 0.25, 0.11, 0.04]},
            ],
        },
        {
            "part": "lower_face",
            "likeness": "alike",
            "overlap": 0.82,
            "text": "Twice the ease.",
            "sides": [
                {"type": "gamma", "probabilities": [0.05, 0.18, 0.42, 0.25, 0.1]},
                {"type": "gamma", "probabilities": [0.12, 0.29, 0.34, 0.18, 0.07]},
            ],
        },
    ],
    "created_at": CLASSIFICATION["created_at"],
    "expires_at": CLASSIFICATION["expires_at"],
}

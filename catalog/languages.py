"""Which of a text's two languages a reader gets."""

from __future__ import annotations


def in_language(language: str, *, korean: str, english: str) -> str:
    """Korean for `ko` and its variants such as `ko-KR`; English for every other language."""
    is_korean = language.lower().replace("_", "-").split("-")[0] == "ko"
    return korean if is_korean else english

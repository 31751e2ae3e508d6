"""What a process keeps of the database for a while."""

from __future__ import annotations

from catalog import selectors


def catalogue_reread() -> None:
    """Answers read the catalogue anew, as they do selectors.CATALOGUE_SECONDS later."""
    for kept in (selectors.rules, selectors.compared_images):
        kept.cache_clear()  # type: ignore[attr-defined]

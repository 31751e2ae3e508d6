"""What a process keeps of the database for a while."""

from __future__ import annotations

from typing import Any

from catalog import selectors


def catalogue_reread() -> None:
    """Answers read the catalogue anew: let selectors.CATALOGUE_SECONDS pass for what they keep of it."""
    kept: Any
    for kept in (selectors.rules, selectors.compared_images):
        kept.cache.expire(kept.cache.timer() + selectors.CATALOGUE_SECONDS)

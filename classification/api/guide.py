"""The guide for developers: docs/api.md and docs/api_changelog.md, which are read in the repository and on a page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from django.conf import settings
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

# The server in the texts' examples.
EXAMPLE_SERVER = "https://alpha.example"
_TEXTS = ("api", "api_changelog")
_KOREAN = "ko"


@dataclass(frozen=True, slots=True)
class Heading:
    anchor: str
    title: str


@dataclass(frozen=True, slots=True)
class Guide:
    """html: safe; it is made of our own texts alone. headings: of its chapters."""

    html: str
    headings: list[Heading]

    def for_server(self, address: str) -> str:
        """The guide whose examples call a server by its address, such as https://alpha.example."""
        return self.html.replace(EXAMPLE_SERVER, address)


@cache
def guide(language: str) -> Guide:
    """In Korean or English; its texts change with the code alone."""
    suffix = f".{_KOREAN}" if language == _KOREAN else ""
    texts = [(settings.BASE_DIR / "docs" / f"{name}{suffix}.md").read_text() for name in _TEXTS]
    markdown = MarkdownIt("commonmark", {"highlight": _highlighted}).enable("table")
    tokens = markdown.parse("\n".join(texts))
    headings = _anchored(tokens)
    return Guide(markdown.renderer.render(tokens, markdown.options, {}), headings)


def _highlighted(code: str, language: str, _attributes: str) -> str:
    # Code wider than the page is scrolled by keyboard too.
    coloured = highlight(code, get_lexer_by_name(language), HtmlFormatter(nowrap=True))
    return f'<pre tabindex="0"><code>{coloured}</code></pre>\n'


def _anchored(tokens: list[Token]) -> list[Heading]:
    """Give each chapter's heading an anchor, and let tables be scrolled."""
    headings = []
    for opening, inline in pairwise(tokens):
        # The changelog's own chapters are its versions.
        if opening.type == "heading_open" and (opening.tag == "h1" or not re.match(r"\d", inline.content)):
            heading = Heading(re.sub(r"\W+", "-", inline.content.lower()).strip("-"), inline.content)
            opening.attrSet("id", heading.anchor)
            headings.append(heading)
        elif opening.type == "table_open":
            opening.attrSet("tabindex", "0")
    return headings[1:]

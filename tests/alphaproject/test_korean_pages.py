"""What people see of the product speaks Korean to whoever reads Korean, to the last word."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import read_po
from django.conf import settings
from django.test import Client

from tests.browser.public_pages import PUBLIC_PAGES, PublicPage
from tests.fakes import FakeBackend

CATALOGUE = Path(settings.BASE_DIR) / "locale" / "ko" / "LC_MESSAGES" / "django.po"
SPOKEN_ATTRIBUTES = {"alt", "aria-label", "placeholder", "title", "content", "data-offline"}
UNSPOKEN_TAGS = {"script", "style", "code", "pre"}
# Two words and more of plain English. Names, titles and licences keep their own.
ENGLISH = re.compile(r"[A-Za-z]{2,}(?:[ ,.’'-]+[A-Za-z]{2,})+")
NAMES = re.compile(
    r"(CC BY[-A-Z ]*[\d.]*, )?[A-Z]\w+ (& \w+|et al\.)? \d{4}, (doi:\S+|One Million Impressions)|CC BY[-A-Z ]*|"
    r"Dawid and Skene 1979|VGG-Face, FaceScrub|WIDER FACE|[\w-]+(_\w+)+|ICC\(1(,k)?\)|Spearman-Brown|"
    r"Dart, Swift, Python|JPEG, PNG(, WebP\. EXIF)?|width=device-width.*|[\w.+-]+(/[\w.+-]+)+|"
    r"(gate|parts|types)-\w+|openapi-python-client"
)
VOID_TAGS = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class SpokenTexts(HTMLParser):
    """The texts of a page that are seen or read aloud, but for those marked as of another language."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._silent: list[bool] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        own = dict(attrs)
        is_silent = tag in UNSPOKEN_TAGS or own.get("lang") not in (None, "ko")
        if tag not in VOID_TAGS:
            self._silent.append(is_silent)
        if not is_silent:
            self.texts += [value for name, value in attrs if name in SPOKEN_ATTRIBUTES and value]

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID_TAGS and self._silent:
            self._silent.pop()

    def handle_data(self, data: str) -> None:
        if not any(self._silent) and data.strip():
            self.texts.append(" ".join(data.split()))


def spoken_texts(html: str) -> list[str]:
    parser = SpokenTexts()
    parser.feed(html)
    return parser.texts


def english_of(message: Message) -> str:
    return message.id if isinstance(message.id, str) else message.id[0]


@pytest.fixture(scope="module")
def english_messages() -> re.Pattern[str]:
    """Any of our English messages as a whole text, whatever stands for its values."""
    with CATALOGUE.open("rb") as file:
        messages = [english_of(message) for message in read_po(file, locale="ko") if message.id]
    # A name that is the same in both languages is no message in English.
    patterns = [re.sub(r"%\\\(\w+\\\)[sd]", ".+?", re.escape(text)) for text in messages if re.search("[a-z]{3}", text)]
    assert len(patterns) > 300
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))


# What visitors do there needs a browser; what they then see is on the other pages.
@pytest.mark.parametrize(
    "public_page", [page for page in PUBLIC_PAGES if page.act is None], ids=lambda public_page: public_page.name
)
def test_page_has_no_untranslated_text(
    catalogue: None, engine: FakeBackend, english_messages: re.Pattern[str], public_page: PublicPage
) -> None:
    client = Client(headers={"Accept-Language": "ko"})
    path = public_page.path if isinstance(public_page.path, str) else public_page.path(client)

    response = client.get(path, follow=True)
    html = response.content.decode()

    assert response.status_code == public_page.status
    assert '<html lang="ko"' in html
    texts = spoken_texts(html)
    assert len(texts) > 3
    assert [text for text in texts if english_messages.fullmatch(text) or ENGLISH.search(NAMES.sub("", text))] == []


def test_untranslated_text_is_found(english_messages: re.Pattern[str]) -> None:
    html = """<html lang="ko"><body><p>다섯 유형</p><p>Your result has been erased</p><button lang="en">English text
    here</button><img alt="Some words in English"><code>code in English</code></body>"""

    found = [text for text in spoken_texts(html) if english_messages.fullmatch(text) or ENGLISH.search(text)]

    assert found == ["Your result has been erased", "Some words in English"]


@pytest.mark.parametrize("path", ["/", "/types/gamma/?from=2", "/survey/about/", "/api/v1/docs/"])
def test_language_switch_stays_on_the_page(client: Client, catalogue: None, path: str) -> None:
    english = client.get(path, headers={"Accept-Language": "en"}).content.decode()
    (following,) = re.findall(r'<input type="hidden" name="next" value="([^"]+)">', english)

    client.post("/i18n/setlang/", {"next": following, "language": "ko"})

    assert following == path
    assert '<html lang="ko"' in client.get(path, headers={"Accept-Language": "en"}).content.decode()


def test_language_switch_leads_to_no_other_site(client: Client, db: None) -> None:
    response = client.post("/i18n/setlang/", {"next": "https://evil.example/", "language": "ko"})

    assert response["Location"] == "/"

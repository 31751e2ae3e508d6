"""The manifest and the service worker."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from PIL import Image


@pytest.mark.parametrize(("language", "name"), [("en", "Alpha Project"), ("ko", "알파 프로젝트")])
def test_manifest_speaks_the_viewers_language(client: Client, language: str, name: str) -> None:
    answer = client.get("/manifest.webmanifest", headers={"Accept-Language": language})

    assert answer["Content-Type"] == "application/manifest+json"
    assert (answer.json()["lang"], answer.json()["name"]) == (language, name)
    assert {"Accept-Language", "Cookie"} <= set(answer["Vary"].split(", "))


def test_icons_are_what_the_manifest_says(client: Client) -> None:
    icons = client.get("/manifest.webmanifest").json()["icons"]

    assert {"any", "maskable"} == {icon["purpose"] for icon in icons}
    for icon in icons:
        path = finders.find(icon["src"].removeprefix("/static/"))
        assert path, icon["src"]
        if icon["type"] == "image/png":
            picture = Image.open(io.BytesIO(Path(path).read_bytes()))
            assert f"{picture.width}x{picture.height}" == icon["sizes"]
            # Systems cut a maskable icon to their own shape: it must reach the edges.
            assert (icon["purpose"] == "maskable") == (picture.convert("RGBA").getpixel((0, 0))[3] == 255)


def test_worker_is_always_asked_for_anew_and_keeps_what_exists(client: Client, db: None) -> None:
    answer = client.get("/service-worker.js")

    assert answer["Content-Type"].startswith("text/javascript")
    assert "no-cache" in answer["Cache-Control"]
    files = re.findall(r'"/static/([^"]+)"', answer.content.decode())
    assert len(files) > 2
    assert all(finders.find(name) for name in files)
    assert client.get("/offline/").status_code == 200


@pytest.mark.parametrize("path", ["/manifest.webmanifest", "/service-worker.js", "/offline/"])
def test_nothing_is_sent_to_them(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405

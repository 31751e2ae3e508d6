"""What drawing a share card costs: CPU time of one core and size of the file, by shape, with and without a photo.

    python benchmarks/cards.py

Needs the settings of a server, such as those of `make run`, and no database.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import sys
import time
from pathlib import Path

import django
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alphaproject.settings")
django.setup()

from classification.card.content import Card, CardPart, CardPhoto  # noqa: E402
from classification.card.drawing import CardShape, draw  # noqa: E402
from inference.contracts import Box  # noqa: E402

# Twelve megapixels, as phones take them.
PHOTO_SIZE = (3024, 4032)


def photo() -> bytes:
    """As hard to compress as skin and hair are: soft noise."""
    noise = Image.effect_noise((378, 504), 60).resize(PHOTO_SIZE, Image.Resampling.BICUBIC)
    encoded = io.BytesIO()
    Image.merge("RGB", (noise, noise, noise)).save(encoded, "JPEG", quality=90)
    return encoded.getvalue()


def card(*, with_photo: bool) -> Card:
    width, height = PHOTO_SIZE
    face = Box(0.25 * width, 0.2 * height, 0.75 * width, 0.8 * height)
    parts = zip(("whole_face", "upper_face", "lower_face"), ("얼굴 전체", "얼굴 위쪽", "얼굴 아래쪽"), strict=True)
    return Card(
        type_code="beta",
        letter="Β",
        type_name="베타",
        score=72,
        eyebrow="사람들이 이 사진에서 느끼는 인상",
        out_of="/ 100점",
        between="알파와 베타 사이",
        parts=[CardPart(code, name, "Β", "베타") for code, name in parts],
        brand="알파 프로젝트",
        question="사람들은 내 얼굴에서 어떤 유형을 볼까요?",
        caution="재미로 보세요",
        photo=CardPhoto("", PHOTO_SIZE, face) if with_photo else None,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20, help="cards of each kind")
    count = parser.parse_args().count
    jpeg = photo()
    print("| card | median CPU ms | kB |\n| --- | --- | --- |")
    for shape in CardShape:
        for with_photo in (False, True):
            subject = card(with_photo=with_photo)
            draw(subject, shape, jpeg)
            milliseconds, png = [], b""
            for _ in range(count):
                started = time.process_time()
                png = draw(subject, shape, jpeg if with_photo else None)
                milliseconds.append(1000 * (time.process_time() - started))
            name = f"{shape}{', with a photo' if with_photo else ''}"
            print(f"| {name} | {statistics.median(milliseconds):.0f} | {len(png) / 1000:.0f} |")


if __name__ == "__main__":
    main()

"""How small a face may be."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from inference.contracts import FaceAnalysis, PhotoLimits, PhotoRefused, RefusalReason
from inference.decoding import decode
from inference.engine import Engine
from inference.gate import min_face_side
from tests.images import encode

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
# Its face is about 300 of its 640 pixels high.
PORTRAIT = DATA / "faces" / "london" / "002_03.jpg"


@pytest.mark.parametrize(
    ("size", "pixels"), [((4000, 3000), 80), ((640, 480), 80), ((480, 640), 80), ((240, 300), 40), ((60, 60), 28)]
)
def test_limit_shrinks_with_small_pictures_only(size: tuple[int, int], pixels: float) -> None:
    assert min_face_side(*size, PhotoLimits(min_face_pixels=80)) == pytest.approx(pixels)


@pytest.mark.skipif(not DATA.exists(), reason="the photos of ../shared/data are not here")
def test_same_small_face_is_refused_in_a_large_photo_and_judged_in_a_small_one() -> None:
    engine = Engine()
    face = Image.open(PORTRAIT).convert("RGB").resize((120, 120), Image.Resampling.LANCZOS)
    # The portrait's own grey, so that only the size of the photo differs.
    photo = Image.new("RGB", (640, 640), face.getpixel((2, 2)))
    photo.paste(face, (260, 260))

    (in_large_photo,) = engine.analyze([decode(encode(photo, "PNG"))])
    (in_small_photo,) = engine.analyze([decode(encode(face, "PNG"))])

    assert isinstance(in_large_photo, PhotoRefused)
    assert in_large_photo.reason == RefusalReason.FACE_TOO_SMALL
    assert isinstance(in_small_photo, FaceAnalysis)

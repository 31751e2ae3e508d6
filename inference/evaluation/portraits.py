"""Held-out portraits changed as people's photos are: into what must be accepted, and what must be refused, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from inference.contracts import RefusalReason
from inference.decoding import DecodedPhoto, decode
from inference.evaluation.photos import brightened, compressed, mirrored, photo_of, resized
from inference.heads import turned
from inference.preprocessing import Floats, Pixels, rotation_scale, similarity
from inference.yunet import FaceLabel

Rng = np.random.Generator
# A 12-megapixel photo, as phones take it.
_PHOTO_WIDTH, _PHOTO_HEIGHT = 4000, 3000
_WALL = (96, 110, 120)
_WALL_SIDE = 960
_SKIN_SHADES = np.array([0.86, 0.92, 1.0])


@dataclass(frozen=True, slots=True)
class Portrait:
    """A portrait and where YuNet sees its face."""

    pixels: Pixels
    face: FaceLabel

    @property
    def side(self) -> float:
        return float((self.face.box[2:] - self.face.box[:2]).max())


Make = Callable[[Portrait, Rng], DecodedPhoto]


@dataclass(frozen=True, slots=True)
class Variation:
    """A way to change portraits. reason: why they must be refused then, None where they must be accepted."""

    name: str
    make: Make
    reason: RefusalReason | None = None


def _of_pixels(change: Callable[[Pixels], Pixels]) -> Make:
    return lambda portrait, _rng: photo_of(change(portrait.pixels))


def _grey(pixels: Pixels) -> Pixels:
    return np.repeat(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)


def _rolled(degrees: float) -> Make:
    return lambda portrait, _rng: photo_of(_on_wall(portrait, degrees, 1.0, int(1.5 * max(portrait.pixels.shape))))


def _small(share: float) -> Make:
    """The face as this share of a photo's side."""
    return lambda portrait, _rng: photo_of(_on_wall(portrait, 0.0, share * _WALL_SIDE / portrait.side, _WALL_SIDE))


def _on_wall(portrait: Portrait, degrees: float, scale: float, side: int) -> Pixels:
    """The portrait turned by so much in front of a plain wall of so many pixels a side."""
    height, width = portrait.pixels.shape[:2]
    matrix = rotation_scale(np.array([width / 2, height / 2]), np.full(2, side / 2), degrees, scale)
    return _laid(np.full((side, side, 3), _WALL, np.uint8), portrait.pixels, matrix)


def _laid(ground: Pixels, pixels: Pixels, matrix: Floats) -> Pixels:
    """A picture laid onto another."""
    size = ground.shape[1], ground.shape[0]
    flags = cv2.INTER_AREA if np.hypot(*matrix[:, 0]) < 1 else cv2.INTER_LINEAR
    laid = cv2.warpAffine(pixels, matrix, size, flags=flags)
    inside = cv2.warpAffine(np.full(pixels.shape[:2], 255, np.uint8), matrix, size) > 127
    return np.where(inside[..., None], laid, ground).astype(np.uint8)


def _far(pixels: int) -> Make:
    """The face this many pixels long in a photo of 12 megapixels, through a JPEG's bytes."""

    def make(portrait: Portrait, rng: Rng) -> DecodedPhoto:
        scale = pixels / portrait.side
        small = resized(scale)(portrait.pixels)
        ground = cv2.resize(
            rng.integers(70, 180, (6, 8, 3), dtype=np.uint8),
            (_PHOTO_WIDTH, _PHOTO_HEIGHT),
            interpolation=cv2.INTER_LINEAR,
        )
        top = int(rng.uniform(0.1, 0.9) * (_PHOTO_HEIGHT - small.shape[0]))
        left = int(rng.uniform(0.1, 0.9) * (_PHOTO_WIDTH - small.shape[1]))
        ground[top : top + small.shape[0], left : left + small.shape[1]] = small
        encoded = cv2.imencode(".jpg", cv2.cvtColor(ground, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92])[1]
        return decode(encoded.tobytes())

    return make


def _quarter_turned(turns: int) -> Make:
    return _of_pixels(lambda pixels: np.rot90(pixels, turns))


def _head_turned(low: float, high: float | None = None) -> Make:
    """The head turned to either side; see inference.heads for how real that is."""

    def make(portrait: Portrait, rng: Rng) -> DecodedPhoto:
        degrees = float(rng.choice([-1, 1]) * rng.uniform(low, high or low))
        return photo_of(turned(portrait.pixels, portrait.face, degrees, rng)[0])

    return make


def _blurred(share: float) -> Make:
    """By a Gaussian of this share of the face's longer side."""
    return lambda portrait, _rng: photo_of(
        np.asarray(cv2.GaussianBlur(portrait.pixels, (0, 0), share * portrait.side), np.uint8)
    )


def _shaken(share: float) -> Make:
    """Smeared along a line of this share of the face's longer side."""

    def make(portrait: Portrait, rng: Rng) -> DecodedPhoto:
        length = max(3, round(share * portrait.side))
        level = np.zeros((length, length), np.float32)
        level[length // 2] = 1
        turn = cv2.getRotationMatrix2D((length / 2 - 0.5, length / 2 - 0.5), float(rng.uniform(0, 180)), 1)
        line = cv2.warpAffine(level, turn, (length, length))
        return photo_of(np.asarray(cv2.filter2D(portrait.pixels, -1, line / line.sum()), np.uint8))

    return make


def _cut(side: str, share: float) -> Make:
    """Cut by the frame's `side`, so that this share of the face's box is gone."""

    def make(portrait: Portrait, _rng: Rng) -> DecodedPhoto:
        x0, y0, x1, y1 = portrait.face.box
        across, down = share * (x1 - x0), share * (y1 - y0)
        pixels = portrait.pixels
        return photo_of(
            {
                "left": pixels[:, max(0, round(x0 + across)) :],
                "right": pixels[:, : round(x1 - across)],
                "top": pixels[max(0, round(y0 + down)) :],
                "bottom": pixels[: round(y1 - down)],
            }[side]
        )

    return make


def _close_up(portrait: Portrait, _rng: Rng) -> DecodedPhoto:
    """From a little above the box's top to just below the chin, from ear to ear."""
    x0, y0, x1, y1 = portrait.face.box
    across, down = 0.04 * (x1 - x0), 0.06 * (y1 - y0)
    height, width = portrait.pixels.shape[:2]
    left, right = max(0, round(x0 - across)), min(width, round(x1 + across))
    return photo_of(portrait.pixels[max(0, round(y0)) : min(height, round(y1 + down)), left:right])


def _beside(count: int) -> Make:
    """The portrait as often side by side, every second one mirrored, and each of its own brightness."""

    def make(portrait: Portrait, rng: Rng) -> DecodedPhoto:
        row = [portrait.pixels, mirrored(portrait.pixels)] * count
        return photo_of(np.hstack([brightened(float(rng.uniform(0.7, 1.2)))(pixels) for pixels in row[:count]]))

    return make


def _dominant(portrait: Portrait, _rng: Rng) -> DecodedPhoto:
    """Beside it the same face at 40 % of its size, which is 16 % of its area."""
    small = resized(0.4)(mirrored(portrait.pixels))
    beside = np.full((portrait.pixels.shape[0], small.shape[1], 3), _WALL, np.uint8)
    beside[: small.shape[0]] = small
    return photo_of(np.hstack([portrait.pixels, beside]))


def _painted(draw: Callable[[Pixels, Rng], None]) -> Make:
    """Draw in a plane with the right eye at (-0.5, 0), the left at (0.5, 0): 100 units are one eye distance."""

    def make(portrait: Portrait, rng: Rng) -> DecodedPhoto:
        size, unit = 600, 100
        sheet = np.zeros((size, size, 4), np.uint8)
        draw(sheet, rng)
        eyes = np.array([[size / 2 - unit / 2, 250], [size / 2 + unit / 2, 250]])
        matrix = similarity(eyes, portrait.face.points[:2])
        # The mouth of a wide or a long face lies nearer or farther: the drawing follows it.
        middle, mouth = portrait.face.points[:2].mean(axis=0), portrait.face.points[3:].mean(axis=0)
        apart = float(np.linalg.norm(portrait.face.points[1] - portrait.face.points[0]))
        stretch = float(np.linalg.norm(mouth - middle)) / max(apart, 1.0)
        tall = np.array([[1, 0, 0], [0, stretch / 1.1, 250 * (1 - stretch / 1.1)], [0, 0, 1]])
        matrix = matrix @ tall
        extent = portrait.pixels.shape[1], portrait.pixels.shape[0]
        alpha = cv2.warpAffine(sheet[..., 3], matrix, extent)[..., None] / 255
        colour = cv2.warpAffine(sheet[..., :3], matrix, extent, borderMode=cv2.BORDER_REPLICATE)
        return photo_of((portrait.pixels * (1 - alpha) + colour * alpha).astype(np.uint8))

    return make


def _mask(sheet: Pixels, rng: Rng) -> None:
    """A surgical mask with its pleats and straps."""
    shade = rng.choice([[225, 235, 240], [150, 195, 215], [30, 30, 34], [240, 205, 210]])
    outline = np.array([[205, 300], [300, 282], [395, 300], [398, 380], [350, 452], [300, 466], [250, 452], [202, 380]])
    straps = [((205, 305), (140, 270)), ((395, 305), (460, 270)), ((212, 400), (150, 360)), ((388, 400), (450, 360))]
    for start, end in straps:
        cv2.line(sheet, start, end, (*(int(value) for value in shade), 255), 4, cv2.LINE_AA)
    cv2.fillPoly(sheet, [outline], (*(int(value) for value in shade), 255), cv2.LINE_AA)
    for y in (330, 360, 390):
        cv2.line(sheet, (215, y), (385, y), (*(int(0.85 * value) for value in shade), 255), 3, cv2.LINE_AA)


def _hand(sheet: Pixels, rng: Rng) -> None:
    """Four fingers and the back of a hand before nose and mouth."""
    tone = rng.choice([[224, 180, 150], [190, 135, 105], [130, 85, 60], [85, 55, 40]])
    for index, y in enumerate((308, 345, 382, 419)):
        shade = tuple(int(value) for value in tone * _SKIN_SHADES[index % 3])
        cv2.line(sheet, (225 - 6 * index, y + 8), (470, y - 10), (*shade, 255), 36, cv2.LINE_AA)
    cv2.ellipse(sheet, ((470, 370), (170, 190), 0), (*(int(value) for value in tone), 255), -1, cv2.LINE_AA)


def _scarf(sheet: Pixels, rng: Rng) -> None:
    """Cloth from the nose to below the chin."""
    shade = rng.integers(20, 230, 3)
    cv2.fillPoly(
        sheet, [np.array([[140, 320], [300, 292], [460, 320], [480, 600], [120, 600]])], (*shade.tolist(), 255)
    )
    for x in range(130, 480, 34):
        cv2.line(sheet, (x, 310), (x + 40, 600), (*(0.8 * shade).astype(int).tolist(), 255), 5, cv2.LINE_AA)


def _glasses(sheet: Pixels, rng: Rng) -> None:
    shade = (*rng.integers(10, 110, 3).tolist(), 255)
    for x in (250, 350):
        cv2.ellipse(sheet, ((x, 254), (78, 58), 0), shade, 5, cv2.LINE_AA)
    for start, end in (((289, 250), (311, 250)), ((211, 250), (150, 240)), ((389, 250), (450, 240))):
        cv2.line(sheet, start, end, shade, 5, cv2.LINE_AA)


def _dark_glasses(sheet: Pixels, rng: Rng) -> None:
    _glasses(sheet, rng)
    for x in (250, 350):
        cv2.ellipse(sheet, ((x, 254), (76, 56), 0), (18, 18, 22, 245), -1, cv2.LINE_AA)


def _hat(sheet: Pixels, rng: Rng) -> None:
    shade = (*rng.integers(20, 220, 3).tolist(), 255)
    cv2.ellipse(sheet, ((300, 150), (330, 240), 0), shade, -1, cv2.LINE_AA)
    cv2.rectangle(sheet, (120, 160), (480, 192), shade, -1)
    # Below the brim there is the face.
    sheet[193:] = 0


def _headscarf(sheet: Pixels, rng: Rng) -> None:
    shade = (*rng.integers(20, 220, 3).tolist(), 255)
    cv2.ellipse(sheet, ((300, 320), (420, 560), 0), shade, -1, cv2.LINE_AA)
    cv2.ellipse(sheet, ((300, 300), (236, 330), 0), (0, 0, 0, 0), -1)


def _beard(sheet: Pixels, rng: Rng) -> None:
    """Hair around the mouth, which stays free."""
    tone = int(rng.integers(15, 130))
    for _ in range(2600):
        x, y = rng.uniform(195, 405), rng.uniform(315, 480)
        is_jaw = ((x - 300) / 105) ** 2 + ((y - 360) / 118) ** 2 < 1 and y > 318 + 0.004 * (x - 300) ** 2
        is_mouth = ((x - 300) / 48) ** 2 + ((y - 362) / 20) ** 2 < 1
        if is_jaw and not is_mouth and (y > 335 or abs(x - 300) < 50):
            own = int(np.clip(tone + rng.normal(0, 14), 0, 255))
            end = (int(x + rng.normal(0, 3)), int(y + rng.uniform(6, 14)))
            cv2.line(sheet, (int(x), int(y)), end, (own, int(0.8 * own), int(0.65 * own), 235), 2)


_REASON = RefusalReason
ACCEPTED: Sequence[Variation] = (
    *(Variation(f"rolled by {degrees} degrees", _rolled(degrees)) for degrees in (-35, -20, 20, 35)),
    Variation("in grey", _of_pixels(_grey)),
    Variation("mirrored", _of_pixels(mirrored)),
    Variation("40 % darker", _of_pixels(brightened(0.6))),
    Variation("70 % darker", _of_pixels(brightened(0.3))),
    Variation("30 % brighter", _of_pixels(brightened(1.3))),
    Variation("JPEG quality 40", _of_pixels(compressed(40))),
    Variation("half size", _of_pixels(resized(0.5))),
    Variation("blurred by 1.5 % of the face", _blurred(0.015)),
    Variation("close up", _close_up),
    Variation("face 20 % of the photo", _small(0.2)),
    Variation("face 9 % of the photo", _small(0.09)),
    Variation("with glasses", _painted(_glasses)),
    Variation("with dark glasses", _painted(_dark_glasses)),
    Variation("with a hat", _painted(_hat)),
    Variation("with a headscarf", _painted(_headscarf)),
    Variation("with a beard", _painted(_beard)),
    Variation("head turned by 15 degrees", _head_turned(15)),
    Variation("head turned by 30 degrees", _head_turned(30)),
    Variation("head turned by 45 degrees", _head_turned(45)),
    Variation("photo upside down", _quarter_turned(2)),
    Variation("photo on its left side", _quarter_turned(1)),
    Variation("photo on its right side", _quarter_turned(3)),
    Variation("beside a face of a sixth of its area", _dominant),
)
# Slow to make, so made of fewer portraits.
FAR: Sequence[Variation] = (
    *(Variation(f"face of {pixels} pixels in 12 megapixels", _far(pixels)) for pixels in (240, 160, 120, 90)),
    Variation("face of 60 pixels in 12 megapixels", _far(60), _REASON.FACE_TOO_SMALL),
)
REFUSED: Sequence[Variation] = (
    Variation("with a mask", _painted(_mask), _REASON.FACE_COVERED),
    Variation("with a hand over nose and mouth", _painted(_hand), _REASON.FACE_COVERED),
    Variation("with a scarf over nose and mouth", _painted(_scarf), _REASON.FACE_COVERED),
    Variation("without the chin", _cut("bottom", 0.2), _REASON.FACE_CUT_OFF),
    Variation("without the mouth", _cut("bottom", 0.4), _REASON.FACE_CUT_OFF),
    Variation("without the brows", _cut("top", 0.4), _REASON.FACE_CUT_OFF),
    Variation("without the left third", _cut("left", 0.35), _REASON.FACE_CUT_OFF),
    Variation("without the right third", _cut("right", 0.35), _REASON.FACE_CUT_OFF),
    Variation("without the left half", _cut("left", 0.5), _REASON.FACE_CUT_OFF),
    Variation("without the right half", _cut("right", 0.5), _REASON.FACE_CUT_OFF),
    Variation("dark", _of_pixels(brightened(0.08)), _REASON.TOO_DARK),
    Variation("blurred by 4 % of the face", _blurred(0.04), _REASON.TOO_BLURRY),
    Variation("blurred by 7 % of the face", _blurred(0.07), _REASON.TOO_BLURRY),
    Variation("shaken by 20 % of the face", _shaken(0.2), _REASON.TOO_BLURRY),
    Variation("two side by side", _beside(2), _REASON.MULTIPLE_FACES),
    Variation("three side by side", _beside(3), _REASON.MULTIPLE_FACES),
    Variation("head turned by 70 to 80 degrees", _head_turned(70, 80), _REASON.FACE_TURNED_AWAY),
)

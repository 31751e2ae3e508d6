"""Random changes to images and to their labels. All draw from the generator they are given."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.preprocessing import Floats, Pixels

Rng = np.random.Generator
# Weights of pixels, 0 to 1 unless said otherwise.
Mask = NDArray[np.float32]


def photometric(image: Pixels, rng: Rng, strength: float = 1.0) -> Pixels:
    """Light, colour and camera: exposure, gamma, cast, grey, blur, loss of resolution, noise, JPEG.

    strength: 1 for the hardest changes that leave a face recognizable, towards 0 for none.
    """
    out = image.astype(np.float32)
    if rng.random() < 0.8:
        gamma = float(np.exp(rng.normal(0, 0.35 * strength)))
        gain = float(np.exp(rng.normal(0, 0.2 * strength)))
        contrast = float(np.exp(rng.normal(0, 0.2 * strength)))
        curve = 255 * np.linspace(0, 1, 256) ** gamma * gain
        pivot = float(curve[int(image.mean())])
        out = ((curve - pivot) * contrast + pivot).astype(np.float32)[image]
    if rng.random() < 0.15 * strength:
        out[:] = out @ np.array([0.299, 0.587, 0.114], np.float32)[:, None]
    elif rng.random() < 0.5:
        grey = out.mean(axis=2, keepdims=True)
        out = grey + (out - grey) * rng.uniform(1 - 0.6 * strength, 1 + 0.4 * strength)
        out *= np.exp(rng.normal(0, 0.08 * strength, 3)).astype(np.float32)
    if rng.random() < 0.15 * strength:
        out *= _light_gradient(image.shape[0], image.shape[1], rng)
    if rng.random() < 0.2 * strength:
        out += rng.normal(0, rng.uniform(2, 14) * strength, (*out.shape[:2], 1)).astype(np.float32)
    result = np.clip(out, 0, 255).astype(np.uint8)
    if rng.random() < 0.25 * strength:
        result = _blur(result, rng, strength)
    if rng.random() < 0.3 * strength:
        quality = int(rng.integers(25, 90))
        encoded = cv2.imencode(".jpg", result, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        result = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(result)


def spoilt(image: Pixels, rng: Rng) -> Pixels:
    """Now and then so dark or so blurred that nobody could be classified, though there is still a face to see."""
    kind = rng.random()
    if kind < 0.04:
        return np.asarray((image * rng.uniform(0.06, 0.35)).astype(np.uint8))
    if kind < 0.08:
        return blurred(image, float(rng.uniform(1.8, 5.0)), rng)
    return image


def blurred(image: Pixels, sigma: float, rng: Rng) -> Pixels:
    """Out of focus, or moved: a disc or a line as wide as a Gaussian of this many pixels is."""
    if rng.random() < 0.6:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)
    # A uniform line of length n has the deviation n / sqrt(12); along one axis only it takes more to harm as much.
    length = max(3, round(1.3 * sigma * 12**0.5)) | 1
    angle = rng.uniform(0, np.pi)
    reach = np.array([np.cos(angle), np.sin(angle)]) * (length - 1) / 2
    kernel: Mask = np.zeros((length, length), np.float32)
    start, end = np.round((length - 1) / 2 + np.stack([-reach, reach])).astype(int).tolist()
    cv2.line(kernel, start, end, 1.0, 1, cv2.LINE_AA)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.uint8)


def coarse(image: Pixels, factor: float) -> Pixels:
    """As a camera with fewer pixels sees it. factor: below 1."""
    height, width = image.shape[:2]
    small = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def yaw(rng: Rng) -> float:
    """Degrees, to either side."""
    return float(rng.choice([-1.0, 1.0]) * rng.uniform(15, 75))


def _light_gradient(height: int, width: int, rng: Rng) -> Mask:
    """Light from one side, (height, width, 1)."""
    angle = rng.uniform(0, 2 * np.pi)
    ys, xs = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    ramp = np.cos(angle) * xs + np.sin(angle) * ys
    return np.asarray(np.clip(1 + rng.uniform(0.2, 0.8) * ramp, 0.15, 1.6), np.float32)[..., None]


def _blur(image: Pixels, rng: Rng, strength: float) -> Pixels:
    if rng.random() < 0.5:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 0.4 + 1.4 * strength)), np.uint8)
    return coarse(image, rng.uniform(1 / (1 + 2 * strength), 1))


def random_patch(sources: Sequence[Pixels], size: tuple[int, int], rng: Rng) -> Pixels:
    """A random texture of size (height, width): a piece of one of the images, or a colour, flat or shaded."""
    height, width = size
    if not sources or rng.random() < 0.25:
        first, second = rng.uniform(0, 255, 3), rng.uniform(0, 255, 3)
        ramp = np.linspace(0, 1, height)[:, None, None] * np.ones((1, width, 1))
        if rng.random() < 0.5:
            ramp = np.linspace(0, 1, width)[None, :, None] * np.ones((height, 1, 1))
        if rng.random() < 0.5:
            second = first
        return (first + (second - first) * ramp).astype(np.uint8)
    source = sources[int(rng.integers(len(sources)))]
    source_height, source_width = source.shape[:2]
    aspect = width / height
    share = rng.uniform(0.15, 1.0)
    crop_height = max(8, int(min(source_height, source_width / aspect) * share))
    crop_width = max(8, min(source_width, int(crop_height * aspect)))
    top = int(rng.integers(0, source_height - crop_height + 1)) if source_height > crop_height else 0
    left = int(rng.integers(0, source_width - crop_width + 1)) if source_width > crop_width else 0
    piece = source[top : top + crop_height, left : left + crop_width]
    interpolation = cv2.INTER_AREA if crop_height > height else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(piece, (width, height), interpolation=interpolation), np.uint8)


def blend(image: Pixels, patch: Pixels, mask: Mask) -> Pixels:
    """image where mask is 0, patch where it is 1. Shapes: (H, W, 3), (H, W, 3), (H, W)."""
    return np.asarray(cv2.blendLinear(patch, image, mask, 1 - mask), np.uint8)


def cover_nose_and_mouth(image: Pixels, points: Floats, textures: Sequence[Pixels], rng: Rng) -> Pixels:
    """Lay a mask, a hand or some object over the nose and the mouth.

    points: (5, 2) in the image's pixels. The lower edge is below the mouth, the upper between the
    middle of the nose and the eyes.
    """
    eyes = (points[0] + points[1]) / 2
    mouth = (points[3] + points[4]) / 2
    down = mouth - eyes
    across = np.array([down[1], -down[0]])
    length = float(np.linalg.norm(down)) + 1e-6
    across = across / length * max(float(np.linalg.norm(points[1] - points[0])), 0.7 * length)
    kind = rng.random()
    top = rng.uniform(0.25, 0.5)
    bottom = rng.uniform(1.35, 1.95)
    if kind < 0.45:
        half_top, half_bottom = rng.uniform(0.8, 1.1), rng.uniform(0.35, 0.7)
        outline = [(-half_top, top + 0.15), (0, top), (half_top, top + 0.15), (half_top * 0.95, 1.1)]
        outline += [(half_bottom, bottom), (-half_bottom, bottom), (-half_top * 0.95, 1.1)]
    else:
        half, shift = rng.uniform(0.55, 1.1), rng.uniform(-0.25, 0.25)
        angles = np.linspace(0, 2 * np.pi, 14, endpoint=False)
        radius = 1 + rng.normal(0, 0.08, 14)
        middle, tall = (top + bottom) / 2, (bottom - top) / 2 * 1.1
        outline = [
            (shift + half * r * np.cos(a), middle + tall * r * np.sin(a)) for a, r in zip(angles, radius, strict=True)
        ]
    polygon = np.array([eyes + x * across + y * down for x, y in outline])
    mask = _polygon_mask(image.shape[:2], polygon, softness=rng.uniform(0.5, 1.5) * length / 40)
    if rng.random() < 0.35:
        # A hand: the person's own skin colour, with shades of fingers.
        cheek = np.clip((eyes + down * 0.5 + across * 0.45).astype(int), 0, [image.shape[1] - 1, image.shape[0] - 1])
        patch = np.ones_like(image) * image[cheek[1], cheek[0]]
        phase = np.arange(image.shape[1])[None, :] + rng.uniform(-1, 1) * np.arange(image.shape[0])[:, None]
        stripes = 0.85 + 0.15 * np.abs(np.sin(phase * np.pi / (length * rng.uniform(0.25, 0.45))))
        patch = (patch * stripes[..., None]).astype(np.uint8)
    elif rng.random() < 0.5:
        tone = rng.choice([rng.uniform(190, 250), rng.uniform(10, 60), rng.uniform(0, 255)])
        colour = np.clip(tone + rng.normal(0, 25, 3), 0, 255)
        folds = 1 + 0.12 * np.sin(np.arange(image.shape[0]) / max(length * rng.uniform(0.05, 0.2), 1))[:, None, None]
        patch = np.clip(np.ones(image.shape) * colour * folds, 0, 255).astype(np.uint8)
    else:
        patch = random_patch(textures, image.shape[:2], rng)
    return blend(image, patch, mask)


def cover_elsewhere(image: Pixels, points: Floats, textures: Sequence[Pixels], rng: Rng) -> Pixels:
    """Lay something over the face that leaves nose and mouth free: dark glasses, a hat's brim, hair, an object."""
    eyes = (points[0] + points[1]) / 2
    mouth = (points[3] + points[4]) / 2
    down = mouth - eyes
    across = points[1] - points[0]
    kind = rng.random()
    if kind < 0.35:
        mask: Mask = np.zeros(image.shape[:2], np.float32)
        for eye in points[:2]:
            half, tall = rng.uniform(0.36, 0.48), rng.uniform(0.22, 0.35)
            corners = [(-half, -tall), (half, -tall), (half * 0.8, tall), (-half * 0.8, tall)]
            polygon = np.array([eye + x * across + y * down for x, y in corners])
            mask = np.maximum(mask, _polygon_mask(image.shape[:2], polygon, softness=0.7))
        mask *= rng.uniform(0.5, 1.0)
        patch = np.full_like(image, int(rng.integers(0, 70)))
        return blend(image, patch, mask)
    if kind < 0.7:
        edge = -rng.uniform(0.45, 1.0)
        corners = [(-1.6, edge), (1.6, edge), (1.6, -2.5), (-1.6, -2.5)]
    else:
        side = rng.choice([-1.0, 1.0])
        near = rng.uniform(0.75, 1.1)
        corners = [(side * near, -1.5), (side * 2, -1.5), (side * 2, 2.2), (side * near, 2.2)]
    polygon = np.array([eyes + x * across + y * down for x, y in corners])
    mask = _polygon_mask(image.shape[:2], polygon, softness=float(rng.uniform(0.5, 2)))
    return blend(image, random_patch(textures, image.shape[:2], rng), mask)


def _polygon_mask(size: tuple[int, int], polygon: Floats, softness: float) -> Mask:
    mask: Mask = np.zeros(size, np.float32)
    cv2.fillPoly(mask, [np.round(polygon).astype(np.int32)], 1.0)
    if softness > 0.3:
        mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), softness), np.float32)
    return mask

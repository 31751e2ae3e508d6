"""When two pictures show the same: perceptual hashes that survive another size, quality or brightness.

Source: difference hashes (dHash), Krawetz 2013, hackerfactor.com/blog/index.php?/archives/529-Kind-of-Like-That.html
"""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

BANDS = 4
# Of 256 bits. Among the portraits of the training data, pairs of the same picture differ in at most 11 bits,
# pairs of different pictures in the same studio in at least 24.
SAME_PICTURE_DISTANCE = 16
_COARSE_SIDE = 8
_FINE_SIDE = 16


@dataclass(frozen=True, slots=True)
class PerceptualHash:
    """bands: four times 16 bits of a coarse hash; two of the same picture almost always share one.

    fine: 256 bits as 64 hexadecimal digits; it decides.
    """

    bands: tuple[int, int, int, int]
    fine: str

    def distance(self, fine: str) -> int:
        """In how many of 256 bits another picture's fine hash differs."""
        return (int(self.fine, 16) ^ int(fine, 16)).bit_count()


def perceptual_hash(image: Image.Image) -> PerceptualHash:
    """image: upright, of any mode and size."""
    grey = image.convert("L")
    coarse = _difference_bits(grey, _COARSE_SIDE)
    # Every fourth bit: a plain background alone must not fill a band.
    bands = [int(coarse[band::BANDS], 2) for band in range(BANDS)]
    fine = int(_difference_bits(grey, _FINE_SIDE), 2)
    return PerceptualHash(bands=(bands[0], bands[1], bands[2], bands[3]), fine=f"{fine:064x}")


def _difference_bits(grey: Image.Image, side: int) -> str:
    """Whether each of `side` rows of `side` + 1 pixels grows brighter to the right, as a string of 0 and 1."""
    width = side + 1
    levels = grey.resize((width, side), Image.Resampling.LANCZOS, reducing_gap=2.0).tobytes()
    return "".join(
        "1" if levels[row * width + column + 1] > levels[row * width + column] else "0"
        for row in range(side)
        for column in range(side)
    )

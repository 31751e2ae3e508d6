"""Compare what torch alone finds in photos, as it does on a GPU, with what the processor finds with OpenCV.

Usage: python benchmarks/agreement.py FOLDER [FOLDER …] [--count 60] [--megapixels 12] [--device cuda]

FOLDERs hold JPEGs, of which so many are compared from each. On a GPU the nets compute in half precision; without
--device all is computed on the processor in single precision, which shows the method's own differences.
Exits 1 if a photo gets another answer or refusal.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from harness import read_photos

from inference.atlas import LONGEST_SIDE
from inference.contracts import FaceAnalysis, InferenceError
from inference.decoding import DecodedPhoto, decode
from inference.engine import Engine

BATCH = 8
# tests/gpu allows as much, of a probability and of the height of a face.
PROBABILITY, BOX = 0.01, 0.005

Answer = FaceAnalysis | InferenceError


def answers(engine: Engine, photos: Sequence[DecodedPhoto]) -> Iterator[Answer]:
    """By torch alone where it can tell, also on a processor."""
    starts = range(0, len(photos), BATCH)
    for batch in engine.stream(engine.load(photos[start : start + BATCH]) for start in starts):
        yield from batch


def outcome(answer: Answer) -> str:
    return "rated" if isinstance(answer, FaceAnalysis) else str(answer.code)


def differences(own: FaceAnalysis, expected: FaceAnalysis) -> tuple[float, float]:
    """The largest of any type's probability, and of any box's edge in shares of the face's height."""

    def numbers(answer: FaceAnalysis) -> tuple[list[tuple[float, ...]], list[tuple[float, ...]]]:
        boxes = [answer.face.box, *(part.box for part in answer.parts)]
        return [part.probabilities for part in answer.parts], [(box.x0, box.y0, box.x1, box.y1) for box in boxes]

    (probabilities, boxes), (other_probabilities, other_boxes) = numbers(own), numbers(expected)
    height = expected.parts[0].box.height
    return (
        float(np.abs(np.subtract(probabilities, other_probabilities)).max()),
        float(np.abs(np.subtract(boxes, other_boxes)).max()) / height,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--count", type=int, default=60, help="photos of each folder")
    parser.add_argument("--megapixels", type=float, help="enlarge the photos to this size, as from a camera")
    parser.add_argument("--device", default="cpu", help="as torch names it")
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    usual, other = Engine(), Engine(device=arguments.device)

    read = [
        photo for folder in arguments.folders for photo in read_photos(folder, arguments.count, arguments.megapixels)
    ]
    photos = [photo for photo in map(decode, read) if max(photo.pixels.shape) <= LONGEST_SIDE]
    outcomes: Counter[tuple[str, str]] = Counter()
    rated = []
    for photo, own in zip(photos, answers(other, photos), strict=True):
        (expected,) = usual.analyze([photo])
        outcomes[outcome(expected), outcome(own)] += 1
        if isinstance(own, FaceAnalysis) and isinstance(expected, FaceAnalysis):
            rated.append(differences(own, expected))

    print(f"{len(photos)} photos of {len(read)}; the others are longer than {LONGEST_SIDE} pixels as decoded")
    for (expected_outcome, own_outcome), count in outcomes.most_common():
        print(f"{count:>6}  {expected_outcome}" + (f", but {own_outcome}" if own_outcome != expected_outcome else ""))
    if not rated:
        raise SystemExit("no photo got an analysis from both, so there are no numbers to compare")
    table = np.array(rated)
    # What was looked at again with OpenCV has the very same numbers.
    print(f"of those rated, by torch alone: {np.count_nonzero(table.any(axis=1))}")
    print(f"{'difference':<42}{'median':>9}{'99th':>9}{'largest':>9}{'more than allowed':>20}")
    for name, column, allowed in zip(
        ("a type's probability", "a box, of the face's height"), table.T, (PROBABILITY, BOX), strict=True
    ):
        numbers = (np.median(column), np.percentile(column, 99), column.max())
        print(
            f"{name:<42}"
            + "".join(f"{number:>9.4f}" for number in numbers)
            + f"{np.count_nonzero(column > allowed):>20}"
        )
    if any(expected_outcome != own_outcome for expected_outcome, own_outcome in outcomes):
        sys.exit(1)


if __name__ == "__main__":
    main()

"""What the HTML page shows of each model: its numbers, plots, groups and worst cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from inference.contracts import FacePart, FaceType
from inference.dataset import read_pixels
from inference.evaluation import plots
from inference.evaluation.cases import Case, GateCase, PartsCase, TypesCase
from inference.evaluation.groups import groupings_of
from inference.evaluation.html import GroupTable, Page, Picture
from inference.evaluation.intervals import statistic_interval
from inference.evaluation.report import Measurement, Report, share
from inference.metrics import pearson_r
from inference.preprocessing import Floats, Pixels

C = TypeVar("C", GateCase, PartsCase, TypesCase)

_NOTE = (
    "Measured on files held out from training, from bytes to answers. The pictures are the data folder's: mind "
    "their licences before you publish this page."
)
_WORST = 16
_PICTURE_HEIGHT = 220
_ORDER = list(FaceType)
_FOUND, _TRUTH = (123, 63, 228), (20, 160, 90)
# Of parts' boxes, as required.
_IOU_AIM = 0.85
# With fewer, a correlation says nothing.
_MIN_CORRELATED = 8


def gate_page(report: Report, data: Path) -> Page:
    cases = [case for case in report.cases if isinstance(case, GateCase)]
    is_face = np.array([case.is_face for case in cases])
    typed = np.array([case.is_typed for case in cases])
    wrong = sorted((case for case in cases if not case.is_right), key=lambda case: (case.is_face, -case.score))
    operating_point = (float(typed[~is_face].mean()), float(typed[is_face].mean()))
    return Page(
        title=report.model,
        note=_NOTE,
        measurements=report.measurements,
        plots=[
            Picture(
                plots.roc(np.array([case.score for case in cases]), is_face, operating_point),
                "ROC: faces accepted over scenes accepted, at every threshold of the verifier; the dot is the whole "
                "gate, which also refuses faces that it sees well but that cannot be judged.",
            )
        ],
        groups=_group_tables(cases, data, _accepted),
        worst=[_picture(case, f"{case.file.name}: {case.outcome}, score {case.score:.2f}") for case in wrong[:_WORST]],
    )


def parts_page(report: Report, data: Path) -> Page:
    cases = [case for case in report.cases if isinstance(case, PartsCase)]
    worst = sorted(cases, key=lambda case: float(case.overlaps.min()))
    overlaps = np.array([case.overlaps for case in cases])
    return Page(
        title=report.model,
        note=f"{_NOTE} Green boxes follow from hand-placed landmarks, violet ones are the model's.",
        measurements=report.measurements,
        plots=[
            Picture(
                plots.histogram(overlaps, [str(part) for part in FacePart], "IoU", aim=_IOU_AIM),
                "IoU of each part's box with the one from hand-placed landmarks; the dashed line is required.",
            )
        ],
        groups=_group_tables(cases, data, _mean_overlaps),
        worst=[_picture(case, f"{case.file.name}: IoU {case.overlaps.min():.3f}") for case in worst[:_WORST]],
    )


def types_page(report: Report, data: Path) -> Page:
    cases = [case for case in report.cases if isinstance(case, TypesCase)]
    worst = sorted(
        cases,
        key=lambda case: (-abs(_ORDER.index(case.given) - _ORDER.index(case.survey)), -case.confidence),
    )
    return Page(
        title=report.model,
        note=_NOTE,
        measurements=report.measurements,
        # Where nobody got a type there is nothing to draw.
        plots=_types_plots(cases) if cases else [],
        groups=_group_tables(cases, data, _agreement),
        worst=[
            _picture(
                case,
                f"{case.file.name}: {case.given} with confidence {case.confidence:.2f}, score {case.score:.0f}; the "
                f"survey says {case.survey}, mean rating {case.rating:.0f}",
            )
            for case in worst[:_WORST]
        ],
        quoted=report.quoted,
    )


def _types_plots(cases: Sequence[TypesCase]) -> list[Picture]:
    survey, given = (np.array([_ORDER.index(getattr(case, name)) for case in cases]) for name in ("survey", "given"))
    return [
        Picture(
            plots.confusion(survey, given, [str(face_type) for face_type in FaceType]),
            "Confusion of the model's types with the survey's.",
        ),
        Picture(
            plots.reliability(np.array([case.confidence for case in cases]), survey == given),
            "Reliability: how often a type given with some confidence is the survey's, in the ten bins of equal "
            "width that the calibration error is taken over.",
        ),
        Picture(
            plots.scatter(*_scores_and_ratings(cases), ("score", "mean rating")),
            "The score over the raters' mean rating.",
        ),
    ]


PAGES: dict[str, Callable[[Report, Path], Page]] = {"gate": gate_page, "parts": parts_page, "types": types_page}


def _accepted(cases: Sequence[GateCase]) -> list[Measurement]:
    return [share("get a type", sum(case.is_typed for case in cases), len(cases))]


def _mean_overlaps(cases: Sequence[PartsCase]) -> list[Measurement]:
    overlaps = np.array([case.overlaps for case in cases])
    return [
        Measurement(
            f"{part} mean IoU",
            float(overlaps[:, index].mean()),
            len(cases),
            interval=statistic_interval(np.mean, overlaps[:, index]),
        )
        for index, part in enumerate(FacePart)
    ]


def _agreement(cases: Sequence[TypesCase]) -> list[Measurement]:
    apart = [abs(_ORDER.index(case.given) - _ORDER.index(case.survey)) for case in cases]
    rows = [
        share("same type", sum(distance == 0 for distance in apart), len(cases)),
        share("at most one type apart", sum(distance <= 1 for distance in apart), len(cases)),
    ]
    if len(cases) >= _MIN_CORRELATED:
        columns = _scores_and_ratings(cases)
        interval = statistic_interval(pearson_r, *columns)
        rows.append(Measurement("score, Pearson r", pearson_r(*columns), len(cases), interval=interval))
    return rows


def _scores_and_ratings(cases: Sequence[TypesCase]) -> tuple[Floats, Floats]:
    return np.array([case.score for case in cases]), np.array([case.rating for case in cases])


def _group_tables(
    cases: Sequence[C], data: Path, measure: Callable[[Sequence[C]], list[Measurement]]
) -> list[GroupTable]:
    tables = []
    for grouping in groupings_of([case.file for case in cases], data):
        measurements = {
            group.name: measure([case for case in cases if case.file.name in group.files]) for group in grouping.groups
        }
        note = _largest_difference([rows[0] for rows in measurements.values()]) if grouping.is_of_people else ""
        tables.append(GroupTable(grouping.name, note, measurements))
    return tables


def _largest_difference(measurements: Sequence[Measurement]) -> str:
    values = [measurement.value for measurement in measurements]
    return f"Largest difference in “{measurements[0].metric}”: {max(values) - min(values):.4f}."


def _picture(case: Case, caption: str) -> Picture:
    pixels = read_pixels(case.file.path)
    scale = _PICTURE_HEIGHT / pixels.shape[0]
    small = np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    if isinstance(case, PartsCase):
        _draw(small, case.truth * scale, _TRUTH)
        if case.found is not None:
            _draw(small, case.found * scale, _FOUND)
    encoded = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
    return Picture(encoded.tobytes(), caption)


def _draw(pixels: Pixels, boxes: Floats, colour: tuple[int, int, int]) -> None:
    for x0, y0, x1, y1 in boxes.round().astype(int).tolist():
        cv2.rectangle(pixels, (x0, y0), (x1, y1), colour)

"""The measures themselves, on cases whose values are known."""

from __future__ import annotations

import json

import numpy as np
import pytest

from inference.evaluation.intervals import statistic_interval
from inference.evaluation.report import Measurement, Report, write_json
from inference.metrics import (
    box_iou,
    expected_calibration_error,
    pearson_r,
    quadratic_weighted_kappa,
)


def test_iou_of_known_boxes():
    first = np.array([[0.0, 0, 2, 2], [0, 0, 2, 2], [0, 0, 1, 1]])
    second = np.array([[0.0, 0, 2, 2], [1, 0, 3, 2], [5, 5, 6, 6]])

    assert box_iou(first, second).tolist() == pytest.approx([1, 1 / 3, 0])


def test_kappa_is_one_for_agreement_zero_for_chance_and_negative_for_reversal():
    rng = np.random.default_rng(0)
    types = rng.integers(0, 5, 5000)

    assert quadratic_weighted_kappa(types, types) == 1
    assert quadratic_weighted_kappa(types, rng.integers(0, 5, 5000)) == pytest.approx(0, abs=0.05)
    assert quadratic_weighted_kappa(types, 4 - types) == pytest.approx(-1, abs=0.05)


def test_pearson_r_ignores_scale_and_shift():
    values = np.array([1.0, 4, 2, 8])

    assert pearson_r(values, 3 * values + 7) == pytest.approx(1)


def test_calibration_error_is_the_gap_between_confidence_and_accuracy():
    confidence = np.array([0.95] * 10 + [0.55] * 10)
    correct = np.array([True] * 9 + [False] + [True] * 3 + [False] * 7)

    assert expected_calibration_error(confidence, correct) == pytest.approx((0.05 + 0.25) / 2)


def test_the_bootstrap_interval_holds_the_mean():
    low, high = statistic_interval(np.mean, np.random.default_rng(0).normal(5, 1, 200))

    assert low < 5 < high
    assert high - low < 0.4


def test_a_report_reads_as_a_table_and_as_json(tmp_path):
    report = Report("gate 1", [Measurement("faces that get a type", 0.975, 40, ">= 0.95")], [("a.jpg", "no_face")])

    write_json([report], tmp_path / "report.json")

    assert "faces that get a type  0.9750     40  >= 0.95" in report.as_table()
    assert json.loads((tmp_path / "report.json").read_text())[0]["failures"] == [["a.jpg", "no_face"]]

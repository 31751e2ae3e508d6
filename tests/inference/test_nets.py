"""The nets' outputs: their shapes, their meaning, and that they stay what they were.

`stored/<net>.safetensors` holds what each net answered for one seeded input with seeded weights.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from inference.nets.gate import STRIDE, FaceDetector, FaceVerifier
from inference.nets.layers import fuse_batch_norms
from inference.nets.parts import PartsNet, part_boxes
from inference.nets.types import OrdinalHead, TypesNet, roi_sample

STORED = Path(__file__).parent / "stored"
BOXES = torch.tensor([[[0.2, 0.1, 0.8, 0.9], [0.2, 0.3, 0.8, 0.6], [0.2, 0.6, 0.8, 0.9]]])


def seeded(net: type[nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return net().eval()


def crops(count: int, size: int = 128) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1


@torch.inference_mode()
def answers(name: str) -> dict[str, Tensor]:
    if name == "detector":
        return dict(seeded(FaceDetector)(crops(1, 192))._asdict())
    if name == "verifier":
        return dict(seeded(FaceVerifier)(crops(2))._asdict())
    if name == "parts":
        return dict(seeded(PartsNet)(crops(2))._asdict())
    return dict(seeded(TypesNet)(crops(2), BOXES.expand(2, -1, -1))._asdict())


@pytest.mark.parametrize("name", ["detector", "verifier", "parts", "types"])
def test_answers_are_what_they_were(name):
    path = STORED / f"{name}.safetensors"
    found = answers(name)
    if not path.exists():
        save_file({key: value.contiguous() for key, value in found.items()}, path)
        pytest.fail(f"stored {path.name}; look at it, commit it, run again")

    expected = load_file(path)

    assert found.keys() == expected.keys()
    for key, value in found.items():
        torch.testing.assert_close(value, expected[key], rtol=1e-3, atol=1e-4)


def test_the_detector_reads_boxes_and_points_in_pixels_of_its_input():
    raw = torch.zeros(1, 15, 24, 24)
    raw[0, 3:5] = torch.log(torch.tensor(4.0))

    maps = FaceDetector.decode(raw)

    centre_x, centre_y, width, height = maps.boxes[0, :, 5, 10].tolist()
    assert (centre_x, centre_y) == (10.5 * STRIDE, 5.5 * STRIDE)
    assert (width, height) == pytest.approx((4 * STRIDE, 4 * STRIDE))
    assert maps.points[0, :, 5, 10].tolist() == pytest.approx([centre_x, centre_y] * 5)


@pytest.mark.parametrize("net", [FaceDetector, FaceVerifier, PartsNet])
def test_fused_batch_norms_change_no_answer(net):
    model = seeded(net)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 2)
    images = crops(1)
    with torch.inference_mode():
        before = model(images)
        fuse_batch_norms(model)
        after = model(images)

    assert not any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    for first, second in zip(before, after, strict=True):
        torch.testing.assert_close(first, second, rtol=1e-3, atol=1e-3)


def test_part_boxes_follow_from_the_lines():
    whole, upper, lower = part_boxes(torch.tensor([10.0, 110.0, 50.0, 130.0, 190.0])).tolist()

    assert whole == pytest.approx([10, 50 - 0.35 * 140, 110, 190])
    assert upper == pytest.approx([10, 50 - 0.08 * 140, 110, 130])
    assert lower == pytest.approx([10, 130, 110, 190])


def test_type_probabilities_sum_to_one_and_favour_better_types_as_the_latent_rises():
    head = OrdinalHead()
    head.log_scale.data.fill_(-1.5)

    probabilities = head(torch.tensor([[-3.0] * 3, [0.0] * 3, [3.0] * 3]))

    torch.testing.assert_close(probabilities.sum(-1), torch.ones(3, 3))
    assert (probabilities >= 0).all()
    assert probabilities.argmax(-1)[:, 0].tolist() == [4, 2, 0]


def test_a_part_sees_only_its_own_box():
    features = torch.zeros(1, 1, 8, 8)
    features[..., 4:, :] = 1

    upper = roi_sample(features, torch.tensor([[0.1, 0.1, 0.9, 0.4]]))
    lower = roi_sample(features, torch.tensor([[0.1, 0.6, 0.9, 0.9]]))

    assert upper.shape == (1, 1, 4, 4)
    assert upper.max() == 0
    assert lower.min() == 1

"""The type model's recipe: its teacher, its morphs, who may teach it, and that its ratings are left out where said."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from inference.dataset import FOLDS, HELD_OUT_FOLD, ImageFile, face_files, rated_faces, read_pixels
from inference.nets.types import FEATURES, IMPRESSIONS
from inference.preprocessing import CROP_TEMPLATE, Floats
from inference.training.loop import FitSettings, fit
from inference.training.morphs import (
    CANVAS_SIZE,
    CANVAS_TO_CROP,
    AlignedPortrait,
    lines_through,
    morph,
    touching_points,
)
from inference.training.pool import FacePool, Features, Targets, Teacher, build_pool, pool_of, shares_by_set
from inference.training.recognition import CHIP_SIZE, RecognitionNet, recognition_weights
from inference.training.types import (
    RatedViews,
    TypesSamples,
    TypesTrainee,
    TypesValidation,
    in_span,
    left_out_latents,
    random_view,
    rating_weights,
    trunk_files,
    types_loss,
)

LINES = np.array([0.2, 0.8, 0.36, 0.58, 0.86])


def image_file(name: str) -> ImageFile:
    return ImageFile(Path("/nowhere") / name, name, name)


def canvas_pixels(points: Floats) -> Floats:
    """From shares of the crop to a canvas's pixels."""
    return (points * 128 - CANVAS_TO_CROP[:, 2]) / CANVAS_TO_CROP[0, 0]


def dotted(points: Floats, lines: Floats, colour: int) -> AlignedPortrait:
    """A dark canvas with a bright dot on each of the five points."""
    pixels = np.zeros((CANVAS_SIZE, CANVAS_SIZE, 3), np.uint8)
    for x, y in np.round(canvas_pixels(points)).astype(int):
        pixels[y - 2 : y + 2, x - 2 : x + 2] = colour
    return AlignedPortrait(pixels, points, lines)


def noisy_portraits(count: int) -> list[AlignedPortrait]:
    """Canvases of smooth noise, each with a shape of its own."""
    portraits = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        coarse = rng.integers(0, 256, (14, 14, 3), np.uint8)
        pixels = np.kron(coarse, np.ones((CANVAS_SIZE // 14, CANVAS_SIZE // 14, 1), np.uint8))
        points, lines = CROP_TEMPLATE + rng.normal(0, 0.01, (5, 2)), LINES + rng.normal(0, 0.01, 5)
        portraits.append(AlignedPortrait(pixels, points, lines))
    return portraits


@pytest.fixture(scope="session")
def recognition() -> RecognitionNet:
    if find_spec("face_recognition_models") is None:
        pytest.skip("the teacher's weights come with requirements-train.txt")
    return RecognitionNet.read(recognition_weights())


def test_the_teacher_answers_as_dlib_does(recognition, data):
    dlib = pytest.importorskip("dlib", reason="dlib comes with requirements-train.txt")
    files = [file for file in face_files(data) if "/omi/" in file.name][:4]
    chips = [np.ascontiguousarray(read_pixels(file.path)[:CHIP_SIZE, :CHIP_SIZE]) for file in files]
    expected = np.array(dlib.face_recognition_model_v1(str(recognition_weights())).compute_face_descriptor(chips))

    with torch.inference_mode():
        found = recognition(torch.from_numpy(np.stack(chips)).permute(0, 3, 1, 2).float()).numpy()

    np.testing.assert_allclose(found, expected, atol=1e-4)
    # They differ from face to face by much more than that.
    assert expected.std(axis=0).mean() > 0.01


def test_weights_of_another_architecture_are_refused(recognition, tmp_path):
    cut_off = tmp_path / "net.dat"
    cut_off.write_bytes(recognition_weights().read_bytes()[:1_000_000])

    with pytest.raises(ValueError, match="no further tensor"):
        RecognitionNet.read(cut_off)


@pytest.mark.parametrize("seed", range(6))
def test_a_morphs_features_lie_between_those_of_its_two_faces(seed):
    first = dotted(CROP_TEMPLATE + np.array([-0.02, 0.015]), LINES, 255)
    second = dotted(CROP_TEMPLATE + np.array([0.02, -0.015]), LINES + 0.02, 255)

    found = morph(first, second, np.random.default_rng(seed))

    share = (found.lines - first.lines)[0] / 0.02
    assert 0.2 <= share <= 0.8
    np.testing.assert_allclose(found.points, (1 - share) * first.points + share * second.points)
    for x, y in canvas_pixels(found.points):
        window = found.pixels[round(y) - 6 : round(y) + 6, round(x) - 6 : round(x) + 6, 0].astype(float)
        rows, columns = np.mgrid[round(y) - 6 : round(y) + 6, round(x) - 6 : round(x) + 6] + 0.5
        # Both faces' dots have come to the one place, to two pixels of 224.
        assert np.hypot(np.average(columns, weights=window) - x, np.average(rows, weights=window) - y) < 2
        assert window.max() > 200


def test_a_morph_of_a_face_with_itself_is_that_face():
    face = noisy_portraits(1)[0]

    found = morph(face, face, np.random.default_rng(0))

    assert abs(found.pixels.astype(int) - face.pixels).max() <= 1


def test_lines_survive_their_way_over_points():
    np.testing.assert_allclose(lines_through(touching_points(LINES)), LINES)


def test_a_mirrored_view_has_mirrored_boxes():
    face = noisy_portraits(1)[0]
    views = [
        random_view(face.pixels, CANVAS_TO_CROP, face.lines, np.random.default_rng(0), 0.0, is_mirrored=is_mirrored)
        for is_mirrored in (False, True)
    ]

    (crop, boxes), (mirrored, turned) = views
    np.testing.assert_array_equal(mirrored, crop[:, ::-1])
    torch.testing.assert_close(
        turned[:, [2, 1, 0, 3]] * torch.tensor([-1.0, 1, -1, 1]) + torch.tensor([1.0, 0, 1, 0]), boxes
    )


def test_the_trunk_never_sees_a_man_of_the_survey_nor_a_held_out_file(data):
    rated = rated_faces(data)
    men = {name for name, is_man in zip(rated.names, rated.is_man, strict=True) if is_man}
    files = face_files(data)

    names = {file.name for file in trunk_files(files, men)}

    assert len(men) == 278
    assert not names & men
    assert not names & {file.name for file in files if file.is_held_out}
    # Everybody else's picture may be used.
    assert names == {file.name for file in files if not file.is_held_out} - men


def alike(rating: Floats) -> Floats:
    """One rating for all three parts."""
    return np.repeat(rating[:, None], 3, axis=1)


def rated_views(count: int = 120, views: int = 4) -> RatedViews:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(count, 1, 3, 16)) + rng.normal(0, 0.1, (count, views, 3, 16))
    is_man = np.arange(count) % 3 > 0
    rating = 50 + 10 * features.mean(axis=1)[:, :, :4].sum(axis=(1, 2)) + rng.normal(0, 3, count)
    return RatedViews(features, alike(rating), is_man, np.arange(count) % FOLDS)


@pytest.mark.parametrize("fold", [HELD_OUT_FOLD, 3])
def test_ratings_of_a_fold_cannot_reach_its_own_latents(fold):
    faces = rated_views()
    own = faces.folds == fold
    rerated = replace(faces, part_ratings=np.where(own[:, None], 100 - 3 * faces.part_ratings, faces.part_ratings))

    before, after = left_out_latents(faces), left_out_latents(rerated)

    np.testing.assert_array_equal(after[own], before[own])
    # All others learned from them.
    assert (abs(after[~own] - before[~own]) > 1e-6).all()


def test_left_out_latents_follow_the_ratings():
    faces = rated_views(600)

    latent = left_out_latents(faces)

    for part in range(3):
        assert np.corrcoef(latent[faces.is_man, part], faces.part_ratings[faces.is_man, part])[0, 1] > 0.4


def test_weights_found_in_the_span_of_the_faces_rate_the_features_themselves():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(20, 3, 3, sum(FEATURES))).astype(np.float32)

    coordinates, carriers = in_span(features)

    assert coordinates.shape == (20, 3, 3, 19)
    for part in range(3):
        weights = rng.normal(size=19)
        np.testing.assert_allclose(
            features[:, :, part] @ (carriers[part] @ weights), coordinates[:, :, part] @ weights, atol=1e-4
        )
    # Distances between faces, which is all that the regression knows, are kept: each kind of features' are as long
    # as its share.
    lengths = np.square(coordinates.mean(axis=1) - coordinates.mean(axis=(0, 1))).sum(axis=-1).mean(axis=0)
    np.testing.assert_allclose(lengths, 1, rtol=0.01)


def test_each_part_learns_from_its_own_ratings():
    faces = rated_views(600)
    rated_by_part = faces.part_ratings * np.array([1, -1, 1])

    latent = left_out_latents(replace(faces, part_ratings=rated_by_part))

    for part, sign in enumerate((1, -1, 1)):
        assert sign * np.corrcoef(latent[faces.is_man, part], faces.part_ratings[faces.is_man, part])[0, 1] > 0.4


def test_rating_weights_ignore_that_others_are_rated_higher_as_a_group():
    rng = np.random.default_rng(0)
    embeddings = np.repeat(rng.normal(size=(400, 1, 1, 8)), 3, axis=2)
    is_man = np.arange(400) < 200
    rating = embeddings[:, 0, 0, 0] + np.where(is_man, 0.0, 5.0)

    weights, bias = rating_weights(RatedViews(embeddings, alike(rating), is_man, np.zeros(400, np.int64)), 1)

    predicted = embeddings[is_man, 0, 1] @ weights + bias
    assert np.corrcoef(predicted, rating[is_man])[0, 1] > 0.99
    assert predicted.mean() == pytest.approx(0, abs=0.05)


def test_rating_weights_rest_on_what_stays_from_view_to_view():
    rng = np.random.default_rng(0)
    rating = rng.normal(size=300)
    embeddings = np.repeat((rating[:, None] + rng.normal(0, 0.3, (300, 2)))[:, None, None], 6, axis=1)
    embeddings = np.repeat(embeddings, 3, axis=2)
    # Both features know the rating equally well, but the second one changes with the light.
    embeddings[..., 1] += rng.normal(0, 1, (300, 6, 1))
    embeddings[..., 1] -= embeddings[..., 1].mean(axis=1, keepdims=True) - embeddings[:, :1, :, 0].mean()

    weights, _ = rating_weights(RatedViews(embeddings, alike(rating), np.ones(300, bool), np.zeros(300, np.int64)), 0)

    assert weights[0] > 5 * abs(weights[1])


def test_a_pool_comes_back_from_its_file_and_only_for_the_same_inputs(tmp_path):
    pool = FacePool(
        [b"a", b"bcd"],
        np.ones((2, 5)),
        np.ones((2, 3, 128), np.float16),
        np.full((2, 3, 32), 2, np.float16),
        np.ones((2, 3, 48, 4, 4), np.float16),
    )
    pool.write(tmp_path / "pool.npz", "these")

    found = FacePool.read(tmp_path / "pool.npz", "these")

    assert found is not None
    assert found.files == [b"a", b"bcd"]
    np.testing.assert_array_equal(found.cells, pool.cells)
    np.testing.assert_array_equal(found.impressions, pool.impressions)
    assert FacePool.read(tmp_path / "pool.npz", "those") is None
    assert FacePool.read(tmp_path / "none.npz", "these") is None


def test_the_trunk_learns_from_a_small_pool(recognition, tmp_path):
    portraits = noisy_portraits(24)
    files = [image_file(f"faces/{'ab'[index % 2]}/{index}.jpg") for index in range(24)]
    attributes = np.full((24, 5), np.nan)
    attributes[:4] = np.random.default_rng(0).normal(size=(4, 5))
    is_rated = np.arange(24) < 4
    teacher = Teacher("cpu")
    pool, targets = build_pool(portraits, attributes, shares_by_set(files), 8, teacher, seed=0)
    validation = TypesValidation(pool_of(portraits, teacher, targets))
    batch = {key: torch.stack([validation[index][key] for index in range(24)]) for key in validation[0]}
    samples = TypesSamples(pool, files, is_rated, count=48 * 8, seed=0)
    torch.manual_seed(0)
    trainee = TypesTrainee().eval()
    with torch.inference_mode():
        before = float(types_loss(trainee, batch))

    fitted = fit(trainee, samples, types_loss, FitSettings(48, 8, 2e-3, tmp_path / "types.pt"), "types", validation)

    assert len(pool) == 32
    with torch.inference_mode():
        assert float(types_loss(fitted, batch)) < before


def test_samples_depend_on_seed_and_index_alone_and_targets_turn_with_the_face(recognition):
    portraits = noisy_portraits(3)
    files = [image_file(f"faces/a/{index}.jpg") for index in range(3)]
    unrated = np.full((3, 5), np.nan)
    pool, _ = build_pool(portraits, unrated, shares_by_set(files), 3, Teacher("cpu"), seed=0)
    samples = TypesSamples(pool, files, np.zeros(3, bool), count=40, seed=0)

    for index in range(20):
        first, second = samples[index], samples[index]
        assert all(torch.equal(first[key], second[key]) for key in first)
    stored = torch.from_numpy(pool.cells).float()
    turned = [
        any(torch.equal(samples[index]["cells"], face.flip(-1)) for face in stored) for index in range(len(samples))
    ]
    straight = [any(torch.equal(samples[index]["cells"], face) for face in stored) for index in range(len(samples))]
    assert all(a != b for a, b in zip(turned, straight, strict=True))
    assert 0 < sum(turned) < len(turned)


def features_of(seed: int, count: int = 200) -> Features:
    """What a teacher might see: twenty things vary, and show in all parts."""
    rng = np.random.default_rng(seed)
    ways = np.random.default_rng(0).normal(size=(20, 448 * 16 + 128))
    values = torch.from_numpy(rng.normal(size=(count, 20)) @ ways).float()
    cells = values[:, None, : 448 * 16].repeat(1, 3, 1).view(count, 3, 448, 4, 4)
    return Features(cells, cells, values[:, 448 * 16 :])


def test_impressions_of_faces_that_nobody_rated_follow_what_their_features_say_of_the_rated_ones():
    known, unknown = features_of(1), features_of(2)
    # Attributes of which one is seen in the embedding, the others in cells.
    ratings = [np.asarray(each.both_ways[:, 0, ::90, 0, 0]).astype(float) for each in (known, unknown)]
    attributes = np.where(np.arange(200)[:, None] < 100, ratings[0], np.nan)

    targets = Targets(known, attributes)

    found = targets.impressions(unknown).astype(float)
    assert found.shape == (200, 3, IMPRESSIONS)
    for part in range(3):
        # Five attributes have five components; linear in them, each attribute comes back.
        used = np.column_stack([found[:, part, :5], np.ones(200)])
        predicted = used @ np.linalg.lstsq(used, ratings[1], rcond=None)[0]
        for column in range(5):
            assert np.corrcoef(predicted[:, column], ratings[1][:, column])[0, 1] > 0.9
        np.testing.assert_array_equal(found[:, part, 5:], 0)
    np.testing.assert_allclose(np.square(found[..., :5]).mean(), 1, rtol=0.3)


def test_where_nobody_was_rated_there_are_no_impressions():
    found = Targets(features_of(1, 40), np.full((40, 3), np.nan)).impressions(features_of(2, 10))

    np.testing.assert_array_equal(found, np.zeros((10, 3, IMPRESSIONS)))


def test_what_the_teacher_sees_is_the_same_for_a_face_and_its_mirror_image(recognition):
    face = noisy_portraits(1)[0]
    mirrored_lines = np.array([1 - face.lines[1], 1 - face.lines[0], *face.lines[2:]])
    mirrored = AlignedPortrait(np.ascontiguousarray(face.pixels[:, ::-1]), face.points, mirrored_lines)

    found = Teacher("cpu")([face, mirrored])

    np.testing.assert_allclose(found.both_ways[0], found.both_ways[1], atol=0.05 * float(found.both_ways.std()))
    np.testing.assert_allclose(found.cells[0], found.cells[1].flip(-1), atol=0.05 * float(found.cells.std()))
    assert float((found.direct[0] - found.mirrored[0]).std()) > 0.1 * float(found.direct.std())

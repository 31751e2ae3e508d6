"""From a trained model's folder to a release, into use and out of it."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.utils import timezone

from inference.comparison import CROSS_VALIDATED_R, FACES_ACCEPTED, PRIMARY_METRICS, SCENES_ACCEPTED, compare
from inference.models import AlteredWeights, DuplicateRelease, ModelRelease, NotInUse
from inference.registry import preprocessing_of
from tests.inference.factories import make_candidate, make_metrics, make_release

pytestmark = pytest.mark.django_db

UNUSABLE, WORSE = 1, 3


def release(folder: Path, *flags: str, name: str = "types") -> str:
    out = StringIO()
    call_command("release", name, folder, *flags, stdout=out)
    return out.getvalue()


def refusal(folder: Path, *flags: str, name: str = "types") -> CommandError:
    """Why a folder is not released; nothing of it may stay behind."""
    before = stored(name), ModelRelease.objects.count()
    with pytest.raises(CommandError) as raised:
        release(folder, *flags, name=name)
    assert (stored(name), ModelRelease.objects.count()) == before
    return raised.value


def stored(name: str) -> list[str]:
    return sorted(storages["models"].listdir(name)[1]) if storages["models"].exists(name) else []


def test_released_model_is_stored_but_not_yet_used(tmp_path: Path) -> None:
    out = release(make_candidate(tmp_path, version="9.0"))

    made = ModelRelease.objects.get()
    assert (made.name, made.version, made.is_active, made.activated_at) == ("types", "9.0", False, None)
    assert ModelRelease.objects.weights_of(made.sha256) == (tmp_path / "types.safetensors").read_bytes()
    assert ModelRelease.objects.manifest_of(made.sha256) == json.loads((tmp_path / "types.json").read_text())
    assert f"{CROSS_VALIDATED_R}: 0.9500" in out


def test_released_model_is_used_at_once_where_asked(tmp_path: Path) -> None:
    release(make_candidate(tmp_path, version="9.0"), "--activate")

    made = ModelRelease.objects.get()
    assert made.is_active
    assert ModelRelease.objects.active_hashes() == {"types": made.sha256}


@pytest.mark.parametrize(("value", "is_worse"), [(0.7, False), (0.71, False), (0.69, True)])
def test_worse_model_needs_force(tmp_path: Path, value: float, *, is_worse: bool) -> None:
    make_release(tmp_path, version="9.0", metrics=make_metrics(value=0.7)).activate()
    candidate = make_candidate(tmp_path / "new", version="9.1", metrics=make_metrics(value=value))

    if is_worse:
        assert refusal(candidate).returncode == WORSE
    release(candidate, *(["--force"] if is_worse else []))

    assert ModelRelease.objects.filter(version="9.1").exists()


def test_gate_that_accepts_more_scenes_is_worse(tmp_path: Path) -> None:
    metrics = make_metrics("gate", 0.5)
    make_release(tmp_path, name="gate", version="9.0", metrics=metrics).activate()
    worse, better = (metrics | {SCENES_ACCEPTED: share} for share in (0.6, 0.4))

    candidate = make_candidate(tmp_path / "new", name="gate", version="9.1", metrics=worse)
    assert refusal(candidate, name="gate").returncode == WORSE

    release(make_candidate(tmp_path / "new", name="gate", version="9.1", metrics=better), name="gate")


@pytest.mark.parametrize(
    ("name", "metric"), [(name, metric) for name, metrics in PRIMARY_METRICS.items() for metric in metrics]
)
def test_each_primary_metric_alone_makes_a_model_worse(name: str, metric: str) -> None:
    in_use = dict.fromkeys(PRIMARY_METRICS[name], 0.5)
    for value, is_worse in ((0.499, PRIMARY_METRICS[name][metric]), (0.501, not PRIMARY_METRICS[name][metric])):
        objections = [each.metric for each in compare(name, in_use | {metric: value}, in_use) if each.objection]
        assert objections == ([metric] if is_worse else [])
    unmeasured = {other: value for other, value in in_use.items() if other != metric}
    assert [each.objection for each in compare(name, unmeasured, in_use) if each.objection] == ["not measured"]
    assert not any(each.objection for each in compare(name, in_use, {}))


def test_a_gate_is_better_that_accepts_more_faces_and_fewer_scenes() -> None:
    assert (PRIMARY_METRICS["gate"][FACES_ACCEPTED], PRIMARY_METRICS["gate"][SCENES_ACCEPTED]) == (True, False)


def test_model_without_numbers_needs_force(tmp_path: Path) -> None:
    candidate = make_candidate(tmp_path, metrics={})

    assert refusal(candidate).returncode == WORSE

    release(candidate, "--force")


def test_altered_weights_are_not_released(tmp_path: Path) -> None:
    weights = make_candidate(tmp_path) / "types.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")

    error = refusal(tmp_path, "--force")

    assert error.returncode == UNUSABLE
    assert "sha256" in str(error)


@pytest.mark.parametrize(
    "fields",
    [{"preprocessing": {"crop_size": 64}}, {"calibration": None}, {"name": "parts"}, {"training": "none"}],
)
def test_manifest_the_servers_could_not_use_is_not_released(tmp_path: Path, fields: dict[str, Any]) -> None:
    assert refusal(make_candidate(tmp_path, **fields), "--force").returncode == UNUSABLE


def test_weights_of_another_net_are_not_released(tmp_path: Path) -> None:
    candidate = make_candidate(tmp_path, name="parts")
    manifest = json.loads((candidate / "parts.json").read_text())
    renamed = manifest | {"name": "types", "preprocessing": preprocessing_of("types")}
    (candidate / "types.json").write_text(json.dumps(renamed))
    (candidate / "parts.safetensors").rename(candidate / "types.safetensors")

    error = refusal(candidate, "--force")

    assert "does not fit" in str(error)


def test_missing_folder_is_named(tmp_path: Path) -> None:
    assert "nowhere" in str(refusal(tmp_path / "nowhere"))


def test_version_is_released_once(tmp_path: Path) -> None:
    make_release(tmp_path, version="9.0")

    error = refusal(tmp_path / "types-9.0", "--force")

    assert error.returncode == UNUSABLE
    assert "released already" in str(error)


def test_weights_are_released_once(tmp_path: Path) -> None:
    first = make_release(tmp_path, version="9.0")
    weights = ModelRelease.objects.weights_of(first.sha256)

    with pytest.raises(DuplicateRelease):
        ModelRelease.objects.release(manifest=first.manifest | {"version": "9.1"}, weights=weights)


def test_stored_weights_that_were_altered_are_not_handed_out(tmp_path: Path) -> None:
    made = make_release(tmp_path)
    path = Path(storages["models"].path(made.weights_key))
    path.write_bytes(path.read_bytes()[:-1] + b"\0")

    with pytest.raises(AlteredWeights):
        ModelRelease.objects.weights_of(made.sha256)


def test_one_release_of_a_model_is_active(tmp_path: Path) -> None:
    first, second = (make_release(tmp_path, version=version) for version in ("9.0", "9.1"))
    gate = make_release(tmp_path, name="gate")
    for made in (first, gate, second):
        made.activate()

    assert ModelRelease.objects.active_hashes() == {"types": second.sha256, "gate": gate.sha256}
    with pytest.raises(IntegrityError), transaction.atomic():
        ModelRelease.objects.filter(pk=first.pk).update(is_active=True, activated_at=timezone.now())


def test_roll_backs_go_back_release_by_release_to_the_packaged_weights(tmp_path: Path) -> None:
    first, second, third = (make_release(tmp_path, version=version) for version in ("9.0", "9.1", "9.2"))
    for made in (first, second, third):
        made.activate()

    assert third.roll_back() == second
    second.refresh_from_db()
    assert second.roll_back() == first
    first.refresh_from_db()
    assert first.roll_back() is None
    assert not ModelRelease.objects.active().exists()


def test_release_that_is_not_in_use_cannot_be_rolled_back(tmp_path: Path) -> None:
    first, second = (make_release(tmp_path, version=version) for version in ("9.0", "9.1"))
    first.activate()
    second.activate()
    second.roll_back()

    # As a second click would.
    with pytest.raises(NotInUse):
        second.roll_back()

    assert ModelRelease.objects.active().get() == first


def test_roll_back_from_the_command_line(tmp_path: Path) -> None:
    make_release(tmp_path).activate()
    out = StringIO()

    call_command("roll_back", "types", stdout=out)

    assert "the packaged weights" in out.getvalue()
    with pytest.raises(CommandError):
        call_command("roll_back", "types")

"""A running client follows the releases, and no photo goes without an answer meanwhile."""

from __future__ import annotations

import gc
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages
from pytest_django import DjangoAssertNumQueries, Settings

from inference import client
from inference.apps import build_backend
from inference.contracts import PhotoRefused
from inference.models import ModelRelease
from inference.registry import find_manifest
from inference.serving.following import FollowingBackend
from inference.serving.local import LocalBackend
from tests.fakes import FakeBackend
from tests.images import jpeg
from tests.inference.factories import make_candidate, make_release

PACKAGED = {name: find_manifest(name).version for name in ("gate", "parts", "types")}


def serve() -> FollowingBackend:
    """A process that serves, but for its thread: the test polls."""
    backend = build_backend()
    assert isinstance(backend, FollowingBackend)
    client.configure(lambda: backend)
    return backend


def build_local(folder: Path) -> LocalBackend:
    return LocalBackend(client.BackendOptions(), weights_dir=folder)


def answers() -> bool:
    """Whether a photo, of nobody, is answered."""
    try:
        client.analyze(jpeg())
    except PhotoRefused:
        return True
    return False


def running() -> dict[str, str]:
    versions = client.versions()
    return {"gate": versions.gate, "parts": versions.parts, "types": versions.types}


@pytest.fixture(autouse=True)
def _client() -> Iterator[None]:
    yield
    client.configure(build_backend)


@pytest.mark.django_db
class TestWithTheDatabase:
    def test_packaged_weights_run_where_nothing_is_active(self, tmp_path: Path) -> None:
        make_release(tmp_path)

        serve()

        assert running() == PACKAGED
        assert answers()

    def test_a_device_that_is_not_there_is_named_at_the_start(self, settings: Settings) -> None:
        settings.INFERENCE_DEVICE = "cuda:99"

        with pytest.raises(ValueError, match="no cuda:99 on this machine"):
            build_backend()

    def test_activation_reaches_a_running_client(self, tmp_path: Path) -> None:
        backend = serve()
        make_release(tmp_path, version="9.0").activate()

        assert running() == PACKAGED
        backend.refresh()

        assert running() == PACKAGED | {"types": "9.0"}
        assert answers()

    def test_active_releases_run_from_the_start(self, tmp_path: Path) -> None:
        for name in ("gate", "types"):
            make_release(tmp_path, name=name, version="9.0").activate()

        serve()

        assert running() == PACKAGED | {"gate": "9.0", "types": "9.0"}

    def test_roll_back_reaches_a_running_client(self, tmp_path: Path) -> None:
        first, second = (make_release(tmp_path, version=version) for version in ("9.0", "9.1"))
        first.activate()
        second.activate()
        backend = serve()

        second.roll_back()
        backend.refresh()
        assert running()["types"] == "9.0"

        ModelRelease.objects.active().get().roll_back()
        backend.refresh()
        assert running() == PACKAGED

    def test_poll_is_one_query(self, tmp_path: Path, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        make_release(tmp_path).activate()
        backend = serve()

        with django_assert_num_queries(1):
            backend.refresh()

    def test_weights_are_fetched_once(self, tmp_path: Path) -> None:
        made = make_release(tmp_path)
        made.activate()
        serve()

        storages["models"].delete(made.weights_key)
        serve()

        assert running()["types"] == "9.0"

    def test_altered_file_in_the_cache_is_fetched_again(self, tmp_path: Path, settings: Settings) -> None:
        make_release(tmp_path).activate()
        serve()
        (cached,) = settings.MODEL_CACHE_FOLDER.iterdir()
        cached.write_bytes(cached.read_bytes()[:-1] + b"\0")

        serve()

        assert running()["types"] == "9.0"


def lose(release: ModelRelease) -> None:
    storages["models"].delete(release.weights_key)


def alter(release: ModelRelease) -> None:
    path = Path(storages["models"].path(release.weights_key))
    path.write_bytes(path.read_bytes()[:-1] + b"\0")


def change_preprocessing(release: ModelRelease) -> None:
    manifest = release.manifest | {"preprocessing": {"crop_size": 64}}
    ModelRelease.objects.filter(pk=release.pk).update(manifest=manifest)


@pytest.mark.django_db
@pytest.mark.parametrize("spoil", [lose, alter, change_preprocessing])
class TestBrokenRelease:
    @pytest.fixture
    def broken(self, tmp_path: Path, spoil: Callable[[ModelRelease], None]) -> ModelRelease:
        broken = make_release(tmp_path, version="9.1")
        spoil(broken)
        return broken

    def test_changes_nothing_in_a_running_client(
        self, tmp_path: Path, broken: ModelRelease, caplog: pytest.LogCaptureFixture
    ) -> None:
        make_release(tmp_path, version="9.0").activate()
        backend = serve()
        client.warm_up()
        broken.activate()

        backend.refresh()

        assert running() == PACKAGED | {"types": "9.0"}
        assert answers()
        assert client.is_ready()
        assert "releases_not_loaded" in caplog.text

        broken.roll_back()
        make_release(tmp_path, version="9.2").activate()
        backend.refresh()
        assert running()["types"] == "9.2"

    def test_leaves_the_packaged_weights_at_the_start(
        self, broken: ModelRelease, caplog: pytest.LogCaptureFixture
    ) -> None:
        broken.activate()

        serve()

        assert running() == PACKAGED
        assert answers()
        assert "releases_not_loaded" in caplog.text


class ReleasesInMemory:
    """Stands in for the database and the storage, which a test's threads could not share."""

    def __init__(self) -> None:
        self.active: dict[str, str] = {}
        self.folders: dict[str, Path] = {}
        self.is_away = False
        self.is_broken = False
        self.polls = 0

    def add(self, folder: Path) -> str:
        sha256 = str(json.loads((folder / "types.json").read_text())["sha256"])
        self.folders[sha256] = folder
        return sha256

    def active_hashes(self) -> Mapping[str, str]:
        self.polls += 1
        # A database connection that failed once fails until it is closed.
        self.is_broken = self.is_broken or self.is_away
        if self.is_broken:
            raise ConnectionError
        return dict(self.active)

    def disconnect(self) -> None:
        self.is_broken = False

    def manifest_of(self, sha256: str) -> Mapping[str, Any]:
        manifest: dict[str, Any] = json.loads((self.folders[sha256] / "types.json").read_text())
        return manifest

    def weights_of(self, sha256: str) -> bytes:
        return (self.folders[sha256] / "types.safetensors").read_bytes()


@pytest.fixture
def releases() -> ReleasesInMemory:
    return ReleasesInMemory()


@pytest.fixture
def follow(releases: ReleasesInMemory, tmp_path: Path) -> Callable[[], None]:
    def start() -> None:
        client.configure(
            lambda: FollowingBackend(
                build=build_local,
                releases=releases,
                cache=tmp_path / "cache",
                after_poll=releases.disconnect,
                poll_seconds=0.02,
            )
        )
        client.warm_up()

    return start


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_requests_during_swaps_all_succeed(
    releases: ReleasesInMemory, follow: Callable[[], None], tmp_path: Path
) -> None:
    versions = ("9.0", "9.1")
    hashes = {version: releases.add(make_candidate(tmp_path / version, version=version)) for version in versions}
    follow()
    is_over = threading.Event()

    def send_photos() -> list[bool]:
        answered = []
        while not is_over.is_set():
            answered.append(answers())
        return answered

    with ThreadPoolExecutor(4) as pool:
        senders = [pool.submit(send_photos) for _ in range(4)]
        try:
            for version in versions:
                releases.active = {"types": hashes[version]}
                wait_until(lambda version=version: running()["types"] == version)
                assert client.is_ready()
        finally:
            is_over.set()
        outcomes = [answered for sender in senders for answered in sender.result()]

    assert len(outcomes) > len(senders)
    assert all(outcomes)


def test_following_outlives_a_database_that_is_away(
    releases: ReleasesInMemory, follow: Callable[[], None], tmp_path: Path
) -> None:
    sha256 = releases.add(make_candidate(tmp_path / "9.0", version="9.0"))
    releases.is_away = True
    follow()
    polls = releases.polls
    wait_until(lambda: releases.polls > polls)
    assert running() == PACKAGED

    releases.active = {"types": sha256}
    releases.is_away = False

    wait_until(lambda: running()["types"] == "9.0")


def test_threads_end_with_their_backend(follow: Callable[[], None]) -> None:
    before = threading.enumerate()
    follow()
    started = [thread for thread in threading.enumerate() if thread not in before]
    assert {thread.name for thread in started} == {"releases", "batching"}

    client.configure(build_backend)
    gc.collect()

    for thread in started:
        thread.join(timeout=10)
        assert not thread.is_alive()


def followers() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "releases"}


def test_warming_up_again_starts_no_second_follower(follow: Callable[[], None]) -> None:
    before = followers()
    follow()

    client.warm_up()

    assert len(followers() - before) == 1


class HesitantBackend(FollowingBackend):
    """Takes its time between looking whether it follows already and saying that it does."""

    @property
    def _is_followed(self) -> bool:
        answer: bool = self.__dict__["is_followed"]
        time.sleep(0.05)
        return answer

    @_is_followed.setter
    def _is_followed(self, value: bool) -> None:
        self.__dict__["is_followed"] = value


def test_threads_that_warm_up_at_once_start_one_follower(releases: ReleasesInMemory, tmp_path: Path) -> None:
    backend = HesitantBackend(
        build=lambda _: FakeBackend(), releases=releases, cache=tmp_path, after_poll=releases.disconnect
    )
    before = followers()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: backend.warm_up(), range(4)))

    assert len(followers() - before) == 1

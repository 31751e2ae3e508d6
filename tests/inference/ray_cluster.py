"""A real Ray cluster of some nodes on this machine, and photos sent to it; shared with benchmarks/ray_faults.py."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar, cast

import ray
import urllib3
from ray import serve
from ray.cluster_utils import Cluster

from inference.client import Backend, BackendOptions
from inference.contracts import InferenceError, PhotoRefused
from inference.serving.remote import RemoteBackend

Started = TypeVar("Started")
Answer = TypeVar("Answer")

SECRET = "known to both tiers and to nobody else"
# Bytes of each node's object store, which carries nothing but the models.
_OBJECT_STORE = 80 * 1024 * 1024
_LONGEST_WAIT = 120.0
_ATTEMPTS = 4
# A machine that does other work starts processes slowly; Ray gives up a node after half a minute.
_PATIENT = {
    "RAY_agent_register_timeout_ms": "300000",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
    "RAY_enable_worker_prestart": "0",
}


class LocalCluster:
    """Nodes that are processes of this machine; each listens for photos on a port of its own."""

    def __init__(self, *, nodes: int, cpus: int) -> None:
        """cpus: that each node has to reserve, whatever the machine has."""
        os.environ.update(_PATIENT)
        # A token that lies in the home folder is another cluster's.
        os.environ.setdefault("RAY_AUTH_MODE", "disabled")
        self._cpus = cpus
        head = {"num_cpus": cpus, "include_dashboard": False, "object_store_memory": _OBJECT_STORE}
        self._cluster: Any = _in_some_attempts(lambda: Cluster(initialize_head=True, head_node_args=head))
        self.address = str(self._cluster.address)
        ray.init(address=self.address, log_to_driver=False)
        port = _free_port()
        serve.start(proxy_location="EveryNode", http_options={"host": "127.0.0.1", "port": port})
        self.urls = [f"http://127.0.0.1:{port}"]
        for _ in range(nodes - 1):
            self.add_node()

    def add_node(self) -> None:
        port = _free_port()
        _in_some_attempts(
            lambda: self._cluster.add_node(
                num_cpus=self._cpus,
                object_store_memory=_OBJECT_STORE,
                env_vars={"RAY_SERVE_WORKER_PROXY_HTTP_PORT": str(port)},
            )
        )
        self.urls.append(f"http://127.0.0.1:{port}")

    def wait_for_addresses(self) -> None:
        """Until every node listens; one that gets its first replica begins then."""
        for url in self.urls:
            give_up_at = time.monotonic() + _LONGEST_WAIT
            while not _is_healthy(url):
                if time.monotonic() > give_up_at:
                    raise TimeoutError(f"{url} does not listen")
                time.sleep(0.1)

    def backend(self, *, secret: str = SECRET, max_waiting: int = 64) -> RemoteBackend:
        """The web tier's, knowing every node."""
        return RemoteBackend(BackendOptions(urls=tuple(self.urls), secret=secret, max_waiting=max_waiting))

    def replicas(self) -> dict[str, str]:
        """The nodes of the replicas that run, by the replicas' names."""
        return {name: _ask(name, _node) for name in self.names()}

    def names(self) -> list[str]:
        """Of the replicas, also of those that do not answer."""
        names = [actor["name"] for actor in ray.util.list_named_actors(all_namespaces=True)]
        return [name for name in names if name.startswith("SERVE_REPLICA::")]

    def kill_replica(self) -> None:
        """At once, whatever it is doing."""
        ray.kill(ray.get_actor(self.names()[0], namespace="serve"))

    def stop_replica(self) -> str:
        """One that hangs from now on, whatever it is doing. Returns its name."""
        name = self.names()[0]
        os.kill(_ask(name, _pid), signal.SIGSTOP)
        return name

    def kill_node(self) -> None:
        """The one added last, at once: its replicas and its address with it."""
        self._cluster.remove_node(self._cluster.list_all_nodes()[-1], allow_graceful=False)

    def close(self) -> None:
        serve.shutdown()  # type: ignore[no-untyped-call]
        ray.shutdown()
        self._cluster.shutdown()


@dataclass
class Outcomes:
    """What senders got. versions: answers by the type model that gave them. errors: codes of photos without one."""

    versions: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    @property
    def answered(self) -> int:
        return self.versions.total()

    def wait_for(self, answers: int) -> None:
        """For as many more than now."""
        wanted, give_up_at = self.answered + answers, time.monotonic() + _LONGEST_WAIT
        while self.answered < wanted:
            if time.monotonic() > give_up_at:
                raise TimeoutError(f"no {answers} answers within {_LONGEST_WAIT:.0f} s: {self}")
            time.sleep(0.02)


@contextmanager
def senders(
    backend: Backend, photos: Sequence[bytes], *, count: int, time_limit: float, pause: float = 0
) -> Iterator[Outcomes]:
    """So many threads that send photo after photo while the context lasts.

    time_limit: seconds that each photo has for its answer. pause: seconds a thread rests after each.
    """
    outcomes = Outcomes()
    is_over = threading.Event()

    def send(first: int) -> None:
        number = first
        while not is_over.is_set():
            photo = photos[number % len(photos)]
            number += 1
            started = time.monotonic()
            try:
                version = backend.analyze(photo, deadline=started + time_limit).models.types
            except PhotoRefused as refusal:
                # The models have seen it: that is an answer.
                version = refusal.code
            except InferenceError as error:
                outcomes.errors[error.code] += 1
                continue
            outcomes.versions[version] += 1
            outcomes.seconds.append(time.monotonic() - started)
            is_over.wait(pause)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield outcomes
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def _in_some_attempts(start: Callable[[], Started]) -> Started:
    """Ray gives a node's agents fifteen seconds to start, fixed; a machine that does other work may take longer."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return start()
        except Exception as error:
            if "timed out during startup" not in str(error):
                raise
    return start()


def _is_healthy(url: str) -> bool:
    try:
        return urllib3.request("GET", f"{url}/-/healthz", retries=False, timeout=5).status == HTTPStatus.OK
    except urllib3.exceptions.HTTPError:
        return False


def _ask(name: str, question: Callable[[object], Answer]) -> Answer:
    return cast("Answer", ray.get(ray.get_actor(name, namespace="serve").__ray_call__.remote(question)))


def _node(_actor: object) -> str:
    return ray.get_runtime_context().get_node_id()


def _pid(_actor: object) -> int:
    return os.getpid()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])

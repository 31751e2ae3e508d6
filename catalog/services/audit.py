"""The audit log's entries: who changed what, and who looked at whose photo.

django-auditlog writes an entry by itself where a tracked object is saved or deleted; see alphaproject.audit. What
changes many rows at once without that, and what changes nothing, is told here.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from enum import IntEnum
from types import MappingProxyType
from typing import Any

import structlog
from auditlog.models import LogEntry
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model

# Field -> (before, after).
Changes = Mapping[str, tuple[object, object]]

# Entries written by one statement.
_BATCH = 1000

_actor: ContextVar[Any] = ContextVar("audit_actor", default=None)


class Action(IntEnum):
    CREATE = LogEntry.Action.CREATE
    UPDATE = LogEntry.Action.UPDATE
    DELETE = LogEntry.Action.DELETE
    ACCESS = LogEntry.Action.ACCESS


@contextmanager
def acting(actor: Any) -> Generator[None]:
    """Whoever does what happens inside; a lazy user is looked up only where an entry is written."""
    token = _actor.set(actor)
    try:
        yield
    finally:
        _actor.reset(token)


def current_actor() -> AbstractBaseUser | None:
    """The signed-in user of the request or background job that runs; None for the command line and for visitors."""
    actor = _actor.get()
    return actor if isinstance(actor, AbstractBaseUser) else None


def correlation_id() -> str | None:
    """The id of the request in our logs, so that an entry and its log line find each other."""
    return structlog.contextvars.get_contextvars().get("request_id")


def audit_bulk(
    *,
    objects: Sequence[Model],
    changes: Changes | Sequence[Changes] = MappingProxyType({}),
    action: Action = Action.UPDATE,
    actor: AbstractBaseUser | None = None,
) -> None:
    """Write one entry for each of `objects`, all of one model, with a constant number of queries a thousand.

    Their texts must be at hand: an entry keeps str() of its object.
    changes: the same for all objects, or one for each; nothing personal and no secret.
    actor: who did it, where it is not whoever acting() names.
    """
    if not objects:
        return
    content_type = ContentType.objects.get_for_model(objects[0])
    who = actor or current_actor()
    each_changes = [changes] * len(objects) if isinstance(changes, Mapping) else changes
    LogEntry.objects.bulk_create(
        [
            LogEntry(
                content_type=content_type,
                object_pk=str(each.pk),
                object_id=each.pk if isinstance(each.pk, int) else None,
                object_repr=str(each),
                action=action,
                changes={field: [str(before), str(after)] for field, (before, after) in fields.items()},
                actor=who,
                cid=correlation_id(),
            )
            for each, fields in zip(objects, each_changes, strict=True)
        ],
        batch_size=_BATCH,
    )

"""What the audit log follows by itself, and what it does not follow, with the reason.

Its entries hold no secret and nothing about the people whose photos are classified: fields that could are left out.
"""

from __future__ import annotations

from typing import Any

from auditlog.models import LogEntry
from auditlog.registry import auditlog
from django.apps import apps
from django.db.models.signals import pre_save

from catalog.services.audit import current_actor

_TIMES = ["created_at", "updated_at"]

# Model -> options of auditlog.register().
TRACKED: dict[str, dict[str, Any]] = {
    "auth.User": {
        # Names, addresses and password hashes are nobody's business; who may do what is.
        "include_fields": ["username", "is_active", "is_staff", "is_superuser"],
        "m2m_fields": {"groups", "user_permissions"},
    },
    "auth.Group": {"include_fields": ["name"], "m2m_fields": {"permissions"}},
    "catalog.Celebrity": {"exclude_fields": _TIMES},
    # Slots move whenever a gallery's neighbour leaves; publishing is told by services/images.py.
    "catalog.CelebrityImage": {"exclude_fields": [*_TIMES, "file", "gallery_slot"]},
    "catalog.FaceType": {},
    "catalog.Guidance": {},
    "catalog.ImageLabel": {"exclude_fields": [*_TIMES, "version"]},
    "catalog.Job": {"include_fields": ["kind", "state"]},
    "catalog.LabelExport": {"include_fields": ["sha256", "label_count"]},
    "catalog.PartLabel": {},
    "catalog.ScoringPolicy": {"exclude_fields": _TIMES},
    # Whoever has the link can answer the survey.
    "catalog.Survey": {"exclude_fields": [*_TIMES, "link_token"]},
    "catalog.SurveyImport": {"include_fields": ["survey", "state", "file_name", "sha256"]},
    "catalog.SurveyResult": {"include_fields": ["survey", "method", "data_hash", "published_at"]},
    "inference.ModelRelease": {"include_fields": ["name", "version", "sha256", "is_active"]},
}

# Model -> why not.
UNTRACKED: dict[str, str] = {
    "auth.Permission": "comes with the code",
    "catalog.ImageEmbedding": "made by the models, not edited",
    "catalog.JobRow": "a job's own account of what it did",
    "catalog.Rater": "raters make them, and the log is about staff",
    "catalog.Rating": "raters make them, and the log is about staff",
    "catalog.ReviewEvent": "is a log itself",
    "catalog.SurveyImage": "belongs to its survey, and its count follows the ratings",
    "catalog.SurveyResultRow": "frozen with its result",
    "classification.BatchResult": "made by a command, not edited",
    "classification.Board": "people make and erase their own",
    "classification.BoardMember": "people make and erase their own",
    "classification.Classification": "people make and erase their own; what staff do is told by classification.staff",
    "classification.Comparison": "people make and erase their own",
    "classification.DailyCount": "counted, not edited",
    "classification.IdempotentRequest": "made and erased with its classification",
    "classification.ShareLink": "people make and revoke their own",
}


def register() -> None:
    for label, options in TRACKED.items():
        auditlog.register(apps.get_model(label), **options)
    pre_save.connect(_name_actor, sender=LogEntry, dispatch_uid="alphaproject.audit")


def _name_actor(instance: LogEntry, **_: Any) -> None:
    if instance.actor is None:
        instance.actor = current_actor()

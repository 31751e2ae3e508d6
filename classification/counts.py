"""The daily counts of outcomes: written with each answer, read by the dashboard."""

from __future__ import annotations

import structlog
from django.db import DatabaseError
from django.db.models import F
from django.utils import timezone

from classification.models import Client, DailyCount

logger = structlog.get_logger(__name__)


def outcome_count(*, client: Client, outcome: str) -> None:
    """Count one outcome of today. A count that cannot be written is left out: it never costs anybody an answer."""
    today = timezone.localdate()
    counted = DailyCount.objects.filter(day=today, client=client, outcome=outcome)
    try:
        if not counted.update(count=F("count") + 1):
            # The first of the day; somebody else may be the first at the same moment.
            first = DailyCount(day=today, client=client, outcome=outcome)
            DailyCount.objects.bulk_create([first], ignore_conflicts=True)
            counted.update(count=F("count") + 1)
    except DatabaseError as error:
        logger.warning("not_counted", outcome=outcome, exc_info=error)

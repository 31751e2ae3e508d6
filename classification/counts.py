"""The daily counts of outcomes: written with each answer, read by the dashboard."""

from __future__ import annotations

from datetime import date

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


def source_count_set(*, day: date, outcome: str, count: int) -> bool:
    """Set how many photos came to a type on a day of the source system; whether that changed anything."""
    row, is_new = DailyCount.objects.get_or_create(
        day=day, client=DailyCount.SOURCE_SYSTEM, outcome=outcome, defaults={"count": count}
    )
    if not is_new and row.count != count:
        row.count = count
        row.save(update_fields=["count"])
        return True
    return is_new

"""The daily counts of outcomes: written with each answer, read by the dashboard."""

from __future__ import annotations

from datetime import date

import structlog
from django.db import DatabaseError
from django.utils import timezone

from catalog.statements import execute
from classification.models import Client, DailyCount

logger = structlog.get_logger(__name__)

# In one statement, whoever else is the first of the day at the same moment.
_TABLE = DailyCount._meta.db_table  # noqa: SLF001 - Django documents it
_ONE_MORE = (
    f"INSERT INTO {_TABLE} (day, client, outcome, count) VALUES (%s, %s, %s, 1) "  # noqa: S608 - the name is our own
    f"ON CONFLICT (day, client, outcome) DO UPDATE SET count = {_TABLE}.count + 1"
)


def outcome_count(*, client: Client, outcome: str) -> None:
    """Count one outcome of today. A count that cannot be written is left out: it never costs anybody an answer."""
    try:
        execute(_ONE_MORE, timezone.localdate(), client.value, outcome)
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

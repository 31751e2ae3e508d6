"""SQL that is written once.

To write a statement takes Django several times as long as to answer it takes the database. Where every photo's answer
asks the same, it is written the first time, and only its parameters are given anew.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import Model


def execute(sql: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)


def insert(instance: Model) -> None:
    """What `save(force_insert=True)` does, for a model whose key is not the database's, and which no signal follows.

    Raises IntegrityError.
    """
    fields = instance._meta.concrete_fields  # noqa: SLF001 - Django documents it
    # Each field asks it a few things, and `connection` would look up this thread's each time.
    own = connections[DEFAULT_DB_ALIAS]
    values = [field.get_db_prep_save(field.pre_save(instance, add=True), own) for field in fields]
    execute(_insert_sql(type(instance)), *values)
    instance._state.adding = False  # noqa: SLF001 - Django documents it
    instance._state.db = DEFAULT_DB_ALIAS  # noqa: SLF001


@cache
def _insert_sql(model: type[Model]) -> str:
    columns = [field.column for field in model._meta.concrete_fields if field.column]  # noqa: SLF001
    quote = connection.ops.quote_name
    return (
        f"INSERT INTO {quote(model._meta.db_table)} ({', '.join(map(quote, columns))}) "  # noqa: S608, SLF001 - our own names
        f"VALUES ({', '.join(['%s'] * len(columns))})"
    )

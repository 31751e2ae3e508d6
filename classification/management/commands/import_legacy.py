from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler
from tqdm import tqdm

from catalog.errors import CatalogError
from catalog.services.legacy_import import ImportReport, UnknownSchema, legacy_import
from classification.counts import source_count_set


class Command(BaseCommand):
    help = (
        "Bring over the source system's type descriptions and pictures, and how many photos came to which type a day. "
        "Nobody's photo, birth date or MBTI comes over: the source recorded no consent. Safe to repeat; the source is "
        "only read."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "database_url",
            metavar="DATABASE_URL",
            help="as the source system had it, such as postgresql://user:password@host/name, mysql+pymysql://… or "
            "sqlite:////absolute/path",
        )

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        connection = _connect(options["database_url"])
        try:
            with _Bars() as bars:
                report = legacy_import(connection=connection, set_count=source_count_set, progress=bars)
        except (UnknownSchema, CatalogError) as error:
            raise CommandError(str(error)) from error
        except Error as error:
            # Its message may hold what a row held.
            raise CommandError(f"The source system's database failed: {type(error).__name__}.") from error
        finally:
            connection.close()
        self._tell(report)

    def _tell(self, report: ImportReport) -> None:
        for row, reason in report.skipped:
            self.stdout.write(f"skipped: {row}: {reason}")
        for row, reason in report.noted:
            self.stdout.write(f"note: {row}: {reason}")
        self.stdout.write(
            f"{report.images} images and {report.texts} descriptions added, {report.present} there already, "
            f"{report.users} results counted ({report.days} counts new or changed), {len(report.skipped)} rows skipped."
        )
        self.stdout.write("No photo, birth date or MBTI of a user was brought over: no consent is recorded for any.")


class _Bars:
    """A progress bar a table, where somebody watches."""

    def __init__(self) -> None:
        self._bars: dict[str, tqdm[Any]] = {}

    def __enter__(self) -> _Bars:
        return self

    def __exit__(self, *_: object) -> None:
        for bar in self._bars.values():
            bar.close()

    def __call__(self, table: str, done: int, total: int) -> None:
        if table not in self._bars:
            self._bars[table] = tqdm(desc=table, total=total, disable=not sys.stderr.isatty())
        self._bars[table].update(done - self._bars[table].n)


def _connect(url: str) -> BaseDatabaseWrapper:
    # SQLAlchemy names the driver too, which is Django's choice here.
    plain = re.sub(r"^(\w+)\+\w+://", r"\1://", url)
    try:
        config: dict[str, Any] = {**dj_database_url.parse(plain)}
    except (ValueError, KeyError) as error:
        raise CommandError("This is not a database's address.") from error
    if config["ENGINE"].endswith("sqlite3"):
        # A file that is not there would be made, empty.
        config["NAME"] = f"{Path(config['NAME']).absolute().as_uri()}?mode=ro"
    try:
        connection = ConnectionHandler({"default": config})["default"]
        connection.ensure_connection()
    except (ImproperlyConfigured, ImportError) as error:
        raise CommandError("The driver for this database is not installed; for MySQL it is mysqlclient.") from error
    except Error as error:
        raise CommandError("The source system's database cannot be reached.") from error
    return connection

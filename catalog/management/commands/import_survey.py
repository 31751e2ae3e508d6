"""Import an outside survey's ratings from a CSV file.

  manage.py import_survey ratings.csv --survey "Portraits: attractive" --create --scale one_to_seven \\
      --map rater=rater_id,image=face_id,value=rating,sex=rater_gender,age=rater_age --where trait=att --add-images
"""

from __future__ import annotations

import csv
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.db.models import Q
from tqdm import tqdm

from catalog.errors import CatalogError, RatingsNotImported
from catalog.models import Survey
from catalog.models.survey import Scale
from catalog.ratings import PARTS
from catalog.services.survey_files import Field, ImportOptions, Layout
from catalog.services.survey_import import ImportReport, ratings_check, ratings_import
from catalog.services.surveys import survey_create


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument("file", type=Path)
        parser.add_argument("--survey", required=True, help="its number, or its title in either language")
        parser.add_argument("--create", action="store_true", help="make the survey where there is none of that title")
        parser.add_argument("--scale", choices=Scale.values, help="of the survey to create")
        parser.add_argument("--parts", default=PARTS[0], help=f"of the survey to create, from {', '.join(PARTS)}")
        parser.add_argument(
            "--map",
            default="",
            help=f"FIELD=COLUMN, with commas between; fields: {', '.join(Field)}. Without a rater each row is one "
            "rater of a wide table, and nobody knows who rated in a long one",
        )
        parser.add_argument("--where", default="", help="COLUMN=TEXT, with commas between: only these rows")
        parser.add_argument("--part", default="", help="the part all answers are about")
        parser.add_argument("--wide", action="store_true", help="one row a rater; other columns are images")
        parser.add_argument("--ignore", action="append", default=[], help="a column of a wide table that is no image")
        parser.add_argument("--add-images", action="store_true", help="take images the survey does not have, too")
        parser.add_argument("--skip-bad-rows", action="store_true", help="import what can be; otherwise all or nothing")
        parser.add_argument("--preview", action="store_true", help="only show what an import would do")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            content = options["file"].read_bytes()
        except OSError as error:
            raise CommandError(f"{options['file']} cannot be read: {error.strerror}") from error
        chosen = ImportOptions(
            layout=Layout.WIDE if options["wide"] else Layout.LONG,
            columns=_fields(options["map"]),
            where=_pairs(options["where"]),
            part=options["part"],
            ignored=tuple(options["ignore"]),
            add_images=options["add_images"],
            skip_bad_rows=options["skip_bad_rows"],
        )
        # A survey that was to be created is not left behind, empty.
        with transaction.atomic():
            survey = _survey(options)
            try:
                report = self._import(survey, content, chosen, is_preview=options["preview"])
            except RatingsNotImported as error:
                self._show(error.report)
                raise CommandError(f"{error} --skip-bad-rows imports the rest.") from error
            except CatalogError as error:
                raise CommandError(str(error)) from error
            transaction.set_rollback(options["preview"])
        self._show(report)
        if options["preview"]:
            return
        self.stdout.write(
            f"{report.new} ratings imported into survey {survey.pk}." if report.new else _why_none(report)
        )

    def _import(self, survey: Survey, content: bytes, options: ImportOptions, *, is_preview: bool) -> ImportReport:
        if is_preview:
            return ratings_check(survey=survey, content=content, options=options)
        with tqdm(unit=" ratings", unit_scale=True, disable=None) as bar:

            def show(written: int, total: int) -> None:
                bar.total = total
                bar.update(written)

            return ratings_import(survey=survey, content=content, options=options, progress=show)

    def _show(self, report: ImportReport) -> None:
        write = self.stdout.write
        write(f"{report.rows} rows ({report.encoding}), {report.filtered} left out, {report.blank} blank answers")
        write(
            f"{report.new} new ratings, {report.present} there already, by {report.new_raters} new raters, "
            f"of {report.new_images} new images, {report.linked_images} of them pictures of the catalogue"
        )
        for answer in report.first_answers:
            write(f"  row {answer.row}: {answer.rater} gave {answer.image}, {answer.part}: {answer.value:g}")
        for note in report.notes:
            write(note)
        for problem in report.problems:
            self.stderr.write(f"row {problem.row}: {problem.message}")
        if report.problem_count > len(report.problems):
            self.stderr.write(f"… and {report.problem_count - len(report.problems)} more problems")


def _survey(options: dict[str, Any]) -> Survey:
    title = options["survey"]
    found = Q(title_ko=title) | Q(title_en=title)
    if title.isdecimal():
        found |= Q(pk=int(title))
    surveys = list(Survey.objects.filter(found)[:2])
    if len(surveys) > 1:
        raise CommandError(f"There are several surveys “{title}”; give the number.")
    if surveys:
        return surveys[0]
    if not options["create"]:
        raise CommandError(f"There is no survey “{title}”. --create makes one.")
    if not options["scale"]:
        raise CommandError(f"--create needs --scale: {', '.join(Scale.values)}.")
    parts = [part.strip() for part in options["parts"].split(",")]
    if unknown := [part for part in parts if part not in PARTS]:
        raise CommandError(f"Unknown parts: {', '.join(unknown)}. There are {', '.join(PARTS)}.")
    return survey_create(title=title, scale=Scale(options["scale"]), parts=[part for part in PARTS if part in parts])


def _fields(text: str) -> dict[Field, str]:
    pairs = _pairs(text)
    if unknown := [name for name in pairs if name not in set(Field)]:
        raise CommandError(f"Unknown fields: {', '.join(unknown)}. There are {', '.join(Field)}.")
    return {Field(name): column for name, column in pairs.items()}


def _pairs(text: str) -> dict[str, str]:
    """NAME=TEXT pairs; one with a comma inside stands in double quotes."""
    parts = [part.partition("=") for part in next(csv.reader([text]), []) if part.strip()]
    if wrong := [name for name, sign, _text in parts if not sign or not name.strip()]:
        raise CommandError(f"Expected NAME=TEXT, got “{wrong[0]}”.")
    return {name.strip(): value.strip() for name, _sign, value in parts}


def _why_none(report: ImportReport) -> str:
    if report.present:
        return "Nothing was imported: the survey has all of these ratings already."
    return "Nothing was imported: the file has no ratings to import."

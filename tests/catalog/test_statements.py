from __future__ import annotations

from datetime import date

import pytest
from django.db import IntegrityError
from django.db.models.sql.compiler import SQLCompiler

from catalog import statements
from classification import services
from classification.models import Classification, Client
from tests.fakes import FakeBackend
from tests.images import jpeg

pytestmark = pytest.mark.django_db


def classify() -> Classification:
    return services.classification_create(
        photo=jpeg(), birth_date=date(1996, 5, 4), client=Client.API, language="en"
    ).classification


def test_from_the_second_answer_on_nothing_is_written_but_parameters(
    catalogue: None, engine: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    for compiler in (SQLCompiler, *SQLCompiler.__subclasses__()):
        if "as_sql" in vars(compiler):
            as_sql = compiler.as_sql
            monkeypatch.setattr(
                compiler,
                "as_sql",
                lambda self, *args, _as_sql=as_sql, **kwargs: (
                    written.append(type(self).__name__),
                    _as_sql(self, *args, **kwargs),
                )[1],
            )
    classify()
    written.clear()

    again = classify()

    assert written == []
    assert Classification.objects.get(pk=again.pk).celebrity_images == again.celebrity_images
    assert written != []


def test_what_is_inserted_is_what_saving_would_have_kept(catalogue: None, engine: FakeBackend) -> None:
    inserted = classify()
    saved = Classification.objects.get(pk=inserted.pk)
    saved._state.adding = True
    saved.pk = Classification._meta.pk.get_default()
    saved.save(force_insert=True)

    def kept(pk: object) -> dict[str, object]:
        row = Classification.objects.filter(pk=pk).values().get()
        return {name: value for name, value in row.items() if name != "id"}

    assert kept(inserted.pk) == kept(saved.pk)
    assert not inserted._state.adding
    inserted.language = "ko"
    inserted.save()
    assert Classification.objects.get(pk=inserted.pk).language == "ko"


def test_what_the_database_refuses_is_told(catalogue: None, engine: FakeBackend) -> None:
    record = classify()

    with pytest.raises(IntegrityError):
        statements.insert(record)

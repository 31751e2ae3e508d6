"""A client's photo, kept and erased, in a process whose environment names a bucket; see test_s3.py."""

from __future__ import annotations

import io
import json
import urllib.request

import django

django.setup()

from django.core.files.uploadedfile import SimpleUploadedFile  # noqa: E402 - Django is set up only now
from django.core.management import call_command  # noqa: E402
from django.test import Client  # noqa: E402

from classification.models import Classification  # noqa: E402
from classification.photos import photo_read  # noqa: E402
from tests.images import jpeg  # noqa: E402

JPEG_MAGIC = b"\xff\xd8"

call_command("migrate", verbosity=0)
call_command("seed_catalog", stdout=io.StringIO())
client = Client()
fields = {"photo": SimpleUploadedFile("p.jpg", jpeg()), "birth_date": "1996-05-04", "store_photo": "true"}
created = client.post("/api/v1/classifications/", fields).json()
with urllib.request.urlopen(created["celebrities"][0]["image_url"]) as response:
    picture = response.read()
key = Classification.objects.get().photo_key
facts = {
    "key": key,
    "picture_is_jpeg": picture.startswith(JPEG_MAGIC),
    "kept_is_jpeg": photo_read(key).startswith(JPEG_MAGIC),
}
print(json.dumps(facts), flush=True)  # noqa: T201

# The test looks into the bucket before it lets the owner erase the photo.
input()
owner = {"Authorization": f"Bearer {created['owner_token']}"}
deleted = client.delete(f"/api/v1/classifications/{created['id']}/", headers=owner)
print(deleted.status_code)  # noqa: T201

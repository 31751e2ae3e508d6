"""What the models see in a catalogue picture, so that people's faces can be compared with it."""

from __future__ import annotations

from django.db import models

from catalog.models.celebrities import CelebrityImage


class ImageEmbedding(models.Model):
    """The embedding of one image's face, as one version of the type model made it; others make others.

    A table of its own: lists of images need not read it. Only celebrities' pictures have one, never people's photos.
    vector: 128 numbers of half precision, little-endian, of length 1 together; empty where the models find no usable
    face. version: of the type model.
    """

    image = models.OneToOneField(CelebrityImage, on_delete=models.CASCADE, primary_key=True, related_name="embedding")
    vector = models.BinaryField()
    version = models.CharField(max_length=50)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.image_id}: {self.version}"

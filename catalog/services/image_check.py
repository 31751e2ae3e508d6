"""Whether a single picture belongs into the catalogue, as an import would judge it."""

from __future__ import annotations

from django.utils.translation import gettext as _

from catalog.errors import ImageRefused, ModelsBusy, SimilarImage
from catalog.models import CelebrityImage
from catalog.services.analysis import analyse_many, refusal_sentence
from catalog.services.pictures import Picture
from inference.contracts import Busy, FaceAnalysis, InferenceError, PhotoRefused


def picture_check(*, picture: Picture) -> FaceAnalysis:
    """What the models say of it.

    Raises SimilarImage where the catalogue has it in another guise, ImageRefused where it shows no usable face.
    """
    if similar := CelebrityImage.objects.similar_to(picture.hash):
        image = CelebrityImage.objects.select_related("celebrity").get(pk=similar[0])
        raise SimilarImage(_("It looks like a picture in the catalogue: %(image)s.") % {"image": image})
    (answer,) = analyse_many([picture.content])
    if isinstance(answer, PhotoRefused):
        raise ImageRefused(refusal_sentence(answer.reason))
    if isinstance(answer, Busy):
        raise ModelsBusy(_("The models are busy. Please try again in a moment."))
    if isinstance(answer, InferenceError):
        raise ImageRefused(_("The models could not analyse the picture: %(code)s") % {"code": answer.code})
    return answer

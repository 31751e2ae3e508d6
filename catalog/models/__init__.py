from catalog.models.celebrities import Celebrity
from catalog.models.face_types import FaceType
from catalog.models.guidance import Guidance
from catalog.models.images import CelebrityImage
from catalog.models.scoring import ScoringPolicy

__all__ = ["Celebrity", "CelebrityImage", "FaceType", "Guidance", "ScoringPolicy"]

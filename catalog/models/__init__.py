from catalog.models.celebrities import Celebrity, CelebrityImage
from catalog.models.face_types import FaceType
from catalog.models.guidance import Guidance
from catalog.models.scoring import ScoringPolicy

__all__ = ["Celebrity", "CelebrityImage", "FaceType", "Guidance", "ScoringPolicy"]

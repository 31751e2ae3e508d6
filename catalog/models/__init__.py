from catalog.models.celebrities import Celebrity, CelebrityImage
from catalog.models.face_types import FaceType
from catalog.models.guidance import Guidance
from catalog.models.labels import ImageLabel, PartLabel, ReviewEvent
from catalog.models.scoring import ScoringPolicy
from catalog.models.survey import Rater, Rating, Survey, SurveyImage, SurveyResult, SurveyResultRow

__all__ = [
    "Celebrity",
    "CelebrityImage",
    "FaceType",
    "Guidance",
    "ImageLabel",
    "PartLabel",
    "Rater",
    "Rating",
    "ReviewEvent",
    "ScoringPolicy",
    "Survey",
    "SurveyImage",
    "SurveyResult",
    "SurveyResultRow",
]

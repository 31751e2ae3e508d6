from catalog.models.celebrities import Celebrity, CelebrityImage
from catalog.models.embeddings import ImageEmbedding
from catalog.models.face_types import FaceType
from catalog.models.guidance import Guidance
from catalog.models.jobs import Job, JobRow
from catalog.models.labels import ImageLabel, LabelExport, PartLabel, ReviewEvent
from catalog.models.scoring import ScoringPolicy
from catalog.models.survey import Rater, Rating, Survey, SurveyImage, SurveyImport, SurveyResult, SurveyResultRow

__all__ = [
    "Celebrity",
    "CelebrityImage",
    "FaceType",
    "Guidance",
    "ImageEmbedding",
    "ImageLabel",
    "Job",
    "JobRow",
    "LabelExport",
    "PartLabel",
    "Rater",
    "Rating",
    "ReviewEvent",
    "ScoringPolicy",
    "Survey",
    "SurveyImage",
    "SurveyImport",
    "SurveyResult",
    "SurveyResultRow",
]

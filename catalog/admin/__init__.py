from catalog.admin.celebrities import CelebrityAdmin
from catalog.admin.face_types import FaceTypeAdmin
from catalog.admin.guidance import GuidanceAdmin
from catalog.admin.images import CelebrityImageAdmin
from catalog.admin.jobs import JobAdmin
from catalog.admin.labels import ImageLabelAdmin, LabelExportAdmin
from catalog.admin.ratings import RaterAdmin, RatingAdmin
from catalog.admin.scoring import ScoringPolicyAdmin
from catalog.admin.survey_imports import SurveyImportAdmin
from catalog.admin.survey_results import SurveyResultAdmin, SurveyResultRowAdmin
from catalog.admin.surveys import SurveyAdmin, SurveyImageAdmin

__all__ = [
    "CelebrityAdmin",
    "CelebrityImageAdmin",
    "FaceTypeAdmin",
    "GuidanceAdmin",
    "ImageLabelAdmin",
    "JobAdmin",
    "LabelExportAdmin",
    "RaterAdmin",
    "RatingAdmin",
    "ScoringPolicyAdmin",
    "SurveyAdmin",
    "SurveyImageAdmin",
    "SurveyImportAdmin",
    "SurveyResultAdmin",
    "SurveyResultRowAdmin",
]

from catalog.admin.celebrities import CelebrityAdmin
from catalog.admin.face_types import FaceTypeAdmin
from catalog.admin.guidance import GuidanceAdmin
from catalog.admin.images import CelebrityImageAdmin
from catalog.admin.jobs import JobAdmin
from catalog.admin.labels import ImageLabelAdmin, LabelExportAdmin
from catalog.admin.scoring import ScoringPolicyAdmin

__all__ = [
    "CelebrityAdmin",
    "CelebrityImageAdmin",
    "FaceTypeAdmin",
    "GuidanceAdmin",
    "ImageLabelAdmin",
    "JobAdmin",
    "LabelExportAdmin",
    "ScoringPolicyAdmin",
]

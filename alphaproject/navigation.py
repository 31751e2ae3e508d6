"""The back office's sidebar: every screen, for those who may see it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from alphaproject.dashboard import open_reviews

# Group -> title, icon and app_label.model_name of each screen.
SCREENS: dict[Promise, list[tuple[Promise, str, str]]] = {
    _("Catalogue"): [
        (_("Face types"), "category", "catalog.facetype"),
        (_("Celebrities"), "person", "catalog.celebrity"),
        (_("Images"), "photo_library", "catalog.celebrityimage"),
        (_("Image jobs"), "upload_file", "catalog.job"),
        (_("Labels"), "label", "catalog.imagelabel"),
        (_("Label exports"), "archive", "catalog.labelexport"),
        (_("Guidance"), "help", "catalog.guidance"),
        (_("Scoring policies"), "tune", "catalog.scoringpolicy"),
    ],
    _("Surveys"): [
        (_("Surveys"), "ballot", "catalog.survey"),
        (_("Survey images"), "imagesmode", "catalog.surveyimage"),
        (_("Survey imports"), "table_view", "catalog.surveyimport"),
        (_("Raters"), "group", "catalog.rater"),
        (_("Ratings"), "star_half", "catalog.rating"),
        (_("Results"), "leaderboard", "catalog.surveyresult"),
    ],
    _("Photos and models"): [
        (_("Classifications"), "face_retouching_natural", "classification.classification"),
        (_("Model releases"), "neurology", "inference.modelrelease"),
    ],
    _("Operation"): [
        (_("Background tasks"), "pending_actions", "django_tasks_database.dbtaskresult"),
        (_("Audit log"), "history", "auditlog.logentry"),
        (_("Users"), "manage_accounts", "auth.user"),
        (_("Groups"), "groups", "auth.group"),
    ],
}


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Unfold's navigation. The number of open reviews stands at the labels; it costs one short index scan."""
    dashboard = {"title": _("Dashboard"), "icon": "space_dashboard", "link": reverse("admin:index")}
    groups: list[dict[str, Any]] = [{"items": [dashboard]}]
    for title, screens in SCREENS.items():
        items = [_item(*screen) for screen in screens if _may_view(request, screen[2])]
        if items:
            groups.append({"title": title, "separator": True, "items": items})
    return groups


def _item(title: Promise, icon: str, label: str) -> dict[str, Any]:
    app_label, model_name = label.split(".")
    item = {"title": title, "icon": icon, "link": reverse(f"admin:{app_label}_{model_name}_changelist")}
    if label == "catalog.imagelabel":
        count, is_empty = open_reviews()
        if not is_empty:
            item |= {"badge": count, "badge_variant": "warning"}
    return item


def _may_view(request: HttpRequest, label: str) -> bool:
    app_label, model_name = label.split(".")
    return bool(request.user.has_perm(f"{app_label}.view_{model_name}"))

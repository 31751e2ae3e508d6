"""Every route of the product."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.contrib.sitemaps.views import sitemap
from django.urls import include, path
from drf_spectacular.views import SpectacularSwaggerSplitView

from alphaproject import health, media, metrics
from classification.api import comparisons as comparing
from classification.api import legacy, legacy_staff, sharing, views
from classification.api.schema import SchemaView
from classification.pages import boards, comparisons, pwa, results, shares, start
from classification.pages.about import crawlers, developers, privacy
from classification.pages.about import models as about_models
from classification.pages.about import survey as about_survey
from classification.pages.about import types as about_types

api_v1 = [
    path("classifications/", views.ClassificationCreateView.as_view(), name="classification-list"),
    path("classifications/<uuid:classification_id>/", views.ClassificationDetailView.as_view(), name="classification"),
    path(
        "classifications/<uuid:classification_id>/card.png",
        sharing.ClassificationCardView.as_view(),
        name="classification-card",
    ),
    path(
        "classifications/<uuid:classification_id>/share/",
        sharing.ClassificationShareView.as_view(),
        name="classification-share",
    ),
    path(
        "classifications/<uuid:classification_id>/invitations/",
        comparing.InvitationCreateView.as_view(),
        name="invitation-list",
    ),
    path("invitations/<slug:token>/", comparing.InvitationDetailView.as_view(), name="invitation"),
    path("comparisons/", comparing.ComparisonCreateView.as_view(), name="comparison-list"),
    path("comparisons/<slug:token>/", comparing.ComparisonDetailView.as_view(), name="comparison"),
    path("types/", views.TypeListView.as_view(), name="type-list"),
    path("types/<slug:code>/", views.TypeDetailView.as_view(), name="type"),
    path("types/<slug:code>/celebrities/", views.TypeCelebritiesView.as_view(), name="type-celebrities"),
    path("limits/", views.LimitsView.as_view(), name="limits"),
    path("schema/", SchemaView.as_view(), name="schema"),
    path("docs/", developers.DevelopersView.as_view(), name="docs"),
    path("docs/reference/", SpectacularSwaggerSplitView.as_view(url_name="api:schema"), name="reference"),
]

urlpatterns = [
    # Routes are tried in turn: first come those that most requests ask for.
    path("api/v1/", include((api_v1, "api"))),
    path("api/RegisterResult", legacy.RegisterResultView.as_view(), name="legacy-register-result"),
    path("", start.StartView.as_view(), name="start"),
    path("manifest.webmanifest", pwa.manifest, name="manifest"),
    path("service-worker.js", pwa.service_worker, name="service-worker"),
    path("offline/", pwa.offline, name="offline"),
    path("results/", results.ResultListView.as_view(), name="result-list"),
    path("results/delete/", results.ResultDeleteView.as_view(), name="result-delete-all"),
    path("results/deleted/", results.ResultDeletedView.as_view(), name="result-deleted"),
    path("results/export.json", results.ResultExportView.as_view(), name="result-export-json"),
    path("results/export.zip", results.ResultExportView.as_view(file_format="zip"), name="result-export-zip"),
    path("results/<uuid:classification_id>/", results.ResultView.as_view(), name="result"),
    path("results/<uuid:classification_id>/photo.jpg", results.ResultPhotoView.as_view(), name="result-photo"),
    path("results/<uuid:classification_id>/card.png", shares.ResultCardView.as_view(), name="result-card"),
    path("results/<uuid:classification_id>/delete/", results.ResultDeleteView.as_view(), name="result-delete"),
    path("results/<uuid:classification_id>/share/", shares.ShareView.as_view(), name="result-share"),
    path(
        "results/<uuid:classification_id>/share/revoke/", shares.ShareRevokeView.as_view(), name="result-share-revoke"
    ),
    path("s/<slug:token>/", shares.SharedView.as_view(), name="shared"),
    path("s/<slug:token>/card.png", shares.SharedCardView.as_view(), name="shared-card"),
    path("s/<slug:token>/photo.jpg", shares.SharedPhotoView.as_view(), name="shared-photo"),
    path(
        "results/<uuid:classification_id>/invite/",
        comparisons.InvitationCreateView.as_view(),
        name="invitation-create",
    ),
    path("results/<uuid:classification_id>/board/", boards.BoardCreateView.as_view(), name="board-create"),
    path("compare/ended/", comparisons.ComparisonEndedView.as_view(), name="comparison-ended"),
    path("compare/<slug:token>/", comparisons.ComparisonView.as_view(), name="comparison"),
    path("compare/<slug:token>/end/", comparisons.ComparisonEndView.as_view(), name="comparison-end"),
    path("compare/<slug:token>/photo/", comparisons.PhotoChoiceView.as_view(), name="comparison-photo-choice"),
    path("compare/<slug:token>/photo/<slug:side>/", comparisons.ComparisonPhotoView.as_view(), name="comparison-photo"),
    path("boards/left/", boards.BoardLeftView.as_view(), name="board-left"),
    path("boards/closed/", boards.BoardClosedView.as_view(), name="board-closed"),
    path("boards/<slug:token>/", boards.BoardView.as_view(), name="board"),
    path("boards/<slug:token>/rename/", boards.BoardRenameView.as_view(), name="board-rename"),
    path("boards/<slug:token>/close/", boards.BoardCloseView.as_view(), name="board-close"),
    path(
        "boards/<slug:token>/members/<int:member_id>/remove/",
        boards.BoardMemberRemoveView.as_view(),
        name="board-member-remove",
    ),
    path("types/", about_types.TypesView.as_view(), name="about-types"),
    path("types/<slug:code>/", about_types.TypeView.as_view(), name="about-type"),
    path("models/", about_models.ModelsView.as_view(), name="about-models"),
    path("privacy/", privacy.PrivacyView.as_view(), name="about-privacy"),
    # Before the surveys themselves, whose links are longer.
    path("survey/about/", about_survey.SurveyView.as_view(), name="about-survey"),
    path("robots.txt", crawlers.robots, name="robots"),
    path("sitemap.xml", sitemap, {"sitemaps": {"pages": crawlers.PublicPages}}, name="sitemap"),
    path("survey/<slug:link_token>/", include("catalog.survey.urls")),
    path("api/read/user", legacy_staff.ReadUserView.as_view(), name="staff-read-user"),
    path("api/create/user", legacy_staff.CreateUserView.as_view(), name="staff-create-user"),
    path("api/create/male", legacy_staff.CreateMaleView.as_view(), name="staff-create-male"),
    path("api/create/male_img", legacy_staff.CreateMaleImageView.as_view(), name="staff-create-male-img"),
    path(
        "api/create/type_male_img", legacy_staff.CreateTypeMaleImagesView.as_view(), name="staff-create-type-male-img"
    ),
    path(
        "api/patch/second/user_tbl/<uuid:classification_id>",
        legacy_staff.PatchUserView.as_view(),
        name="staff-patch-user",
    ),
    path(
        "api/delete/first_post/<uuid:classification_id>",
        legacy_staff.DeleteUserView.as_view(),
        name="staff-delete-user",
    ),
    path("admin/catalog/survey/<int:survey_id>/analysis/", include("catalog.survey.analysis.urls")),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
    path("metrics", metrics.metrics, name="metrics"),
]
if settings.MOBILE_SAMPLE_ENDPOINT:
    urlpatterns.append(
        path("api/RegisterUserImg_sample", legacy.RegisterUserImageSampleView.as_view(), name="legacy-register-sample")
    )
if settings.STORAGE == "folder":
    urlpatterns.append(path("media/<path:key>", media.catalog_picture, name="catalog-picture"))

handler400 = "alphaproject.errors.bad_request"
handler404 = "alphaproject.errors.not_found"
handler500 = "alphaproject.errors.server_error"

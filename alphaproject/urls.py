"""Every route of the product."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from alphaproject import health, media
from classification import pages
from classification.api import legacy, legacy_staff, views

api_v1 = [
    path("classifications/", views.ClassificationCreateView.as_view(), name="classification-list"),
    path("classifications/<uuid:classification_id>/", views.ClassificationDetailView.as_view(), name="classification"),
    path("types/", views.TypeListView.as_view(), name="type-list"),
    path("types/<slug:code>/", views.TypeDetailView.as_view(), name="type"),
    path("types/<slug:code>/celebrities/", views.TypeCelebritiesView.as_view(), name="type-celebrities"),
    path("limits/", views.LimitsView.as_view(), name="limits"),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerView.as_view(url_name="api:schema"), name="docs"),
]

urlpatterns = [
    path("", pages.StartView.as_view(), name="start"),
    path("results/<uuid:classification_id>/delete/", pages.ResultDeleteView.as_view(), name="result-delete"),
    path("results/deleted/", pages.ResultDeletedView.as_view(), name="result-deleted"),
    path("survey/<slug:link_token>/", include("catalog.survey.urls")),
    path("api/v1/", include((api_v1, "api"))),
    path("api/RegisterResult", legacy.RegisterResultView.as_view(), name="legacy-register-result"),
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

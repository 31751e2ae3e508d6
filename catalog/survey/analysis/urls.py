"""The analysis of one survey, inside the back office."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from catalog.survey.analysis import views

urlpatterns = [
    path("", admin.site.admin_view(views.analysis), name="survey-analysis"),
    path("<slug:name>.csv", admin.site.admin_view(views.table), name="survey-analysis-table"),
    path("<slug:name>.<slug:image_format>", admin.site.admin_view(views.plot), name="survey-analysis-plot"),
]

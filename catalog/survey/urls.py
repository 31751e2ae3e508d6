"""The raters' pages, below a survey's link."""

from __future__ import annotations

from django.urls import path

from catalog.survey.answers import AnswersView, VisitsView
from catalog.survey.pages import PictureView, RateView, ResumeView, ThanksView, WelcomeView

urlpatterns = [
    path("", WelcomeView.as_view(), name="survey-welcome"),
    path("rate/", RateView.as_view(), name="survey-rate"),
    path("thanks/", ThanksView.as_view(), name="survey-thanks"),
    path("resume/<str:secret>/", ResumeView.as_view(), name="survey-resume"),
    path("images/<int:survey_image_id>.jpg", PictureView.as_view(), name="survey-picture"),
    path("answers/", AnswersView.as_view(), name="survey-answers"),
    path("visits/", VisitsView.as_view(), name="survey-visits"),
]

from django.apps import AppConfig


class AlphaProjectConfig(AppConfig):
    name = "alphaproject"

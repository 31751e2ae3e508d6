from django.apps import AppConfig


class AlphaProjectConfig(AppConfig):
    name = "alphaproject"

    def ready(self) -> None:
        # Needs all models.
        from alphaproject import audit  # noqa: PLC0415

        audit.register()

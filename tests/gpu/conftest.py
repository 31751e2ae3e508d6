"""The photos and the processor's engine of the inference tests."""

from tests.inference.conftest import data, models, portraits, scenes

__all__ = ["data", "models", "portraits", "scenes"]

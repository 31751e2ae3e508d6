"""Sample portraits of imaginary men, drawn for a catalogue that has no pictures yet."""

from catalog.portraits.drawing import draw_portrait

PORTRAIT_COUNT = 50

__all__ = ["PORTRAIT_COUNT", "draw_portrait"]

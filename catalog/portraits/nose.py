"""The nose."""

from __future__ import annotations

from catalog.portraits.canvas import Canvas, circle, curve, taper
from catalog.portraits.colours import darker, lighter
from catalog.portraits.head import Head


def draw_nose(canvas: Canvas, head: Head) -> None:
    skin = head.traits.skin
    width = head.traits.nose_width
    shade = darker(skin, 0.36)
    side = curve([(9, -34), (10, -12), (13, 14), (width, 34), (width + 1, 46), (10, 50), (4, 40), (5, 10)], closed=True)
    canvas.shape(head.at(side, 14), shade, opacity=0.42, blur=3.2)
    bridge = curve([(-2, -26), (-3, 4), (-3, 30)])
    canvas.shape(head.at(taper(bridge, (3, 8, 11)), 16), lighter(skin, 0.6), opacity=0.42, blur=3.5)
    canvas.shape(head.at(circle((-3, 37), 8, height=6), 18), lighter(skin, 0.7), opacity=0.45, blur=3)
    under = curve([(-width, 46), (-9, 49), (0, 53), (9, 49), (width, 46), (8, 56), (0, 58), (-8, 56)], closed=True)
    canvas.shape(head.at(under, 15), shade, opacity=0.6, blur=1.6)
    for sign in (-1, 1):
        wing = curve([(sign * (width - 2), 33), (sign * (width + 2), 42), (sign * (width - 3), 50)])
        canvas.shape(head.at(taper(wing, (0.6, 2.6, 0.8)), 13), darker(skin, 0.5), opacity=0.65, blur=0.4)
        nostril = curve([(sign * 5, 51.5), (sign * 9, 49), (sign * 13.5, 50.5)])
        canvas.shape(head.at(taper(nostril, (1, 4, 1)), 15), darker(skin, 0.72), opacity=0.8, blur=0.4)

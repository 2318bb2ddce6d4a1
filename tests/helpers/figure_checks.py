"""What a reader of any figure may expect: texts on the page and on no other text, colours that all tell apart."""

import itertools

import numpy as np

from triphase.report.figures.style import plt
from triphase.report.figures.table import FIGURES

# Machado, Oliveira and Fernandes (2009), severity 1: how linear RGB looks without the middle, or the long, cones.
DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
)
PROTANOPIA = np.array(
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
)


def texts(figure):
    """Visible texts with their boxes, as drawn."""
    figure.canvas.draw()
    hidden = {text for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for text in undrawn(axes, axis)}
    shown = [text for text in figure.findobj(plt.Text) if text not in hidden]
    shown = [text for text in shown if text.get_visible() and text.get_text().strip()]
    return [(text.get_text(), text.get_window_extent()) for text in shown]


def undrawn(axes, axis):
    """Texts of an axis that is off, and those of ticks beyond its limits."""
    if not axes.axison:
        return axis.findobj(plt.Text)
    low, high = sorted(axis.get_view_interval())
    slack = 1e-9 * (high - low)
    ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    return [
        text for tick in ticks if not low - slack <= tick.get_loc() <= high + slack for text in tick.findobj(plt.Text)
    ]


def words(figure):
    return " ".join(text.get_text() for text in figure.findobj(plt.Text) if text.get_visible())


def off_page(figure, slack=1.5):
    """Texts that reach over the edge of the page, by more than so many pixels."""
    drawn, page = texts(figure), figure.bbox
    return [
        text
        for text, box in drawn
        if box.x0 < page.x0 - slack or box.y0 < page.y0 - slack or box.x1 > page.x1 + slack or box.y1 > page.y1 + slack
    ]


def overlapping(figure, slack=2.0):
    """Pairs of texts whose boxes share more than so many pixels in both directions."""
    found = []
    for (one, a), (two, b) in itertools.combinations(texts(figure), 2):
        across, up = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        if across > slack and up > slack:
            found.append((one, two))
    return found


def caption(name):
    return " ".join(FIGURES[name].caption.split())


def seen_by(colour, cones):
    """CIE Lab of a colour as somebody sees it who lacks one kind of cones."""
    rgb = np.array(plt.matplotlib.colors.to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(cones @ linear, 0, 1)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear
    scaled = xyz / [0.9505, 1.0, 1.089]
    f = np.where(scaled > 0.008856, np.cbrt(scaled), 7.787 * scaled + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])

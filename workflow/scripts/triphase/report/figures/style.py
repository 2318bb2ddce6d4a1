"""One style for all figures: as wide as a journal's page, in letters that stay legible there, in colours for
colour-blind readers too, and over a token axis with step 0 left of a break.
"""

from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from triphase.core.artefacts import replacing
from triphase.core.seals import place_of

mpl.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402

# Okabe and Ito's palette, without its yellow, which is too light for lines.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREY = "#6E6E6E"
SHADES = {"rise": "#DCEBF7", "fall": "#FBE0CF", "plateau": "#EFEFEF"}
SEQUENTIAL = "viridis"
DIVERGING = "RdBu_r"
MOST_TICKS = 8
MOST_PANELS = 12
WIDTH = 183 / 25.4  # inches: the text width of most journals' pages
PER_INCH = 300  # pixels of a PNG, which is what journals ask for

plt.rcParams.update(
    {
        "figure.dpi": 100,
        "savefig.dpi": PER_INCH,
        "svg.fonttype": "none",
        "pdf.fonttype": 42,  # letters stay letters, to be edited
        "svg.hashsalt": "triphase",
        "font.family": "sans-serif",
        "font.sans-serif": ["Arial", "Helvetica", "Liberation Sans", "DejaVu Sans"],
        "mathtext.fontset": "custom",  # powers in the same letters
        "mathtext.cal": "sans",
        "font.size": 7,
        "axes.titlesize": 7.5,
        "axes.titlelocation": "left",
        "axes.labelsize": 7,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.6,
        "axes.axisbelow": True,
        "figure.titlesize": 8.5,
        "legend.fontsize": 6.5,
        "legend.frameon": False,
        "lines.linewidth": 1.3,
        "lines.markersize": 3.2,
        "patch.linewidth": 0.6,
        "xtick.labelsize": 6.5,
        "ytick.labelsize": 6.5,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "xtick.minor.width": 0.4,
    }
)


def save(figure: Figure | str, *paths: str) -> None:
    """Write a figure under each path, the format by its suffix, or a page; equal figures make equal files: no dates."""
    if isinstance(figure, str):
        for path in paths:
            with replacing(path) as temporary:
                temporary.write_text(figure, encoding="utf-8")
        return
    for path in paths:
        # The title is how a reader knows a picture for the one that its path says.
        metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(
            str(path).rpartition(".")[2], {"Title": place_of(path)}
        )
        with replacing(path) as temporary:
            figure.savefig(temporary, metadata=metadata)
        # The layout is settled by the first drawing and would only cost its time again.
        figure.set_layout_engine("none")
    plt.close(figure)


def headline(figure: Figure, text: str, **style: Any) -> None:
    """Write a title over the whole figure, at its left."""
    figure.suptitle(text, x=0.01, ha="left", weight="bold", **style)


def nothing_drawn(title: str, reason: str) -> Figure:
    """A figure of which words are all: there is nothing to draw."""
    figure, panel = plt.subplots(figsize=(WIDTH, 1.3))
    headline(figure, title)
    panel.set_axis_off()
    say_empty(panel, reason)
    return figure


def panel_grid(number: int, columns: int, height: float, beside: float) -> tuple[Figure, list[Axes]]:
    """A figure of so many panels that share their axes: each of a height in inches, with so much height beside them."""
    rows = -(-number // columns)
    figsize = (WIDTH * min(1, 0.28 + 0.36 * columns), height * rows + beside)
    figure, panels = plt.subplots(
        rows, columns, figsize=figsize, sharex=True, sharey=True, squeeze=False, layout="constrained"
    )
    for panel in panels.flat[number:]:
        panel.remove()
    return figure, list(panels.flat[:number])


def write_cell(panel: Axes, column: int, row: int, text: str, value: float) -> None:
    """The number of a cell of a panel's heat map, black or white, whichever is read on the colour of its value."""
    image = panel.images[0]
    red, green, blue, _ = image.to_rgba(np.array(value))
    colour = "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"
    panel.text(column, row, text, ha="center", va="center", fontsize=6, color=colour)


def note(panel: Axes, text: str, **style: Any) -> None:
    """A remark in the upper left corner of a panel."""
    panel.text(0.01, 0.98, text, transform=panel.transAxes, va="top", fontsize=6.5, color=GREY, **style)


def short_tokens(tokens: float) -> str:
    """A token count in few characters: 0, 4.1 k, 1 M, 2.1 B."""
    if tokens == 0:
        return "0"
    for size, unit in ((1e12, " T"), (1e9, " B"), (1e6, " M"), (1e3, " k")):
        if tokens >= size * 0.9995:
            return f"{float(f'{tokens / size:.2g}'):g}{unit}"
    return f"{tokens:g}"


def power_of_ten(value: float) -> str:
    """A large count as a power of ten, in matplotlib's own mathematics: 3 x 10^19 becomes 3·10¹⁹."""
    if value == 0:
        return "0"
    exponent = int(np.floor(np.log10(value) + 1e-9))
    factor = value / 10**exponent
    return rf"$10^{{{exponent}}}$" if abs(factor - 1) < 0.005 else rf"${factor:.1g}{{\cdot}}10^{{{exponent}}}$"


class TokenAxis:
    """Places on a shared token axis: log10 tokens, and step 0 one step left of an axis break.

    Parameters
    ----------
    tokens : array
        Token counts of all checkpoints of one model, or what else grows with them.
    label : str
    named : function of a number, the text of a tick
    """

    def __init__(self, tokens: np.ndarray, label: str = "training tokens", named: Callable = short_tokens):
        self.label, self.named = label, named
        self.tokens = np.unique(np.asarray(tokens, float))
        positive = np.log10(self.tokens[self.tokens > 0])
        if not len(positive):
            positive = np.array([0.0])
        self.low, self.high = positive.min(), positive.max()
        span = max(self.high - self.low, 1.0)
        self.has_zero = bool((self.tokens == 0).any())
        self.zero = self.low - 0.12 * span
        self.gap = self.low - 0.06 * span
        self.pad = 0.035 * span

    def place(self, tokens: ArrayLike) -> Any:
        """Positions of token counts."""
        tokens = np.asarray(tokens, float)
        return np.where(tokens > 0, np.log10(np.where(tokens > 0, tokens, 1)), self.zero)

    def apply(self, axis: Axes, label: bool = True) -> None:
        """Set limits, ticks and the break of an axis; only the lowest of a stack carries labels."""
        left = self.zero if self.has_zero else self.low
        axis.set_xlim(left - self.pad, self.high + self.pad)
        decades = np.arange(np.ceil(self.low - 1e-9), np.floor(self.high + 1e-9) + 1)
        places = list(decades)
        if len(decades) < 3:
            halves = [d + np.log10(3) for d in np.arange(np.floor(self.low), np.ceil(self.high))]
            places = sorted([*places, *(p for p in halves if self.low <= p <= self.high)])
        if len(places) < 2:
            places = sorted({self.low, self.high})
        if len(places) > MOST_TICKS:
            places = places[:: -(-len(places) // MOST_TICKS)]
        names = [self.named(10**place) for place in places]
        if self.has_zero:
            places, names = [self.zero, *places], ["0", *names]
        axis.set_xticks(places, names if label else [""] * len(places))
        minor = np.log10(np.outer(10 ** np.arange(np.floor(self.low), np.ceil(self.high)), np.arange(2, 10))).ravel()
        axis.set_xticks(minor[(minor >= self.low) & (minor <= self.high)], minor=True)
        if self.has_zero:
            box: dict[str, Any] = {
                "transform": axis.get_xaxis_transform(),
                "clip_on": False,
                "ha": "center",
                "va": "center",
            }
            axis.text(
                self.gap, 0, "//", fontsize=6.5, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6}, **box
            )
        if label:
            untrained = "; 0 = untrained" * self.has_zero
            axis.set_xlabel(f"{self.label} (log scale{untrained})")

    def curve(self, axis: Axes, tokens: np.ndarray, values: np.ndarray, **style: Any) -> Line2D:
        """Draw a curve whose line is interrupted at the break."""
        order = np.argsort(tokens)
        tokens, values = np.asarray(tokens, float)[order], np.asarray(values, float)[order]
        after = tokens > 0
        (line,) = axis.plot(self.place(tokens[after]), values[after], **style)
        if not after.all():
            style = {key: value for key, value in style.items() if key not in ("label", "color")}
            # One point has no line: without a marker it is a dash.
            alone = {"marker": style.get("marker") or "_"}
            axis.plot(self.place(tokens[~after]), values[~after], **style | alone, color=line.get_color())
        return line

    def band(
        self, axis: Axes, tokens: np.ndarray, low: np.ndarray, high: np.ndarray, color: str, alpha: float = 0.2
    ) -> None:
        """Shade an interval; a bar at step 0."""
        order = np.argsort(tokens)
        tokens, low, high = (np.asarray(part, float)[order] for part in (tokens, low, high))
        after = tokens > 0
        axis.fill_between(self.place(tokens[after]), low[after], high[after], color=color, alpha=alpha, linewidth=0)
        axis.vlines(self.place(tokens[~after]), low[~after], high[~after], color=color, alpha=0.5, linewidth=3)


def say_empty(axis: Axes, text: str) -> None:
    """Words in place of a panel without data."""
    axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", va="center", color=GREY, style="italic", wrap=True)
    # Not set_yticks: regions share their axis.
    axis.tick_params(axis="y", which="both", left=False, labelleft=False)

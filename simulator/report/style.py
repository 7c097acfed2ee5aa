"""House style: one font, one palette, an arm looks alike in every figure, files come out the same twice."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from simulator.report.load import Arm
from simulator.text import shorten

WIDTH = 7.2  # inches: two columns of a journal page (183 mm)
DPI = 200
RASTER_DPI = 300  # of scatter and heat maps inside an SVG
LEGEND_LETTERS = 125  # as many letters of the legend's size fit the width
TITLE_LETTERS = 28  # as many fit over one of three panels
KEY_LETTERS = 8  # the line before a name and the gap after it, in letters

# Okabe & Ito (2008), told apart by colour-blind readers; the pale yellow is left out: it vanishes on white.
ARM_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
ORGANIC_COLOUR = "#8A8A8A"
ORACLE_COLOUR = "#000000"
DASHES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (1, 1.2)),
    (0, (6, 1.5, 1, 1.5)),
    (0, (6, 1.5, 1, 1.5, 1, 1.5)),
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h")  # the star is the oracle's
# Topics and groups of users are no arms, so they wear another palette: Tol's "muted", and grey for the rest.
GROUP_COLOURS = (
    "#332288",
    "#88CCEE",
    "#117733",
    "#DDCC77",
    "#CC6677",
    "#AA4499",
    "#44AA99",
    "#882255",
    "#999933",
)
OTHER_COLOUR = "#C8C8C8"
SEQUENTIAL = "YlGnBu"
INK = "#222222"

_SETTINGS: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same figure on every machine
    "font.size": 7.5,
    "axes.titlesize": 7.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 7.5,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "axes.formatter.limits": (-4, 5),
    "axes.formatter.useoffset": False,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.5,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "lines.linewidth": 1.3,
    "text.color": INK,
    "text.parse_math": False,  # a $ in somebody's title is a dollar
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "path",  # drawn letters: no font needed where the report is read
    "svg.hashsalt": "filterbubble",
    "path.simplify": True,
}


@dataclass(frozen=True)
class Look:
    """How one arm is drawn, everywhere."""

    colour: str
    dash: Any
    marker: str
    order: int  # who lies on top; organic lowest

    def line(self) -> dict[str, Any]:
        return {"color": self.colour, "linestyle": self.dash, "zorder": 2.5 + self.order / 100}


@dataclass(frozen=True)
class Drawing:
    """A figure with what a reader needs to understand it, and the numbers in it."""

    name: str  # file name without ending
    title: str
    caption: str  # what to see, and how it was computed
    alt: str  # what the picture shows, for those who do not see it
    figure: Figure
    data: pd.DataFrame


def looks(arms: Sequence[Arm], baseline: str | None, reference: str | None) -> dict[str, Look]:
    """A look for each arm: organic neutral grey, the oracle black and dashed, the others by their place.

    There are six colours; from the seventh arm on they come again with another line and another marker.
    """
    result: dict[str, Look] = {}
    others = [arm.name for arm in arms if arm.name not in (baseline, reference)]
    for arm in arms:
        if arm.name == baseline:
            result[arm.name] = Look(ORGANIC_COLOUR, "-", "o", 0)
        elif arm.name == reference:
            result[arm.name] = Look(ORACLE_COLOUR, (0, (4, 1.6)), "*", 1)
        else:
            place = others.index(arm.name)
            result[arm.name] = Look(
                ARM_COLOURS[place % len(ARM_COLOURS)],
                DASHES[place // len(ARM_COLOURS) % len(DASHES)],
                MARKERS[place % len(MARKERS)],
                2 + place,
            )
    return result


@contextmanager
def house_style() -> Iterator[None]:
    """Figures made and saved inside look like ours, whatever the reader's own matplotlib settings are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        yield


def new_figure(height: float, width: float = WIDTH) -> Figure:
    margin = 0.05  # inches; less, and titles touch the edge
    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=margin, h_pad=margin))


def grid_of_axes(
    count: int, columns: int, panel_height: float, extra: float = 0.4
) -> tuple[Figure, list[Axes]]:
    """A figure with `count` panels in rows of `columns`; `extra` inches are left for the legend."""
    rows = math.ceil(count / columns)
    figure = new_figure(rows * panel_height + extra)
    axes = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for ax in axes[count:]:
        ax.remove()
    return figure, axes[:count]


def arm_handles(arms: Iterable[str], look: dict[str, Look], markers: bool = False) -> list[Line2D]:
    """Legend entries, one for each arm."""
    return [
        Line2D(
            [],
            [],
            color=look[arm].colour,
            linestyle="none" if markers else look[arm].dash,
            label=shorten(arm),
            marker=look[arm].marker if markers else None,
            markersize=5,
        )
        for arm in arms
    ]


def arm_legend(figure: Figure, arms: Sequence[str], look: dict[str, Look], markers: bool = False) -> None:
    """One legend of arms for the whole figure, above it."""
    legend_above(figure, arm_handles(arms, look, markers))


def legend_above(figure: Figure, handles: Sequence[Artist]) -> None:
    """One legend for the whole figure, above it: in one row where the names fit, else in even columns."""
    lengths = [len(str(handle.get_label())) + KEY_LETTERS for handle in handles]
    fits = sum(lengths) <= LEGEND_LETTERS
    columns = len(handles) if fits else max(1, min(len(handles), LEGEND_LETTERS // max(lengths)))
    figure.legend(handles=handles, loc="outside upper left", ncols=columns, columnspacing=1.4)


def title_panel(ax: Axes, title: str, abreast: int = 3) -> None:
    """A title over a panel, on as many lines as it needs not to run into its neighbour, if so many panels are abreast."""
    ax.set_title("\n".join(textwrap.wrap(title, 3 * TITLE_LETTERS // max(abreast, 3))))


def name_panel(ax: Axes, arm: str, look: Look | None) -> None:
    """Head a panel with its arm: the name, over a rule in the arm's colour and line."""
    ax.set_title(shorten(arm, 24), pad=6)
    if look is not None:
        above = ax.transAxes + ScaledTranslation(0, 3 / 72, ax.figure.dpi_scale_trans)
        ax.add_artist(
            Line2D(
                [0, 1],
                [1, 1],
                transform=above,
                clip_on=False,
                linewidth=2,
                solid_capstyle="butt",
                color=look.colour,
                linestyle=look.dash,
            )
        )


def settle(figure: Figure) -> None:
    """Lay a figure out once, so that all its files have one layout and the work is done once."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
    figure.set_layout_engine("none")


def svg(drawing: Drawing) -> str:
    """The figure as SVG text, the same text each time."""
    buffer = io.StringIO()
    drawing.figure.set_dpi(RASTER_DPI)
    FigureCanvasSVG(drawing.figure).print_svg(
        buffer, metadata={"Date": None, "Creator": None, "Title": drawing.title, "Description": drawing.alt}
    )
    return buffer.getvalue()


def png(drawing: Drawing) -> bytes:
    """The figure as PNG, the same bytes each time."""
    buffer = io.BytesIO()
    drawing.figure.set_dpi(DPI)
    FigureCanvasAgg(drawing.figure).print_png(buffer, metadata={"Title": drawing.title, "Software": None})
    return buffer.getvalue()

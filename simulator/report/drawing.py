"""One figure of a report by itself, for a notebook."""

from __future__ import annotations

import io
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import replace

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from simulator.report.evidence import Evidence, weigh
from simulator.report.load import Run
from simulator.report.style import house_style, looks
from simulator.report.trajectories import BANDED_ARMS, small_multiples

_LETTERS = 135      # of a caption that fit the width
_DPI = 130          # on the screen


def curves_figure(
    run: Run, arms: Sequence[str], measures: Sequence[str], baseline: str | None = None, caption: bool = True
) -> Figure:
    """Curves of some arms and measures, or (with a `baseline`) of their differences to one of these arms.

    An arm has the look that it has in the report of the run.
    """
    look = looks(run.arms, run.baseline, run.reference)
    table = run.trajectory
    shown = replace(
        run,
        trajectory=table[table["arm"].isin(arms) & table["measure"].isin(measures)],
        arms=tuple(arm for arm in run.arms if arm.name in arms),
        scenario={**run.scenario, "report": {"focus": list(measures)}},
        manifest={**run.manifest, "baseline": baseline},
    )
    with house_style():
        evidence = weigh(shown)
        curves = evidence.difference_curves if baseline else evidence.curves
        drawn = [name for name in measures if name in set(curves["measure"])]
        if not drawn:
            raise ValueError("there is nothing to draw: none of these arms has a value of these measures")
        figure = small_multiples(evidence, look, curves, drawn, differences=baseline is not None)
        if caption:
            text = textwrap.fill(_caption(evidence, baseline), _LETTERS)
            figure.supxlabel(text, x=0.01, ha="left", fontsize=6.5, linespacing=1.4)
            figure.set_figheight(figure.get_figheight() + 0.14 * (text.count("\n") + 1))
        figure.set_dpi(_DPI)
        figure.draw_without_rendering()             # ticks take the style of the moment at which they are first drawn
    _show_in_notebooks()
    return figure


def _caption(evidence: Evidence, baseline: str | None) -> str:
    number = evidence.replicates
    what = f"Each arm minus {baseline} (the line of zero), paired by replicate." if baseline else "Means over replicates."
    if number < 2:
        return f"{what} One replicate has no interval, so there are no bands."
    if len(evidence.run.arms) > BANDED_ARMS:
        return f"{what} No bands: with more than {BANDED_ARMS} arms they would hide the lines."
    if baseline:
        return f"{what} Simultaneous 95 % bands over {number} replicates: wherever one leaves zero, the arm differs there."
    return f"{what} Bands: 95 % t intervals of the mean over {number} replicates, for each round by itself."


def _show_in_notebooks() -> None:
    """Let IPython show figures that were made without pyplot, unless it does already."""
    ipython = sys.modules.get("IPython")
    shell = ipython and ipython.get_ipython()
    if shell is None:
        return
    formatter = shell.display_formatter.formatters["image/png"]
    try:
        formatter.lookup_by_type(Figure)
    except KeyError:
        formatter.for_type(Figure, _png)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    with house_style():
        FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()

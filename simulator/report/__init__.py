"""Reports: a run directory in, one self-contained page and its figures out. A report never simulates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from simulator.report.abtest import ab_tests
from simulator.report.affected import who_is_affected
from simulator.report.attribution import attribution, attribution_bars
from simulator.report.concentration import item_concentration
from simulator.report.events import event_effects
from simulator.report.evidence import Evidence, weigh
from simulator.report.html import write_run_page
from simulator.report.language import place_in_list
from simulator.report.load import NotARunDirectory, load_run
from simulator.report.maps import interest_heat_maps, interest_map, snapshots
from simulator.report.network import network_map
from simulator.report.phase import phase_plot
from simulator.report.style import Drawing, Look, house_style, looks, png, settle, svg
from simulator.report.sureness import sureness
from simulator.report.tradeoff import diversity_against_utility, fronts_table
from simulator.report.training import learning_curves
from simulator.report.trajectories import difference_curves, family_trajectories, focus_trajectories, supply_trajectories

__all__ = ["NotARunDirectory", "check_formats", "save", "save_all", "write_report"]

FORMATS = ("svg", "png")


def write_report(run_dir: Path, formats: Sequence[str] | None = None, linked: bool = False) -> Path:
    """Write `report.html` and `figures/` into a run directory and return the path of the page.

    Every figure goes to `figures/` in each of `formats` (None: those that the scenario asks for), with its
    numbers beside it as CSV; the page holds its own copies and opens without network or other files. `linked`: other
    pages will link the figures, so SVG is written where there would be no file. Made again, all files come out the same.
    """
    run = load_run(run_dir)
    if formats is None:
        formats = run.scenario.get("report", {}).get("formats", FORMATS)
    check_formats(formats)
    if linked and not formats:
        formats = ("svg",)
    evidence = weigh(run)
    look = looks(run.arms, run.baseline, run.reference)
    folder = run.path / "figures"
    with house_style():
        figures = draw(evidence, look)
        pictures = save_all(_flat(figures.values()), run.path, formats)
    evidence.effects.to_csv(folder / "effects.csv", index=False)
    evidence.areas.to_csv(folder / "areas.csv", index=False)
    fronts_table(evidence).to_csv(folder / "fronts.csv", index=False)
    if (sure := sureness(evidence)) is not None:
        sure.data.to_csv(folder / "sureness.csv", index=False)
    return write_run_page(evidence, figures, pictures, look)


def draw(evidence: Evidence, look: dict[str, Look]) -> dict[str, Drawing | list[Drawing] | None]:
    """All figures of a report; None where the run holds nothing to draw."""
    seen = snapshots(evidence.run)
    return {
        "trajectories": focus_trajectories(evidence, look),
        "supply": supply_trajectories(evidence, look),
        "differences": difference_curves(evidence, look),
        "events": event_effects(evidence, look),
        "phase": phase_plot(evidence, look),
        "attribution": attribution_bars(evidence, look, attribution(evidence)),
        "tradeoff": diversity_against_utility(evidence, look),
        "interests": interest_map(evidence, look, seen),
        "network": network_map(evidence, look, seen),
        "heatmaps": interest_heat_maps(evidence, look, seen),
        "affected": who_is_affected(evidence, look),
        "abtest": ab_tests(evidence, look),
        "language": place_in_list(evidence),
        "concentration": item_concentration(evidence, look),
        "training": learning_curves(evidence.run.training, [arm.name for arm in evidence.run.arms], look),
        "all": family_trajectories(evidence, look),
    }


def check_formats(formats: Sequence[str]) -> None:
    """Raise a ValueError if one of `formats` is none that a figure can be written in."""
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise ValueError(f"formats: {', '.join(unknown)} is not one of {', '.join(FORMATS)}")


def save_all(drawings: Iterable[Drawing], folder: Path, formats: Sequence[str]) -> dict[str, str]:
    """Write the files of drawings to `figures/` in a folder; returns the SVG text of each by its name."""
    figures = folder / "figures"
    figures.mkdir(exist_ok=True)
    return {drawing.name: save(drawing, figures, formats) for drawing in drawings}


def save(drawing: Drawing, folder: Path, formats: Sequence[str]) -> str:
    """Write a drawing's files; returns its SVG text, which the page shows even if it is not a file."""
    settle(drawing.figure)
    picture = svg(drawing)
    if "svg" in formats:
        (folder / f"{drawing.name}.svg").write_text(picture, encoding="utf-8")
    if "png" in formats:
        (folder / f"{drawing.name}.png").write_bytes(png(drawing))
    drawing.data.to_csv(folder / f"{drawing.name}.csv", index=False, float_format="%.10g")
    return picture


def _flat(figures: Iterable[Drawing | list[Drawing] | None]) -> Iterable[Drawing]:
    for figure in figures:
        if isinstance(figure, Drawing):
            yield figure
        elif figure:
            yield from figure

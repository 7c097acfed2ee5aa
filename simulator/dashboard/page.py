"""The page, made of Solara components around Mesa's own controls for step, play and reset.

Mesa's `SolaraViz` as a whole would not do: its sliders act only after Reset, and its grid puts every picture into a half-page
cell. So the page uses its parts, `ModelController` and `update_counter`, and lays itself out.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

import solara
from mesa.visualization.solara_viz import ModelController
from mesa.visualization.utils import update_counter

from simulator.dashboard import figures, words
from simulator.dashboard.bench import Bench, Settings, in_words
from simulator.dashboard.figures import Cast, Picture, label
from simulator.dashboard.knobs import Knob, Number
from simulator.dashboard.pair import PairModel
from simulator.dashboard.story import most_apart, row_of, story
from simulator.datasets import DatasetError
from simulator.faults import ScenarioError
from simulator.measures import select
from simulator.report.vocabulary import table_order

CSS = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
PAUSE = 50                      # milliseconds between two rounds of play
WORLDS = 10                     # replicates to choose from, if the scenario has fewer
FIRST_SEEN = "consumption.alpha"

_opened: list[Bench] = []       # what the command was given; every tab of the browser shows it for itself


def open_with(bench: Bench) -> None:
    """Say which scenario the pages of this process are about."""
    _opened[:] = [bench]


@solara.component
def Layout(children: list[Any]) -> None:
    """Nothing around the page: it has its own head and columns."""
    solara.Div(children=children, classes=["fb"])


@solara.component
def Page() -> None:
    """One visitor's two arms."""
    bench = _opened[0]
    settings, set_settings = solara.use_state(bench.first())
    fault, set_fault = solara.use_state("")
    ended, set_ended = solara.use_state(0)
    pair: solara.Reactive[PairModel] = solara.use_reactive(solara.use_memo(lambda: bench.pair(bench.first()), []))
    solara.use_effect(lambda: _close_with_page(pair), [])

    def change(new: Settings) -> None:
        set_settings(new)
        try:
            made = bench.pair(new)
        except (ScenarioError, DatasetError) as error:
            set_fault(in_words(error))
            return
        set_fault("")
        if not pair.value.running:
            set_ended(ended + 1)        # Mesa's buttons stay grey after the last round, until they are made anew
        pair.set(made)

    solara.Title(f"{bench.scenario.title} · filterbubble")
    solara.Style(CSS)
    arms = bench.arms()
    look = solara.use_memo(lambda: figures.cast(pair.value, arms), [id(pair.value)])
    with solara.Div(classes=["fb-head"]):
        solara.HTML(tag="h1", unsafe_innerHTML=escape(bench.scenario.title))
        solara.HTML(tag="p", unsafe_innerHTML=escape(bench.scenario.question))
    with solara.Div(classes=["fb-columns"]):
        with solara.Div(classes=["fb-side"]):
            Controls(pair).key(f"controls {ended}")
            Arms(bench, settings, change)
            Sliders(bench, settings, change)
        with solara.Div(classes=["fb-main"]):
            if fault:
                solara.Error(f"These settings do not go together, so what is shown is what was there before. {fault}")
            Views(pair.value, look)


def _close_with_page(pair: solara.Reactive[PairModel]) -> Callable[[], None]:
    """Close each pair when another takes its place, and the last when the page is left."""
    unsubscribe = pair.subscribe_change(lambda _, old: old.close())

    def leave() -> None:
        unsubscribe()
        pair.value.close()

    return leave


@solara.component
def Controls(pair: solara.Reactive[PairModel]) -> None:
    """Step, play and reset, which are Mesa's, and how far the two have come."""
    update_counter.get()
    pause = solara.use_reactive(PAUSE)
    at_once = solara.use_reactive(1)
    one_thread = solara.use_reactive(False)     # steps and pictures take turns
    value = pair.value
    with solara.Div(classes=["fb-card", "fb-controls"]):
        ModelController(
            pair, model_parameters={"setup": value.setup}, play_interval=pause, render_interval=at_once, use_threads=one_thread
        )
        solara.HTML(
            attributes={"class": "fb-round", "data-round": str(value.round)},
            unsafe_innerHTML=f"Round <b>{value.round}</b> of {value.scenario.rounds}",
        )
        Row(
            "rounds per picture", "rounds per picture", "Play so many rounds before drawing again.", (1, 2, 5, 10),
            at_once.value, lambda rounds: at_once.set(int(rounds)),
        )


@solara.component
def Arms(bench: Bench, settings: Settings, change: Callable[[Settings], None]) -> None:
    """Which two arms, and in which of the replicates' worlds."""
    names = [arm.name for arm in bench.arms()]
    side = {"left": names[settings.left], "right": names[settings.right]}
    worlds = [f"replicate {number + 1}" for number in range(max(WORLDS, bench.scenario.replicates))]
    with solara.Div(classes=["fb-card"]):
        solara.Select("Left arm", names, side["left"], lambda name: change(replace(settings, left=names.index(name))))
        solara.Select("Right arm", names, side["right"], lambda name: change(replace(settings, right=names.index(name))))
        solara.Select(
            "World and chance of", worlds, worlds[settings.replicate],
            lambda world: change(replace(settings, replicate=worlds.index(world))),
        )


@solara.component
def Sliders(bench: Bench, settings: Settings, change: Callable[[Settings], None]) -> None:
    """The scenario's numbers. Each change makes both arms anew."""
    changed = dict(settings.numbers)
    with solara.Div(classes=["fb-card"]):
        with solara.Div(classes=["fb-numbers"]):
            solara.HTML(tag="h2", unsafe_innerHTML="Numbers")
            solara.Button(
                "all as in the scenario", on_click=lambda: change(replace(settings, numbers=())), disabled=not changed,
                text=True, small=True, color="primary",
            )
        for group, knobs in groupby(bench.knobs(settings), key=lambda knob: knob.group):
            solara.HTML(tag="h3", unsafe_innerHTML=escape(group))
            for knob in knobs:
                Slider(knob, changed.get(knob.loc, knob.value), settings, change)


@solara.component
def Slider(knob: Knob, value: Number, settings: Settings, change: Callable[[Settings], None]) -> None:
    """One number of the scenario."""
    told = f"{knob.key}: {knob.range}. {knob.meaning} The scenario's own value is {knob.value:g}."
    moved = value != knob.value
    Row(knob.key, knob.label, told, knob.stops, value, lambda stop: change(settings.having(knob.loc, stop)), moved)


@solara.component
def Row(
    key: str, name: str, told: str, stops: tuple[Number, ...], value: Number, on_stop: Callable[[Number], None],
    moved: bool = False,
) -> None:
    """A slider that stops at some values, with its name and value above and its meaning where the pointer rests."""
    with solara.v.Html(tag="label", class_="fb-slider", attributes={"title": told, "data-key": key}):
        solara.HTML(tag="span", unsafe_innerHTML=escape(name), classes=["fb-name"])
        solara.HTML(tag="span", unsafe_innerHTML=f"{value:g}", classes=["fb-value", *(["fb-moved"] if moved else [])])
        solara.v.Slider(
            v_model=stops.index(value), on_v_model=lambda place: on_stop(stops[int(place)]), min=0, max=len(stops) - 1,
            step=1, hide_details=True, dense=True, color="#0072B2", track_color="#dcdfe4",
        )


@solara.component
def Views(pair: PairModel, cast: Cast) -> None:
    """Everything that there is to see."""
    update_counter.get()
    user, set_user = solara.use_state(0)
    row = row_of(pair, user)
    if pair.failure:
        solara.Error(pair.failure)
    with solara.Div(classes=["fb-grid"]):
        Trajectories(pair, cast)
        Now(pair, cast)
        Map(pair, cast, row)
        Heat(pair, cast)
    Story(pair, cast, row, set_user)


@solara.component
def Trajectories(pair: PairModel, cast: Cast) -> None:
    """One measure of both arms, round by round."""
    update_counter.get()
    names = table_order(select(pair.scenario.measures.names))
    labels = {label(name): name for name in names}
    chosen, choose = solara.use_state(FIRST_SEEN if FIRST_SEEN in names else names[0])
    picture = solara.use_memo(lambda: figures.trajectories(pair, cast, chosen), [pair, pair.round, chosen])
    with solara.Div(classes=["fb-card"]):
        solara.Select("Measure", list(labels), label(chosen), lambda text: choose(labels[text]))
        Shown(picture, "trajectories")


@solara.component
def Map(pair: PairModel, cast: Cast, row: int) -> None:
    """Where all users stand, one of them marked."""
    update_counter.get()
    picture = solara.use_memo(lambda: figures.interest_map(pair, cast, row), [pair, pair.round, row])
    with solara.Div(classes=["fb-card"]):
        solara.HTML(tag="h2", unsafe_innerHTML="Map of interests <small>each dot a user, by main topic at round 0</small>")
        Shown(picture, "map")


@solara.component
def Heat(pair: PairModel, cast: Cast) -> None:
    """Every user's shares."""
    update_counter.get()
    picture = solara.use_memo(lambda: figures.heat_maps(pair, cast), [pair, pair.round])
    with solara.Div(classes=["fb-card"]):
        solara.HTML(tag="h2", unsafe_innerHTML="Users by topics <small>same users, same order, same shades</small>")
        Shown(picture, "heat")


@solara.component
def Now(pair: PairModel, cast: Cast) -> None:
    """The measures that the scenario is about, as numbers."""
    update_counter.get()
    with solara.Div(classes=["fb-card", "fb-now"]):
        solara.HTML(unsafe_innerHTML=words.now(pair, cast, select(pair.scenario.report.focus)), attributes={"data-view": "now"})
        solara.HTML(
            tag="p",
            unsafe_innerHTML="One replicate, so no interval: <code>filterbubble run</code> tells how sure a difference is.",
        )


@solara.component
def Story(pair: PairModel, cast: Cast, row: int, set_user: Callable[[int], None]) -> None:
    """One user under both arms."""
    update_counter.get()
    user = int(pair.left.watched[row])
    chapters = [story(model, row, pair.round) for model in pair.sides]
    picture = solara.use_memo(lambda: figures.interests_of(pair, cast, chapters, row, user), [pair, pair.round, row])
    with solara.Div(classes=["fb-card", "fb-story"]):
        with solara.Div(classes=["fb-who"]):
            solara.HTML(tag="h2", unsafe_innerHTML=f"The story of user {user}")
            solara.InputInt("User", value=user, on_value=set_user)
            solara.Button(
                "Whom the arms led furthest apart", on_click=lambda: set_user(int(pair.left.watched[most_apart(pair)])),
                text=True, color="primary", disabled=pair.round == 0,
            )
        Shown(picture, "story")
        with solara.Div(classes=["fb-two"]):
            for side, model, told in zip(("left", "right"), pair.sides, chapters, strict=True):
                solara.HTML(
                    unsafe_innerHTML=words.told(model, cast, told, row), attributes={"class": "fb-told", "data-side": side}
                )
        solara.HTML(
            tag="p",
            unsafe_innerHTML="A box is an item of her slate, with its main topic; a ring marks what she took. "
            "Moved: total variation between her interests before and after the round.",
        )


@solara.component
def Shown(picture: Picture, view: str) -> None:
    """A picture, with its words for those who do not see it."""
    source = f"data:image/png;base64,{base64.b64encode(picture.png).decode()}"
    solara.HTML(tag="img", attributes={"src": source, "alt": picture.alt, "data-view": view})







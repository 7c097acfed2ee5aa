"""What `filterbubble dashboard` does: a scenario in, a page in the browser out."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console

from simulator.dashboard.bench import Bench
from simulator.dashboard.server import PortTaken, listen, serve
from simulator.datasets import DatasetError
from simulator.exit_codes import BAD_INPUT
from simulator.faults import ScenarioError
from simulator.scenario import load_scenario
from simulator.world import load_data

NEEDED = ("solara", "altair", "ipyvue", "ipyvuetify")

_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)


def open_dashboard(
    file: Path, overrides: Sequence[str], seed: int | None, data_path: str | None, host: str, port: int, show: bool,
    allow_code: bool = False,
) -> int:
    """Serve the dashboard of a scenario until Ctrl-C; return the exit code."""
    lacking = [name for name in NEEDED if find_spec(name) is None]
    if lacking:
        _err.print(f"The dashboard needs {', '.join(lacking)}: pip install 'filterbubble[dashboard]'", markup=False)
        return BAD_INPUT
    try:
        scenario = load_scenario(file, overrides, seed, data=data_path, allow_code=allow_code)
        data = load_data(scenario)
        bound = listen(host, port)
    except (ScenarioError, DatasetError, PortTaken) as error:
        _err.print(str(error), markup=False)
        return BAD_INPUT
    if data is not None:
        _out.print(f"{data.name}: {data.citation}\n{data.licence}", markup=False)

    def started(address: str) -> None:
        _out.print(f"Dashboard: {address} (Ctrl-C stops it)", markup=False)
        _out.file.flush()

    serve(Bench(scenario, data, allow_code), bound, started, show)
    return 0

"""Serves the page from this process, until it is told to stop. Nothing comes from, or goes to, another machine."""

from __future__ import annotations

import logging
import os
import socket
import warnings
import webbrowser
from collections.abc import Callable

from simulator.dashboard.bench import Bench

_PATIENCE = 2       # seconds that open pages are given to close when the server stops


class PortTaken(OSError):
    """The address cannot be listened on; the message says why."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to the address; port 0 is any free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise PortTaken(f"{host}, port {port}: cannot be listened on: {error.strerror}") from None
    return bound


def address(bound: socket.socket) -> str:
    """Return what to open in a browser."""
    host, port = bound.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def serve(bench: Bench, bound: socket.socket, started: Callable[[str], None], show: bool) -> None:
    """Serve until Ctrl-C or SIGTERM. `started` is told the address when it answers; `show`: open a browser there."""
    os.environ["SOLARA_TELEMETRY_MIXPANEL_ENABLE"] = "False"        # read once, when solara is imported
    os.environ["SOLARA_MODE"] = "production"                        # no watching of files, no tracebacks in the page
    import solara.server.app
    import uvicorn
    from solara.server import settings
    from solara.server.starlette import app

    # Its doubts about Mesa's components, and about cookies in frames of other sites, are none of our users' business.
    warnings.filterwarnings("ignore", module=r"solara\.")
    from simulator.dashboard.page import open_with

    settings.telemetry.mixpanel_enable = False
    settings.main.mode = "production"
    settings.theme.title = "filterbubble"
    settings.theme.show_banner = False
    open_with(bench)
    solara.server.app.apps["__default__"] = solara.server.app.AppScript("simulator.dashboard.page")

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                started(address(bound))
                if show:
                    webbrowser.open(address(bound))

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            logging.disable()           # pages that are cut off in the middle of a round have much to say
            await super().shutdown(sockets)

    server = Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=_PATIENCE))
    try:
        server.run(sockets=[bound])
    except KeyboardInterrupt:
        pass        # uvicorn hands it on when it is done
    finally:
        bound.close()

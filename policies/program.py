"""Runs somebody else's program on a folder, and always comes back: with its work done, or with what went wrong."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from policies.failure import PolicyFailed

_NOT_THEIRS = ("PYTHONPATH", "PYTHONHOME")
"""Variables that tell our Python where its modules are, and would lead another one astray."""

_OUT, _ERR = "stdout.txt", "stderr.txt"
_LINES, _CHARACTERS = 15, 2000
"""How much of what a program said last is shown when it has failed."""


class ProgramFailed(PolicyFailed):
    """A program died, took too long or answered nonsense. The message is all that its user needs to know."""


@contextmanager
def workspace() -> Iterator[Path]:
    """Give a temporary folder. It stays if a program fails in it: what it was given and what it said are evidence."""
    with _tidied_when_ended():
        folder = Path(tempfile.mkdtemp(prefix="filterbubble-external-"))
        try:
            yield folder
        except ProgramFailed as failure:
            raise ProgramFailed(f"{failure}\n{_last_words(folder)}Kept for inspection: {folder}") from None
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        shutil.rmtree(folder, ignore_errors=True)


def run(command: Sequence[str], folder: Path, timeout: float) -> None:
    """Run `command` with the folder as one more argument; what it prints goes to files there, and nobody is asked anything."""
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_THEIRS}
    shown = " ".join(command)
    with (folder / _OUT).open("wb") as stdout, (folder / _ERR).open("wb") as stderr:
        try:
            process = subprocess.Popen(
                [*command, str(folder)], stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, env=environment,
                start_new_session=True,                 # so that what it starts can be killed with it
            )
        except OSError as error:
            raise ProgramFailed(f"{shown}: cannot be started from {Path.cwd()}: {error.strerror}") from None
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise ProgramFailed(f"{shown}: took longer than {timeout:g} seconds (`timeout`) and was killed") from None
        finally:
            _kill(process)
    if code:
        ended = f"was killed by signal {-code}" if code < 0 else f"failed with exit code {code}"
        raise ProgramFailed(f"{shown}: {ended}")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a program that has not ended, and all that it started."""
    if process.returncode is None:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()


def _last_words(folder: Path) -> str:
    file = folder / _ERR
    said = file.read_text(errors="replace").rstrip()[-_CHARACTERS:].splitlines()[-_LINES:] if file.exists() else []
    return "".join(f"{line}\n" for line in ("The end of its error output:", *(f"    {line}" for line in said))) if said else ""


class _Ended(BaseException):
    """This process was asked to end."""


@contextmanager
def _tidied_when_ended() -> Iterator[None]:
    """Let this block clean up when the process is asked to end (SIGTERM), as the runner asks its workers after Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield                                           # only the main thread may say what signals do
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise _Ended

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except _Ended:
        signal.signal(signal.SIGTERM, before)
        os.kill(os.getpid(), signal.SIGTERM)
        raise                                           # only if whoever handled it before chose to go on
    finally:
        signal.signal(signal.SIGTERM, before)

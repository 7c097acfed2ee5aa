"""Mesa without its side effect: version 3.3 sets the start method of everybody's processes to "spawn" when imported."""

import multiprocessing

_start_method = multiprocessing.get_start_method(allow_none=True)

import mesa  # noqa: E402

multiprocessing.set_start_method(_start_method, force=True)

__all__ = ["mesa"]

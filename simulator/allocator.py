"""Memory that is used every round is kept from round to round."""

import ctypes
import platform

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3       # mallopt's names for them (malloc.h)


def keep_freed_memory() -> None:
    """Tell glibc not to give freed blocks back to the system between rounds; elsewhere, do nothing.

    By default blocks of scores are returned and asked for again each time, and the kernel clears every page of them: on
    MovieLens latest-small that was half of a run's time.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_MMAP_THRESHOLD, 32 * 2**20)       # the largest that it takes
        libc.mallopt(_TRIM_THRESHOLD, 2**31 - 1)

"""Which version of a package this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def installed(package: str) -> str | None:
    """Return the version of an installed package; None for one that only lies in the path."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None

"""Which distribution is installed: all of mcptasks, or its client alone."""

from __future__ import annotations

from importlib.metadata import Distribution, PackageNotFoundError, distribution

FULL = "mcptasks"
CLIENT = "mcptasks-client"
ALL_OF_IT = "install `mcptasks`, which has everything"


def installed_version() -> str:
    """The version of mcptasks, or of its client where there is no more than that."""
    return installed_distribution().version


def installed_distribution() -> Distribution:
    """All of mcptasks, or its client where there is no more than that.

    Raises:
        PackageNotFoundError: the sources are used without an installation.
    """
    try:
        return distribution(FULL)
    except PackageNotFoundError:
        return distribution(CLIENT)

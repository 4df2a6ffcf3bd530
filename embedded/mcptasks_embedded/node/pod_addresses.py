"""An address of its own for each Pod, so that Pods may listen on the same port."""

from __future__ import annotations

import ipaddress
import itertools
import secrets
import sys
from collections.abc import Iterator

_FIRST = int(ipaddress.IPv4Address("127.64.0.1"))
_COUNT = 2**20


def pod_addresses() -> Iterator[str]:
    """Loopback addresses, one after the other, from anywhere on.

    Linux has all of 127.0.0.0/8 on its loopback interface. Other systems have 127.0.0.1 alone, which all Pods share.
    Clusters of one machine share the interface and know nothing of each other: where they began at the same address,
    their Pods would take each other's ports. Two of them begin at the same one once in a million times.
    """
    if sys.platform != "linux":
        return itertools.repeat("127.0.0.1")
    start = secrets.randbelow(_COUNT)
    return (str(ipaddress.IPv4Address(_FIRST + number % _COUNT)) for number in itertools.count(start))

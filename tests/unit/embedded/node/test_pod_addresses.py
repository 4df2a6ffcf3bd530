"""Pods of all clusters on a machine have addresses of their own."""

from __future__ import annotations

import ipaddress
import sys
from itertools import islice

import pytest

from mcptasks_embedded.node.pod_addresses import pod_addresses

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has more than one address on loopback")


def test_pods_of_a_cluster_have_different_loopback_addresses() -> None:
    addresses = list(islice(pod_addresses(), 100))
    assert len(set(addresses)) == len(addresses)
    assert all(ipaddress.ip_address(address).is_loopback for address in addresses)


def test_two_clusters_begin_at_different_addresses() -> None:
    assert next(pod_addresses()) != next(pod_addresses())

"""Objects in the protocol buffer encoding."""

from __future__ import annotations

import pytest

from mcptasks_embedded.api.object_protobuf import ObjectDecoder
from mcptasks_embedded.kinds.api_types import ApiTypes


def _field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2, len(data)]) + data


def test_protobuf() -> None:
    entry = _field(1, b"a") + _field(2, b"b")
    raw = _field(1, _field(1, b"name") + _field(8, b"")) + _field(2, entry)
    data = b"k8s\x00" + _field(1, _field(1, b"v1") + _field(2, b"ConfigMap")) + _field(2, raw) + _field(3, b"")
    found = ObjectDecoder(ApiTypes()).decode(data)
    assert found == {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "name"}, "data": {"a": "b"}}


@pytest.mark.parametrize("data", [b"", b"{}", b"k8s\x00\x0a\xff", b"k8s\x00\x0a\x05ab", b"k8s\x00\x0f"])
def test_malformed_protobuf(data: bytes) -> None:
    with pytest.raises(ValueError):
        ObjectDecoder(ApiTypes()).decode(data)

"""The fields of built-in kinds."""

from __future__ import annotations

from mcptasks_embedded.kinds.api_types import ApiTypes


def test_types_know_embedded_structs() -> None:
    types = ApiTypes()
    assert "secretName" not in types.fields("core.v1.Volume")
    assert "secret" in types.fields("core.v1.Volume")
    unknown: list[str] = []
    volume = {"name": "v", "secret": {"secretName": "s", "nope": 1}}
    kept = types.clean({"spec": {"volumes": [volume], "dnsPolicy": None}}, "core.v1.Pod", unknown)
    assert unknown == ["spec.volumes[0].secret.nope"]
    assert kept == {"spec": {"volumes": [{"name": "v", "secret": {"secretName": "s"}}]}}

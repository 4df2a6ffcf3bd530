"""Label and field selectors."""

from __future__ import annotations

import pytest

from mcptasks_embedded.objects.selectors import label_selector_matches, parse_fields, parse_labels, parse_selection
from mcptasks_embedded.values.errors import ApiError

LABELS = {"env": "prod", "tier": "web", "empty": ""}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("env=prod", True),
        ("env == prod , tier=web", True),
        ("env!=prod", False),
        ("absent!=x", True),
        ("env in (dev,prod)", True),
        ("env notin (dev, prod)", False),
        ("absent notin (x)", True),
        ("env", True),
        ("!env", False),
        ("!absent", True),
        ("empty=", True),
        ("a.b/c in (x)", False),
    ],
)
def test_labels(text: str, matches: bool) -> None:
    assert all(term.matches(LABELS) for term in parse_labels(text)) is matches


@pytest.mark.parametrize("text", ["a b", "=x", "a in x", "a,,b", "a=b=c", "in (x)"])
def test_bad_labels(text: str) -> None:
    with pytest.raises(ApiError) as refusal:
        parse_labels(text)
    assert refusal.value.code == 400


def test_label_selector_objects() -> None:
    expressions = [{"key": "env", "operator": "In", "values": ["prod"]}, {"key": "x", "operator": "DoesNotExist"}]
    assert label_selector_matches({"matchLabels": {"tier": "web"}, "matchExpressions": expressions}, LABELS)
    assert not label_selector_matches({"matchLabels": {"tier": "db"}}, LABELS)


def test_fields() -> None:
    terms = parse_fields(r"a.b=x\,y,c!=z", lambda path: True)
    assert [(t.path, t.value, t.negated) for t in terms] == [("a.b", "x,y", False), ("c", "z", True)]
    assert all(term.matches({"a": {"b": "x,y"}}) for term in terms)
    with pytest.raises(ApiError, match=r"field label not supported: spec\.x"):
        parse_selection("batch", "jobs", (), "", "spec.x=1")
    assert parse_selection("batch", "jobs", (), "", "status.successful=1").fields[0].path == "status.succeeded"
    assert parse_selection("x.dev", "things", (".spec.a",), "", "spec.a=1").fields[0].path == "spec.a"

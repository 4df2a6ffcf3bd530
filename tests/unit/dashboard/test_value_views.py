"""Arguments and results as people read them."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest

from mcptasks.dashboard.plots import duration
from mcptasks.dashboard.value_views import MAX_NODES, TreeNode, content_file, result_view, safe_name, table, tree

PIXEL = base64.b64encode(b"\x89PNG...").decode()


def count(node: TreeNode) -> int:
    return 1 + sum(map(count, node.children or ()))


def test_a_tree_shows_every_kind_of_value() -> None:
    found = tree({"a": [1, 2.5, None, True, "x"], "b": {}})
    assert found.text == "2 keys"
    assert found.children is not None
    numbers = found.children[0].children
    assert numbers is not None
    assert [(node.kind, node.text) for node in numbers] == [
        ("number", "1"),
        ("number", "2.5"),
        ("null", "null"),
        ("boolean", "true"),
        ("string", "x"),
    ]


def test_a_large_value_makes_a_tree_of_bounded_size_that_says_what_is_missing() -> None:
    found = tree(list(range(100_000)))
    assert count(found) <= MAX_NODES + 1
    assert found.left_out > 90_000
    deep: object = 1
    for _ in range(500):
        deep = [deep]
    assert count(tree(deep)) < 40


def test_control_characters_are_shown_not_obeyed() -> None:
    assert tree("\x1b[31mred\u202e").text == "^[[31mred\\u202e"


def test_a_list_of_flat_objects_is_a_table() -> None:
    found = table("rows", [{"sku": "a", "n": 1}, {"sku": "b", "n": 2.5}])
    assert found is not None
    assert (list(found.columns), list(found.rows)) == (["sku", "n"], [["a", "1"], ["b", "2.5"]])
    assert found.numeric == {"n"}


@pytest.mark.parametrize(
    "value", [[], [1, 2], [{}], [{"a": [1]}], {"a": 1}, [{"a": 1}, 2], [dict.fromkeys(map(str, range(40)), 1)]]
)
def test_other_values_are_no_table(value: object) -> None:
    assert table("x", value) is None


def test_text_that_repeats_the_structured_content_is_shown_once() -> None:
    found = result_view({"content": [{"type": "text", "text": '{"n": 1}'}], "structuredContent": {"n": 1}})
    assert found.contents == []
    assert found.tree is not None


def test_images_sound_and_files_each_as_what_they_are() -> None:
    found = result_view(
        {
            "content": [
                {"type": "image", "mimeType": "image/png", "data": PIXEL},
                {"type": "image", "mimeType": "image/svg+xml", "data": PIXEL},
                {"type": "audio", "mimeType": "audio/wav", "data": PIXEL},
                {
                    "type": "resource",
                    "resource": {"uri": "file:///out/a.pdf", "mimeType": "application/pdf", "blob": PIXEL},
                },
                {"type": "resource_link", "uri": "https://elsewhere.example/x", "name": "x"},
                {"type": "image", "mimeType": "image/png", "data": "no base64!"},
            ]
        }
    )
    assert [(shown.kind, shown.name) for shown in found.contents] == [
        ("image", "image-1.png"),
        ("file", "image-2.svg"),
        ("audio", "audio-3.wav"),
        ("file", "a.pdf"),
        ("link", "x"),
        ("text", ""),
    ]


def test_a_resource_of_text_is_a_file_of_text_whatever_it_says_that_it_is() -> None:
    found = content_file(
        {"type": "resource", "resource": {"uri": "x://page.html", "mimeType": "text/html", "text": "<b>"}}, 0
    )
    assert found is not None
    assert (found.data, found.mime_type, found.name) == (b"<b>", "text/plain", "page.html")


@pytest.mark.parametrize(
    ("name", "safe"), [('a"\r\nx: y', "a___x__y"), ("../../etc", "_.._etc"), ("", "file"), ("ä", "file")]
)
def test_a_files_name_can_say_nothing_else_in_a_header(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_results_of_prompts_and_resources_have_their_blocks_too() -> None:
    prompt = {"messages": [{"role": "user", "content": {"type": "text", "text": "hello"}}]}
    resource = {"contents": [{"uri": "x://a.txt", "text": "inside"}]}
    assert result_view(prompt).contents[0].text == "hello"
    assert result_view(resource).contents[0].name == "a.txt"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.42, "0.42 s"),
        (3.04, "3 s"),
        (59.6, "60 s"),
        (185, "3 m 5 s"),
        (7200, "2 h"),
        (273_600, "3 d 4 h"),
    ],
)
def test_lengths_of_time_in_two_units(seconds: float, text: str) -> None:
    assert duration(timedelta(seconds=seconds)) == text


def test_a_result_of_many_blocks_and_tables_is_shown_up_to_so_many() -> None:
    shown = result_view({"content": [{}] * 50_000})
    assert len(shown.contents) == 201
    assert shown.contents[-1].text == "… [49800 more blocks]"
    assert len(result_view({"structuredContent": {str(n): [{"a": 1}] for n in range(1000)}}).tables) == 20


def test_text_that_utf_8_has_no_bytes_for_is_a_file_all_the_same() -> None:
    found = content_file({"type": "resource", "resource": {"uri": "x://a.txt", "text": "a\ud800"}}, 0)
    assert found is not None
    assert found.data == b"a?"

"""Tables look as kubectl's do, to the last blank."""

from __future__ import annotations

from mcptasks.cli.kubectl_tables import TablePrinter
from mcptasks.model.base import JsonObject

COLUMNS = [
    {"name": "Name", "priority": 0},
    {"name": "Phase", "priority": 0},
    {"name": "Age"},
    {"name": "Job", "priority": 1},
]


def table(*rows: list[object], namespace: str = "tools") -> JsonObject:
    return {
        "columnDefinitions": COLUMNS,
        "rows": [{"cells": cells, "object": {"metadata": {"namespace": namespace}}} for cells in rows],
    }


def test_columns_are_as_wide_as_their_widest_cell_and_three_blanks() -> None:
    lines = TablePrinter().render(table(["report-1", "working", "5s", "j"], ["b", "", "12m", "j"]))
    assert lines == [
        "NAME       PHASE     AGE",
        "report-1   working   5s",
        "b                    12m",
    ]


def test_a_column_has_at_least_six_characters() -> None:
    assert TablePrinter().render(
        {"columnDefinitions": [{"name": "A"}, {"name": "B"}], "rows": [{"cells": ["x", "y"]}]}
    ) == [
        "A     B",
        "x     y",
    ]


def test_wide_shows_all_columns() -> None:
    assert TablePrinter(wide=True).render(table(["a", "b", "1s", "job-a"]))[1] == "a      b       1s    job-a"


def test_the_namespace_comes_first_where_it_is_wanted() -> None:
    lines = TablePrinter(with_namespace=True).render(table(["a", "b", "1s", "j"]))
    assert lines[0].split() == ["NAMESPACE", "NAME", "PHASE", "AGE"]
    assert lines[1].split() == ["tools", "a", "b", "1s"]


NAMES = ["report-56xjcpetfzdhbinlz4jz2635ao", "report-56xjcpetgggggbinlz4jz2635a", "a"]


def test_names_are_cut_for_a_narrow_terminal_and_stay_different() -> None:
    rows: list[list[object]] = [[name, "input_required", "5s", "j"] for name in NAMES]
    assert max(map(len, TablePrinter(fits=200).render(table(*rows)))) == 56
    lines = TablePrinter(fits=45).render(table(*rows))
    assert max(map(len, lines)) == 45
    assert [line.split()[0] for line in lines] == ["NAME", *(name[:22] for name in NAMES)]
    lines = TablePrinter(fits=10).render(table(*rows))
    assert [line.split()[0] for line in lines] == ["NAME", "report-56xjcpetf", "report-56xjcpetg", "a"]


def test_in_a_watch_a_name_stays_different_from_earlier_ones() -> None:
    printer = TablePrinter(fits=45)
    _, first = printer.render(table([NAMES[0], "input_required", "5s", "j"]))
    (later,) = printer.render(table([NAMES[1], "input_required", "5s", "j"]))
    (again,) = printer.render(table([NAMES[0], "failed", "9s", "j"]))
    assert first.index("input_required") == later.index("input_required")
    assert max(map(len, (first, later))) <= 45
    assert [line.split()[0] for line in (first, later, again)] == [NAMES[0][:22], NAMES[1][:22], NAMES[0][:22]]
    narrow = TablePrinter(fits=10)
    narrow.render(table([NAMES[0], "failed", "5s", "j"]))
    (later,) = narrow.render(table([NAMES[1], "failed", "5s", "j"]))
    assert later.split()[0] == "report-56xjcpetg"


def test_names_are_cut_behind_a_namespace_too_and_short_ones_never() -> None:
    printer = TablePrinter(fits=30, with_namespace=True)
    assert printer.render(table([NAMES[0], "working", "5s", "j"]))[1].split()[1] == "report-56xjc"
    assert TablePrinter(fits=5).render(table(["report", "b", "5s", "j"]))[1].split()[0] == "report"


def test_a_table_without_rows_prints_nothing_and_the_header_comes_with_the_first_row() -> None:
    printer = TablePrinter()
    assert printer.render(table()) == []
    assert len(printer.render(table(["a", "b", "1s", "j"]))) == 2
    assert len(printer.render(table(["c", "d", "1s", "j"]))) == 1


def test_tables_of_a_watch_have_the_columns_of_the_first_one() -> None:
    printer = TablePrinter()
    printer.render(table())
    lines = printer.render({"columnDefinitions": None, "rows": [{"cells": ["a", "b", "1s", "j"]}]})
    assert [line.split() for line in lines] == [["NAME", "PHASE", "AGE"], ["a", "b", "1s"]]


def test_later_rows_line_up_with_earlier_ones() -> None:
    printer = TablePrinter()
    header, _ = printer.render(table(["a-long-name", "working", "1s", "j"]))
    (later,) = printer.render(table(["b", "failed", "2s", "j"]))
    assert later.index("failed") == header.index("PHASE")


def test_cells_are_one_line_and_cannot_command_the_terminal() -> None:
    lines = TablePrinter().render(table(["a\nb", "\x1b[31mred", None, None], [True, 7, "1s", ""]))
    assert lines[1].startswith("a...")
    assert "\x1b" not in lines[1]
    assert "^[[31mred" in lines[1]
    assert lines[2].split() == ["true", "7", "1s"]

"""The report on public data, and queries of it."""

from __future__ import annotations

import base64
import tempfile
from pathlib import Path

import pytest

from mcptasks.client import Client, TaskCancelledError
from tests.examples.conftest import ServedExample
from tests.examples.gallery import check_page

pytestmark = pytest.mark.anyio

ENDLESS = "SELECT sum(a.temp_max * b.temp_max * c.temp_max) FROM weather a, weather b, weather c, weather d"


def test_its_page_shows_what_is_printed(served: ServedExample, tmp_path: Path) -> None:
    check_page("data_report", served.url, tmp_path)


async def test_a_report_is_a_table_a_chart_and_a_file(served: ServedExample) -> None:
    async with Client(served.url) as client:
        result = await client.call_tool("weather_report", {"first": 2014, "last": 2015})
    text, image, file = result.content
    assert "| 7 | 11.0 | 27.5 | 15.0 | sun |" in text["text"].splitlines()
    assert text["text"].splitlines()[-1].startswith("Longest time without rain: ")
    assert base64.b64decode(image["data"]).startswith(b"\x89PNG")
    assert file["resource"]["uri"] == "file:///seattle-weather-2014-2015.parquet"
    assert base64.b64decode(file["resource"]["blob"]).startswith(b"PAR1")


async def test_a_query_has_columns_and_rows(served: ServedExample) -> None:
    sql = "SELECT weather, count(*) AS days FROM weather GROUP BY ALL ORDER BY days DESC LIMIT 2"
    async with Client(served.url) as client:
        answer = (await client.call_tool("query", {"sql": sql})).data
        everything = (await client.call_tool("query", {"sql": "FROM weather"})).data
    assert answer == {"columns": ["weather", "days"], "rows": [["sun", 714], ["fog", 411]], "is_complete": True}
    assert (len(everything["rows"]), everything["is_complete"]) == (1000, False)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT snow FROM weather", '"snow" not found'),
        ("FROM read_text('/etc/passwd')", "disabled by configuration"),
        ("COPY weather TO 'copy.csv'", "disabled by configuration"),
        (f"COPY weather TO '{tempfile.gettempdir()}/copy.csv'", "disabled by configuration"),
        ("SET memory_limit = '1TB'", "locked"),
        ("SET enable_external_access = true", "locked"),
    ],
)
async def test_a_query_that_is_wrong_or_reaches_out_is_told_so(served: ServedExample, sql: str, said: str) -> None:
    async with Client(served.url) as client:
        result = await client.call_tool("query", {"sql": sql})
    assert result.is_error
    assert said in result.text


async def test_what_does_not_fit_into_memory_goes_to_a_folder_for_temporary_files(served: ServedExample) -> None:
    sql = "SELECT current_setting('memory_limit'), current_setting('temp_directory')"
    async with Client(served.url) as client:
        ((memory, folder),) = (await client.call_tool("query", {"sql": sql})).data["rows"]
    assert memory == "572.2 MiB"
    assert Path(folder).is_relative_to(tempfile.gettempdir())


async def test_a_query_without_end_is_cancelled(served: ServedExample) -> None:
    async with Client(served.url) as client:
        task = await client.call_tool("query", {"sql": ENDLESS}, task=True)
        await task.cancel()
        with pytest.raises(TaskCancelledError):
            await task.result(timeout=60)

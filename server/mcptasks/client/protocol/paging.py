"""Lists that a server gives in pages, the same in both protocol versions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from mcptasks.model.base import JsonObject


async def all_pages(page: Callable[[JsonObject], Awaitable[JsonObject]], key: str) -> list[JsonObject]:
    """The items of all pages under the key; `page` fetches the page that the params name."""
    items: list[JsonObject] = []
    params: JsonObject = {}
    while True:
        result = await page(params)
        items += result.get(key) or ()
        if not result.get("nextCursor"):
            return items
        params = {"cursor": result["nextCursor"]}

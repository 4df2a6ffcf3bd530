"""What tools of the tests ask for."""

from __future__ import annotations

from pydantic import BaseModel


class Name(BaseModel):
    name: str


class Sure(BaseModel):
    ok: bool

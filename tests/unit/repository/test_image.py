"""What the image says about the user that runs in it."""

from __future__ import annotations

import re

from mcptasks_operator.deciding.pod_spec import TMP_PATH, UNPRIVILEGED_UID
from tests.unit.repository.sources import ROOT


def test_the_images_user_has_an_entry_and_any_other_a_name_and_a_home_that_pods_can_write_to() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert f"USER {UNPRIVILEGED_UID}:{UNPRIVILEGED_UID}" in text
    assert f"mcptasks:x:{UNPRIVILEGED_UID}:{UNPRIVILEGED_UID}::{TMP_PATH}:" in text
    variables = dict(re.findall(r"(\w+)=(\S+)", "\n".join(re.findall(r"^ENV (.*)$", text, re.MULTILINE))))
    assert variables["HOME"] == TMP_PATH
    assert variables["USER"] == variables["LOGNAME"] == "mcptasks"

"""docs/reference.md says what the tables of the code say."""

import runpy

from conftest import ROOT


def test_the_page_is_up_to_date() -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "reference.py"))
    assert tool["PAGE"].read_text("utf-8") == tool["page"](), "run: python tools/reference.py"

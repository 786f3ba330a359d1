"""The documents say what the catalogue says."""

import re
from pathlib import Path

import pytest

from servelab.report import readme_lists

CHECKOUT = Path(__file__).parents[1]
PAGES = [*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md")]


def test_the_readmes_lists_are_those_of_the_catalogue() -> None:
    page = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    for name in readme_lists.LISTS:
        assert f"<!-- list: {name} -->" in page
    assert readme_lists.renewed(page) == page, "run: python -m servelab.report.readme_lists"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if not (page.parent / link).exists()]
    assert missing == []


def test_the_example_server_in_contributing_is_a_server() -> None:
    page = (CHECKOUT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert code is not None
    module: dict[str, object] = {"__name__": "daphne_example"}
    exec(code.group(1), module)  # noqa: S102 - our own page
    server = module["SERVER"]
    assert getattr(server, "name", None) == "daphne"

"""The lists in the README, made from the catalogue: ``python -m servelab.report.readme_lists``.

With ``--check`` it changes nothing and ends with status 1 where a list is not up to date.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from servelab import catalogue
from servelab.report.markdown import escape


def stacks() -> str:
    """Return the table of the stacks with their deployments."""
    lines = ["| stack | what it is | deployments |", "|---|---|---|"]
    for stack in catalogue.stacks():
        headings = "; ".join(each.heading or "one" for each in stack.deployments)
        star = "" if not stack.is_beyond_the_seed else " \\*"
        lines.append(f"| `{stack.name}`{star} | {escape(stack.summary)} | {escape(headings)} |")
    return "\n".join(lines)


def workloads() -> str:
    """Return the table of the workloads."""
    lines = ["| workload | the work of one call |", "|---|---|"]
    lines += [
        f"| `{name}` | {escape(catalogue.workload_summary(name))} |"
        for name in catalogue.workload_names()
    ]
    return "\n".join(lines)


LISTS: dict[str, Callable[[], str]] = {"stacks": stacks, "workloads": workloads}


def renewed(page: str) -> str:
    """Return a page with every list between its markers made anew."""
    for name, make in LISTS.items():
        begin, end = f"<!-- list: {name} -->\n", f"<!-- end of list: {name} -->"
        before, _, rest = page.partition(begin)
        _, _, after = rest.partition(end)
        page = f"{before}{begin}{make()}\n{end}{after}"
    return page


def main(arguments: list[str]) -> int:
    """Renew the lists in the README of the working directory, or check them."""
    readme = Path("README.md")
    page = readme.read_text(encoding="utf-8")
    if "--check" in arguments:
        return int(renewed(page) != page)
    readme.write_text(renewed(page), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

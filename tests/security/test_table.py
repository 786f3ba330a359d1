"""Each point of docs/security.md names its tests, and they exist."""

import ast
import re
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
PAGE = CHECKOUT / "docs" / "security.md"
ROW = re.compile(r"^\| (\d) \| .+ \| (.+) \|$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def named() -> dict[int, list[tuple[str, str]]]:
    rows = ROW.findall(PAGE.read_text(encoding="utf-8"))
    return {int(point): TEST.findall(tests) for point, tests in rows}


def functions(file: str) -> set[str]:
    tree = ast.parse((CHECKOUT / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_point_has_tests_and_all_of_them_exist() -> None:
    tests = named()
    assert list(tests) == [1, 2, 3, 4, 5, 6, 7, 8]
    missing = [
        f"{file}::{test}"
        for of_point in tests.values()
        for file, test in of_point
        if test not in functions(file)
    ]
    assert missing == []
    assert all(tests.values())


def test_every_test_of_a_point_is_in_its_row() -> None:
    tests = named()
    for path in sorted((CHECKOUT / "tests" / "security").glob("test_point_*.py")):
        file = f"tests/security/{path.name}"
        own = {name for name in functions(file) if name.startswith("test_")}
        number = int(path.stem.removeprefix("test_point_")[0])
        assert {test for where, test in tests[number] if where == file} == own
        assert all(name.startswith(f"test_point_{number}_") for name in own)

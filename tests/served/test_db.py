"""The workload db: its set-up, and the check of its answers; its work is tested live."""

import copy
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from servelab.served import workloads
from servelab.served.workloads import db

PARAMETERS = db.Parameters(rows=3)
ARTICLES = [db._article(number) for number in (7, 8, 9)]
RESULT: dict[str, Any] = {
    "articles": ARTICLES,
    "order": {"id": 1, "article": 7, "quantity": 5, "total": 5 * ARTICLES[0][2]},
}


def changed(**values: object) -> dict[str, Any]:
    result = copy.deepcopy(RESULT)
    result["order"] |= values
    return result


def test_articles_as_written_and_an_order_for_the_first_pass() -> None:
    assert db.check(PARAMETERS, RESULT) is None


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (None, "no articles"),
        ({"articles": [], "order": RESULT["order"]}, "no articles"),
        ({"articles": ARTICLES}, "no articles and no order"),
        (RESULT | {"articles": ARTICLES[:2]}, "other articles than the 3 from 7 on"),
        (RESULT | {"articles": ARTICLES[::-1]}, "other articles"),
        (RESULT | {"articles": [[7, "article", 1], *ARTICLES[1:]]}, "other articles"),
        (RESULT | {"order": None}, "no order but None"),
        (changed(id=0), "another order"),
        (changed(id="1"), "no order but"),
        (changed(article=8), "another order than the one for article 7"),
        (changed(quantity=6), "another order"),
        (changed(total=None), "another order"),
    ],
)
def test_other_results_are_wrong(result: object, reason: str) -> None:
    assert (db.check(PARAMETERS, result) or "").startswith(reason)


def test_many_processes_set_up_one_database_once(tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    with ThreadPoolExecutor(8) as workers:
        list(workers.map(db._set_up, [file] * 8))
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        articles = connection.execute("SELECT * FROM article ORDER BY id").fetchall()
        assert connection.execute("SELECT count(*) FROM shop_order").fetchone() == (0,)
    assert [list(article) for article in articles] == [db._article(n) for n in range(1, 1001)]


def test_a_set_up_that_was_killed_is_begun_anew(tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    file.with_suffix(".new").write_bytes(b"half a database")
    db._set_up(file)
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count(*) FROM article").fetchone() == (1000,)


@pytest.mark.parametrize("rows", [0, 1001])
def test_rows_out_of_range_are_refused(rows: int) -> None:
    with pytest.raises(workloads.BadParameters, match="is not between 1 and 1000"):
        workloads.parse("db", {"rows": str(rows)})

"""Read and write a small SQLite database through SQLAlchemy, as an application with a database.

All processes of a server share one file, in WAL mode: readers and the writer do not wait for one
another, writers do for each other, up to a time-out.
"""

import asyncio
import fcntl
import functools
import os
import random
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from . import FOLDER_VARIABLE

if TYPE_CHECKING:
    from sqlalchemy import Engine, Select
    from sqlalchemy.ext.asyncio import AsyncEngine

SUMMARY = "read some articles from SQLite through SQLAlchemy, write an order, and read it back"
REQUIREMENTS = ("sqlalchemy[asyncio]", "aiosqlite")
SLOW_API_CALLS = 0
MAY_WAIT = True
"""For one another: there is one writer at a time."""

_ARTICLES = 1_000
_BUSY_S = 30.0
"""How long a writer waits for the others before it gives up."""
_MOST_QUANTITY = 1_000_000
_SETUP = """
CREATE TABLE article (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price INTEGER NOT NULL);
CREATE TABLE shop_order (
    id INTEGER PRIMARY KEY, article INTEGER NOT NULL, quantity INTEGER NOT NULL,
    total INTEGER NOT NULL
);
"""


@dataclass(frozen=True)
class Parameters:
    """How many articles one call reads."""

    rows: int = 10

    def __post_init__(self) -> None:
        if not 1 <= self.rows <= _ARTICLES:
            raise ValueError(f"rows={self.rows} is not between 1 and {_ARTICLES}")


def prepare() -> None:
    """Import SQLAlchemy, and make the database unless another process has."""
    import aiosqlite  # noqa: F401 - the measuring side reads this module without them
    import sqlalchemy.ext.asyncio  # noqa: F401

    if FOLDER_VARIABLE in os.environ:
        _set_up(_file())


def work(parameters: Parameters) -> dict[str, Any]:
    """Read in one transaction, write in the next, and read back in a third."""
    from sqlalchemy.orm import Session

    models = _models()
    first, quantity = _draw(parameters)
    with Session(_engine()) as session:
        read = session.scalars(models.between(first, count=parameters.rows)).all()
        articles = [[each.id, each.name, each.price] for each in read]
        order = models.Order(article=first, quantity=quantity, total=quantity * articles[0][2])
        session.rollback()
        session.add(order)
        session.commit()
        session.refresh(order)
        return _result(articles, order)


async def work_async(parameters: Parameters) -> dict[str, Any]:
    """Do the same through aiosqlite, which has a thread for each connection."""
    from sqlalchemy.ext.asyncio import AsyncSession

    models = _models()
    first, quantity = _draw(parameters)
    async with AsyncSession(_async_engine()) as session:
        read = (await session.scalars(models.between(first, count=parameters.rows))).all()
        articles = [[each.id, each.name, each.price] for each in read]
        order = models.Order(article=first, quantity=quantity, total=quantity * articles[0][2])
        await session.rollback()
        session.add(order)
        await session.commit()
        await session.refresh(order)
        return _result(articles, order)


async def close() -> None:
    """Close the running event loop's connections."""
    engine = _async_engines.pop(asyncio.get_running_loop(), None)
    if engine is not None:
        await engine.dispose()


def waiting_s(_parameters: Parameters) -> float:
    """Return 0: how long a call waits for the others' writes depends on them."""
    return 0.0


def check(parameters: Parameters, result: Any) -> str | None:
    """Demand the articles as they were written at the start, and the order as it was placed."""
    match result:
        case {"articles": [[int(first), *_], *_] as articles, "order": order}:
            pass
        case _:
            return "no articles and no order in the result"
    if articles != [_article(first + n) for n in range(parameters.rows)]:
        return f"other articles than the {parameters.rows} from {first} on: {articles!r}"
    match order:
        case {
            "id": int(number),
            "article": int(article),
            "quantity": int(quantity),
            "total": total,
        }:
            pass
        case _:
            return f"no order but {order!r}"
    if number < 1 or article != first or total != quantity * articles[0][2]:
        return f"another order than the one for article {first}: {order!r}"
    return None


def _draw(parameters: Parameters) -> tuple[int, int]:
    """Return where to begin to read, and how much to order."""
    first = random.randint(1, _ARTICLES - parameters.rows + 1)
    return first, random.randint(1, _MOST_QUANTITY)


def _result(articles: list[list[Any]], order: Any) -> dict[str, Any]:
    values = {name: getattr(order, name) for name in ("id", "article", "quantity", "total")}
    return {"articles": articles, "order": values}


def _article(number: int) -> list[Any]:
    """Return an article as the set-up writes it: all of it follows from its number."""
    return [number, f"article {number * 7_919 % 1_009}", 100 + number * 6_151 % 9_973]


def _file() -> Path:
    return Path(os.environ[FOLDER_VARIABLE], "shop.db")


def _set_up(file: Path) -> None:
    """Make the database whole, once, whichever process comes first."""
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if file.exists():
            return
        unfinished = file.with_suffix(".new")
        unfinished.unlink(missing_ok=True)
        with closing(sqlite3.connect(unfinished)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SETUP)
            connection.executemany(
                "INSERT INTO article VALUES (?, ?, ?)",
                [_article(number) for number in range(1, _ARTICLES + 1)],
            )
            connection.commit()
        unfinished.rename(file)


class _Models:
    """The tables as classes; made late, as only a server has SQLAlchemy."""

    def __init__(self) -> None:
        from sqlalchemy import select
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

        class Base(DeclarativeBase):  # type: ignore[misc]  # not in the tool's environment
            pass

        class Article(Base):
            __tablename__ = "article"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str]
            price: Mapped[int]

        class Order(Base):
            __tablename__ = "shop_order"
            id: Mapped[int] = mapped_column(primary_key=True)
            article: Mapped[int]
            quantity: Mapped[int]
            total: Mapped[int]

        self.Order: Any = Order
        self._article, self._select = Article, select

    def between(self, first: int, *, count: int) -> "Select[Any]":
        """Return the query for so many articles from the first on."""
        number = self._article.id
        query = self._select(self._article).where(number.between(first, first + count - 1))
        return query.order_by(number)


@functools.cache
def _models() -> _Models:
    return _Models()


def _engine() -> "Engine":
    """Return the engine of this process: a connection must not be carried through a fork."""
    return _engine_of(os.getpid())


@functools.cache
def _engine_of(_process: int) -> "Engine":
    from sqlalchemy import create_engine

    engine = create_engine(f"sqlite:///{_file()}", connect_args={"timeout": _BUSY_S})
    _set_connections(engine)
    return engine


def _async_engine() -> "AsyncEngine":
    from sqlalchemy.ext.asyncio import create_async_engine

    loop = asyncio.get_running_loop()
    if loop not in _async_engines:
        engine = create_async_engine(
            f"sqlite+aiosqlite:///{_file()}", connect_args={"timeout": _BUSY_S}
        )
        _set_connections(engine.sync_engine)
        _async_engines[loop] = engine
    return _async_engines[loop]


def _set_connections(engine: "Engine") -> None:
    """Let each connection do without waiting for the disk, as SQLite advises in WAL mode.

    Source: sqlite.org, PRAGMA synchronous; a power cut can lose the last orders, a crash cannot.
    """
    from sqlalchemy import event

    def connected(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.close()

    event.listen(engine, "connect", connected)


_async_engines: "WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncEngine]" = WeakKeyDictionary()

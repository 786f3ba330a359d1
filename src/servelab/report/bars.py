"""A histogram as rows of text."""

from collections.abc import Iterator, Sequence

from servelab.model.trial import Histogram
from servelab.report import quantities

EIGHTHS = "▏▎▍▌▋▊▉█"
WHOLE = "#"
"""For terminals that know no block elements."""
MOST_ROWS = 24
WIDTH = 40


def rows(histogram: Histogram, *, blocks: str = EIGHTHS) -> tuple[str, ...]:
    """Return a row for each bin: its edges in milliseconds, a bar, the count.

    Neighbouring bins are joined until they fit into 24 rows. ``blocks`` are the signs of a bar's
    last cell, from the narrowest to the full one.
    """
    edges_s, counts = _joined(histogram)
    edges = [quantities.fine_milliseconds(edge_s) for edge_s in edges_s]
    width = max(map(len, edges))
    most = max(counts)
    digits = len(str(most))
    return tuple(
        f"{low:>{width}} - {high:>{width}}  {count:>{digits}}  "
        f"{bar(count / most, blocks=blocks)}".rstrip()
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
    )


def _joined(histogram: Histogram) -> tuple[Sequence[float], Sequence[int]]:
    together = -(-len(histogram.counts) // MOST_ROWS)
    starts = range(0, len(histogram.counts), together)
    edges_s = [histogram.edges_s[start] for start in starts]
    return [*edges_s, histogram.edges_s[-1]], list(_sums(histogram.counts, together))


def _sums(counts: Sequence[int], together: int) -> Iterator[int]:
    for start in range(0, len(counts), together):
        yield sum(counts[start : start + together])


def bar(share: float, *, blocks: str = EIGHTHS) -> str:
    """Return a bar of up to 40 cells; whatever was counted leaves a trace."""
    steps = len(blocks)
    cells, rest = divmod(round(share * WIDTH * steps), steps)
    if share and not cells and not rest:
        rest = 1
    return blocks[-1] * cells + (blocks[rest - 1] if rest else "")

"""What a trial's figures are, from what was observed; pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec import Struct

from servelab.errors import TrialInvalid
from servelab.measure.gates import Punctuality, lateness_limit_s
from servelab.model.load import Load, OpenLoop
from servelab.model.outcome import Outcome
from servelab.model.times import Times
from servelab.model.trial import CallKind, CorrectedQuantiles, GeneratorUsage, Histogram
from servelab.model.usage import Growth
from servelab.stats.histogram import histogram
from servelab.stats.quantiles import corrected_quantile, nearest_rank, quantile, summarise
from servelab.stats.trends import trend

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from servelab.load.generator import Records
    from servelab.model.load import LoadResult
    from servelab.model.usage import ProcessUsage


def load_s(result: LoadResult) -> float:
    """Return the seconds from the first planned start until the last request had ended."""
    return result.ended_s - result.started_s


def throughput_per_s(result: LoadResult) -> float | None:
    """Return correct answers per second of the whole load; None of an empty one."""
    seconds = load_s(result)
    return result.outcomes.get(Outcome.OK.label, 0) / seconds if seconds > 0 else None


def rate_of_bare_load_per_s(result: LoadResult, *, of: str) -> float:
    """Return the throughput of a load that is a yardstick; TrialInvalid where it was cut short."""
    rate_per_s = throughput_per_s(result)
    if result.was_interrupted or not rate_per_s:
        raise TrialInvalid(f"{of} ended while it was measured, or answered nothing; measure again")
    return rate_per_s


def goodput_per_s(result: LoadResult, *, records: Records, target_s: float) -> float | None:
    """Return correct answers within so many seconds, per second of the load; None of an empty one.

    The records are those of the whole load.
    """
    seconds = load_s(result)
    return int(good(records, target_s=target_s).sum()) / seconds if seconds > 0 else None


def good(records: Records, *, target_s: float) -> NDArray[np.bool_]:
    """Tell of each request whether it got a correct answer within so many seconds."""
    took_ns = records.finished_ns - records.planned_ns
    is_good: NDArray[np.bool_] = (records.outcome == Outcome.OK) & (took_ns <= target_s * 1e9)
    return is_good


class Window(Struct, frozen=True, kw_only=True):
    """The part of a load that is measured, between two moments of the monotonic clock."""

    began_s: float
    ended_s: float

    @property
    def seconds(self) -> float:
        """Return how long it is."""
        return self.ended_s - self.began_s

    def rate_per_s(self, *records: Records, target_s: float = math.inf) -> float | None:
        """Return the correct answers that came in it per second, whenever they were asked for.

        Only those count that took no longer than `target_s`. What is in flight when it begins makes
        up for what still is when it ends; None of an empty window.
        """
        if self.seconds <= 0:
            return None
        return sum(self._answers(each, target_s=target_s) for each in records) / self.seconds

    def _answers(self, records: Records, *, target_s: float) -> int:
        finished_s = records.finished_ns / 1e9
        is_inside = (finished_s >= self.began_s) & (finished_s < self.ended_s)
        return int((is_inside & good(records, target_s=target_s)).sum())


def completions_s(*records: Records, since: LoadResult) -> NDArray[np.float64]:
    """Return when each correct answer had come, in seconds since the load began."""
    import numpy as np

    finished_ns = [each.finished_ns[each.outcome == Outcome.OK] for each in records]
    moments_s: NDArray[np.float64] = np.concatenate(finished_ns) / 1e9 - since.begun_s
    return moments_s


def window_after(warm_up_s: float, *, duration_s: float, result: LoadResult) -> Window:
    """Return the window that follows a warm-up, cut short where the load was."""
    began_s = result.begun_s + warm_up_s
    return Window(began_s=began_s, ended_s=max(began_s, min(began_s + duration_s, result.ended_s)))


def response_times(records: Records) -> Times | None:
    """Return the response times of all recorded requests: those that were sent.

    A request that failed counts as no faster than the slowest correct answer: a server that
    refuses at once must not look quicker than one which does the work.
    """
    return summarise(_times_of_all(records))


def by_kind(records: Records, *, kinds: Sequence[str]) -> list[CallKind]:
    """Return the same for each kind of call; `kinds` are those of the requests 0, 1, ... in turn.

    Kinds come in the order of their first turn; one without a request is left out.
    """
    import numpy as np

    if not kinds:
        return []
    times_s, turns = _times_of_all(records), records.sequence % len(kinds)
    found = []
    for name in dict.fromkeys(kinds):
        places = [place for place, kind in enumerate(kinds) if kind == name]
        own_s = times_s[np.isin(turns, places)]
        summary = summarise(own_s)
        if summary is not None:
            found.append(CallKind(name=name, calls=len(own_s), response_time_s=summary))
    return found


def corrected_response_times(records: Records) -> CorrectedQuantiles:
    """Return quantiles of the same times which may be averaged over rounds."""
    import numpy as np

    in_order_s = _times_of_all(records)[np.argsort(records.planned_ns, kind="stable")]
    return CorrectedQuantiles(
        **{
            name: corrected_quantile(in_order_s, probability=probability)
            for name, probability in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))
        }
    )


def response_time_histogram(records: Records) -> Histogram | None:
    """Return the histogram of the same times as `response_times`."""
    return histogram(_times_of_all(records))


def _times_of_all(records: Records) -> NDArray[np.float64]:
    import numpy as np

    times_s: NDArray[np.float64] = records.response_time_s
    is_ok = records.outcome == Outcome.OK
    if is_ok.any() and not is_ok.all():
        times_s = np.where(is_ok, times_s, np.maximum(times_s, times_s[is_ok].max()))
    return times_s


def parts_of_response_times(records: Records) -> dict[str, Times | None]:
    """Return what response times are made of, by the names of a trial's fields."""
    import numpy as np

    def came(times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        return times_s[~np.isnan(times_s)]

    # One after the other: each takes as much memory as a column of the records.
    return {
        "generator_delay_s": summarise(records.generator_delay_s),
        "connection_wait_s": summarise(records.connection_wait_s),
        "round_trip_time_s": summarise(came(records.round_trip_time_s)),
    }


def punctuality(records: Records, *, load: Load) -> Punctuality:
    """Return how well the generator kept to its schedule.

    In an open loop, whose validity hangs on it, the 99th percentile is taken of few requests, too.
    """
    import numpy as np

    delays_s = np.sort(records.generator_delay_s)
    limit_s = lateness_limit_s(float(np.median(records.response_time_s)) if len(records) else 0.0)
    if not isinstance(load, OpenLoop) or not len(records):
        return Punctuality(
            delay_p99_s=quantile(delays_s, probability=0.99), limit_s=limit_s, offered_share=None
        )
    end_ns = records.planned_ns.max() + limit_s * 1e9
    return Punctuality(
        delay_p99_s=float(delays_s[nearest_rank(len(delays_s), probability=0.99) - 1]),
        limit_s=limit_s,
        offered_share=float(np.mean(records.taken_up_ns <= end_ns)),
    )


def efficiency(rate_per_s: float | None, *, ceiling_per_s: float | None) -> float | None:
    """Return the share of the ceiling, not clamped; None without answers or ceiling."""
    return rate_per_s / ceiling_per_s if rate_per_s is not None and ceiling_per_s else None


def per_call(total: float | None, *, calls: int) -> float | None:
    """Return a total divided by the number of calls; None without calls."""
    return total / calls if total is not None and calls else None


def memory_growth_bytes(usage: ProcessUsage) -> Growth | None:
    """Return how fast the server's memory grew in the second half of the load.

    In the first half caches fill and pools grow, as they should. None where it was too short.
    """
    return _growth(usage, [float(moment.memory_bytes) for moment in usage.course])


def open_files_growth(usage: ProcessUsage) -> Growth | None:
    """Return how fast the number of its open files grew in the second half of the load."""
    return _growth(usage, [float(moment.open_files) for moment in usage.course])


def _growth(usage: ProcessUsage, values: list[float]) -> Growth | None:
    import numpy as np

    second_half = len(values) // 2
    moments_s = np.array([moment.at_s for moment in usage.course[second_half:]])
    found = trend(moments_s, np.array(values[second_half:]))
    if found is None:
        return None
    per_minute, half_width = 60 * found.per_s, 60 * found.half_width_per_s
    return Growth(per_minute=per_minute, low=per_minute - half_width, high=per_minute + half_width)


def cpu_s(*usages: ProcessUsage | None) -> float:
    """Return the CPU time of several process trees; of those that were not watched, none."""
    return sum(each.cpu_s for each in usages if each is not None)


def share_of_cores(
    generator_cpu_s: float, *, server_cpu_s: float, window_s: float, cores: float | None
) -> float | None:
    """Return what the generator took of the CPU time that the cores could give in the window.

    On busy cores that is its part of all CPU time used; on idle ones it takes nothing from anybody.
    None where the two share no cores.
    """
    if cores is None:
        return None
    # Together they can exceed the window by a little: the generator also writes its records.
    capacity_s = max(window_s * cores, generator_cpu_s + server_cpu_s)
    return generator_cpu_s / capacity_s if capacity_s else None


def generator_usage(
    result: LoadResult, *, records: Records, server_cpu_s: float, cores: float | None
) -> GeneratorUsage:
    """Return what producing the load cost, and its part of what shared cores could give.

    `server_cpu_s` is what the server took, with its front.
    """
    import numpy as np

    seconds = load_s(result)
    ok = result.outcomes.get(Outcome.OK.label, 0)
    return GeneratorUsage(
        cpu_s=result.cpu_s,
        cpu_share=result.cpu_s / (seconds * result.generator_processes) if seconds > 0 else 0.0,
        share_of_all_cpu=share_of_cores(
            result.cpu_s,
            server_cpu_s=server_cpu_s,
            window_s=seconds,
            cores=cores,
        ),
        processes=result.generator_processes,
        delay_p99_s=quantile(np.sort(records.generator_delay_s), probability=0.99),
        connections_opened=result.connections_opened,
        idle_closes=result.idle_closes,
        cpu_us_per_request=result.cpu_s / ok * 1e6 if ok else None,
        pacing=result.pacing,
        scheduling=result.scheduling,
        busy_share=result.busy_share,
        cpu_s_by_process=result.cpu_s_by_process,
    )

import msgspec
import pytest

from servelab.explain import disturbance
from servelab.model.noise import Calibration, ForeignProcess, ForeignProgram, Noise
from tests.fake_world import QUIET


def noise(**changes: object) -> Noise:
    return msgspec.structs.replace(QUIET, **changes)


def kinds(**changes: object) -> list[str]:
    return [warning.kind for warning in disturbance.warnings(noise(**changes))]


def calibration(*, ratio: float = 1.0, loops_per_cpu_s: float = 40_000.0) -> Calibration:
    return Calibration(wall_per_cpu=ratio, loops_per_cpu_s=loops_per_cpu_s)


def test_a_quiet_machine_is_not_mentioned() -> None:
    assert kinds() == []
    assert disturbance.reasons_to_void(QUIET) == ()


def test_what_could_not_be_read_is_no_disturbance() -> None:
    unknown = Noise(seconds=1.0, cpus=2)
    assert list(disturbance.warnings(unknown)) == []
    assert disturbance.reasons_to_void(unknown) == ()


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"steal_share": 0.011}, "steal"),
        ({"foreign_cpu_share": 0.031}, "foreign-cpu"),
        ({"calibration_before": calibration(ratio=1.06)}, "pre-empted"),
        ({"calibration_after": calibration(ratio=1.06)}, "pre-empted"),
        ({"calibration_after": calibration(loops_per_cpu_s=35_000.0)}, "pace-changed"),
        ({"throttled_periods": 1, "quota_periods": 9, "throttled_s": 0.1}, "throttled"),
        ({"memory_stall_share": 0.02}, "memory-pressure"),
        ({"swapped_in_bytes": 4096}, "memory-pressure"),
        ({"suspended_s": 5.0}, "clock-jump"),
        ({"clock_step_s": -0.2}, "clock-jump"),
        ({"other_runs": 1}, "other-run"),
        ({"listen_overflows": 3}, "listen-overflow"),
    ],
)
def test_each_disturbance_has_its_own_warning(changes: dict[str, object], kind: str) -> None:
    assert kinds(**changes) == [kind]


@pytest.mark.parametrize(
    "changes",
    [
        {"steal_share": 0.01},
        {"foreign_cpu_share": 0.03},
        {"calibration_before": calibration(ratio=1.05)},
        {"calibration_after": calibration(loops_per_cpu_s=43_000.0)},
        {"throttled_periods": 0, "quota_periods": 9, "throttled_s": 0.0},
        {"memory_stall_share": 0.01},
        {"clock_step_s": 0.1},
        # A clock that is slewed by network time drifts with the length of the trial.
        {"seconds": 3600.0, "clock_step_s": 1.8},
    ],
)
def test_what_is_within_the_limits_is_not_mentioned(changes: dict[str, object]) -> None:
    assert kinds(**changes) == []


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"steal_share": 0.051}, "hypervisor"),
        ({"foreign_cpu_share": 0.101}, "other programs"),
        ({"suspended_s": 5.0}, "suspended for 5.0 s"),
        ({"clock_step_s": 3600.0}, "set forward by 3600.0 s"),
        ({"clock_step_s": -1.0}, "set back by 1.0 s"),
    ],
)
def test_what_comes_from_outside_voids(changes: dict[str, object], word: str) -> None:
    (reason,) = disturbance.reasons_to_void(noise(**changes))
    assert word in reason


@pytest.mark.parametrize(
    "changes",
    [
        {"steal_share": 0.05},
        {"foreign_cpu_share": 0.10},
        {"listen_overflows": 1000},
        {"memory_stall_share": 0.9, "swapped_in_bytes": 10**9},
        {"throttled_periods": 9, "quota_periods": 9, "throttled_s": 9.0},
    ],
)
def test_nothing_that_the_server_can_cause_voids(changes: dict[str, object]) -> None:
    assert disturbance.reasons_to_void(noise(**changes)) == ()


def test_a_core_that_somebody_else_wanted_is_not_called_slow() -> None:
    slow_and_wanted = calibration(ratio=2.0, loops_per_cpu_s=20_000.0)
    assert kinds(calibration_after=slow_and_wanted) == ["pre-empted"]


def test_a_warning_names_the_busiest_strangers() -> None:
    found = noise(
        foreign_cpu_share=0.25,
        foreign_processes=(ForeignProcess(name="backup", pid=77, cpu_share=0.2),),
    )
    (warning,) = disturbance.warnings(found)
    assert "25.0% of the CPU time" in warning.text
    assert "backup (pid 77, 20%)" in warning.text


def program(name: str, *, share: float, processes: int = 1) -> ForeignProgram:
    return ForeignProgram(name=name, processes=processes, cpu_share=share)


def test_what_voids_names_the_busiest_programs_with_their_shares() -> None:
    found = noise(
        foreign_cpu_share=0.36,
        foreign_programs=(
            program("postgres", share=0.31, processes=52),
            program("redis-server", share=0.04),
        ),
    )
    (reason,) = disturbance.reasons_to_void(found)
    assert reason == "other programs took 36.0% of the CPU time (postgres 31%, redis-server 4%)"


@pytest.mark.parametrize("name", ["python", "python3.13t", "node", "sh"])
def test_an_interpreter_that_disturbs_is_not_advised_to_be_named(name: str) -> None:
    found = noise(foreign_cpu_share=0.5, foreign_programs=(program(name, share=0.5),))
    assert disturbance.advice_on_own([found]) is None
    assert disturbance.remedy_of_own(found) == disturbance.STOP_THEM


def test_a_warning_names_a_program_of_many_processes_once() -> None:
    found = noise(
        foreign_cpu_share=0.36,
        foreign_programs=(
            program("postgres", share=0.31, processes=52),
            program("backup", share=0.04),
        ),
        foreign_processes=(
            ForeignProcess(name="backup", pid=77, cpu_share=0.04),
            ForeignProcess(name="postgres", pid=78, cpu_share=0.02),
        ),
    )
    (warning,) = disturbance.warnings(found)
    assert "postgres (52 processes, 31%), backup (pid 77, 4%); stop them" in warning.text
    assert "--beside" not in warning.text
    (of_own,) = disturbance.warnings(found, remedy=disturbance.remedy_of_own(found))
    assert of_own.text.endswith(
        "if postgres is part of the application (a database, a cache): --beside postgres"
    )


def test_the_advice_is_on_the_program_that_took_the_most_where_it_voided() -> None:
    little = noise(foreign_cpu_share=0.05, foreign_programs=(program("make", share=0.05),))
    postgres = noise(
        foreign_cpu_share=0.4,
        foreign_programs=(program("backup", share=0.21), program("postgres", share=0.19)),
    )
    again = noise(foreign_cpu_share=0.3, foreign_programs=(program("postgres", share=0.3),))
    advice = disturbance.advice_on_own([little, postgres, again])
    assert advice is not None
    assert "if postgres is part" in advice
    assert advice.endswith("--beside postgres")
    assert disturbance.advice_on_own([little]) is None


@pytest.mark.parametrize("name", ["kworker/0:1", "ksoftirqd/1", "(sd-pam)"])
def test_nobody_is_told_to_name_a_thread_of_the_kernel(name: str) -> None:
    found = noise(foreign_cpu_share=0.4, foreign_programs=(program(name, share=0.4),))
    assert disturbance.advice_on_own([found]) is None
    assert disturbance.remedy_of_own(found) == disturbance.STOP_THEM


def test_a_name_with_a_space_is_quoted_for_the_shell() -> None:
    found = noise(foreign_cpu_share=0.4, foreign_programs=(program("Web Content", share=0.4),))
    assert disturbance.remedy_of_own(found).endswith("--beside 'Web Content'")

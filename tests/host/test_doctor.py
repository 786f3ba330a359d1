import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from servelab.cli import main
from servelab.host import doctor
from servelab.host.checks import activity
from servelab.host.checks.activity import Look
from servelab.host.checks.machine import Machine, parse_list
from servelab.model.finding import Finding, Verdict, is_fit
from servelab.model.noise import Calibration, ForeignProcess
from servelab.report import doctor as report
from tests.fake_world import QUIET

from . import machines

Files = Callable[[Path], dict[str, str]]


def found_on(folder: Path, files: Files) -> dict[str, Finding]:
    machine = machines.write(folder, files(folder))
    return {finding.subject: finding for finding in doctor.of_files(machine)}


def noted(found: dict[str, Finding]) -> set[str]:
    return {subject for subject, each in found.items() if each.verdict is Verdict.NOTE}


def test_a_quiet_server_has_nothing_to_change(tmp_path: Path) -> None:
    found = found_on(tmp_path, machines.lab_server)
    assert noted(found) == {"quotas"}  # nothing is mounted there
    assert found["cores"].fact == "16 of 16 cores allowed: the generator can have cores of its own"
    assert found["CPU governor"].fact == "performance"
    assert found["turbo"].fact == "off"
    assert found["real time"].fact == "permitted"
    assert is_fit(tuple(found.values()))


def test_a_laptop_gets_one_piece_of_advice_for_each_thing(tmp_path: Path) -> None:
    found = found_on(tmp_path, machines.laptop)
    assert noted(found) == {
        *("CPU governor", "turbo", "SMT", "open files", "ports", "backlog", "memory", "swap"),
        *("load average", "quotas"),
    }
    assert "powersave" in found["CPU governor"].fact
    assert found["turbo"].advice == (
        "echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo"
    )
    assert found["SMT"].fact.startswith("on: 8 CPUs are 4 physical cores")
    assert found["open files"].advice == "ulimit -n 65536"
    assert "at most 471 fresh connections a second" in found["ports"].fact
    assert found["backlog"].advice == "sudo sysctl net.core.somaxconn=4096"
    assert "3.1 GB are swapped out" in found["swap"].fact
    assert found["real time"].verdict is Verdict.GOOD  # 8 CPUs: not needed
    assert is_fit(tuple(found.values()))


def test_a_container_is_told_what_it_is_left_with(tmp_path: Path) -> None:
    found = found_on(tmp_path, machines.container)
    assert found["cores"].fact.startswith("1.5 of 64 cores allowed")
    assert found["CPU quota"].fact.startswith("1.5 cores")
    assert "Amazon EC2" in found["virtualisation"].fact
    assert found["clock"].advice is not None
    assert "echo tsc |" in found["clock"].advice
    assert found["open files"].verdict is Verdict.BAD
    # 536.9 - 400 MB, and 300 MB of files that can be dropped.
    assert found["memory"].fact == "0.4 GB free, by the limit of the container"
    assert found["memory"].verdict is Verdict.NOTE
    assert found["real time"].verdict is Verdict.NOTE
    assert found["quotas"].verdict is Verdict.NOTE  # the cpu controller was not delegated
    assert not is_fit(tuple(found.values()))


def test_half_a_core_is_not_enough(tmp_path: Path) -> None:
    found = found_on(tmp_path, machines.small_container)
    assert found["cores"].verdict is Verdict.BAD
    assert found["cores"].fact.startswith("0.5 of 4 cores allowed")
    assert "CPU quota" not in found
    assert found["open files"].fact == "unlimited"
    assert found["turbo"].advice == "echo 0 | sudo tee /sys/devices/system/cpu/cpufreq/boost"
    assert found["real time"].fact == "permitted"
    assert found["quotas"].verdict is Verdict.GOOD


def test_a_delegated_group_of_version_2_can_have_quotas(tmp_path: Path) -> None:
    files = machines.container(tmp_path) | {"cgroups/box/cgroup.controllers": "cpuset cpu io\n"}
    assert found_on(tmp_path, lambda _: files)["quotas"].verdict is Verdict.GOOD


def test_a_limit_of_memory_of_version_1_is_respected(tmp_path: Path) -> None:
    mount = f"31 23 0:28 / {tmp_path / 'groups'} rw,relatime - cgroup cgroup rw,memory\n"
    files = machines.lab_server(tmp_path) | {
        "proc/self/mountinfo": mount,
        "proc/self/cgroup": "3:memory:/box\n4:cpu:/other\n",
        "groups/box/memory.limit_in_bytes": "200000000\n",
        "groups/box/memory.usage_in_bytes": "50000000\n",
        "groups/memory.limit_in_bytes": "9223372036854771712\n",
        "groups/memory.usage_in_bytes": "50000000\n",
    }
    memory = found_on(tmp_path, lambda _: files)["memory"]
    assert memory.fact == "0.1 GB free, by the limit of the container"  # 150 MB
    assert memory.verdict is Verdict.BAD


def test_only_allowed_cpus_count_as_threads_of_one_core(tmp_path: Path) -> None:
    files = machines.laptop(tmp_path)
    files["proc/self/status"] = "Cpus_allowed_list:\t0-3\n"
    assert found_on(tmp_path, lambda _: files)["SMT"].verdict is Verdict.GOOD


def test_a_machine_that_shows_nothing_is_not_refused(tmp_path: Path) -> None:
    found = found_on(tmp_path, machines.bare)
    assert is_fit(tuple(found.values()))


def test_every_note_has_one_sentence_of_advice(tmp_path: Path) -> None:
    for files in machines.MACHINES:
        for finding in found_on(tmp_path / files.__name__, files).values():
            assert (finding.advice is None) == (finding.verdict is Verdict.GOOD), finding
            assert not (finding.advice or "").endswith(".")


def mutated(text: str, *, dice: random.Random) -> bytes:
    """Return a file's text after one of the accidents that files have."""
    raw = bytearray(text.encode())
    match dice.randrange(6):
        case 0:
            return b""
        case 1:
            return bytes(raw[: dice.randrange(len(raw))])
        case 2:
            raw[dice.randrange(len(raw))] = dice.randrange(256)
        case 3:
            return bytes(raw) * 3
        case 4:
            return dice.randbytes(dice.randrange(1, 60))
        case _:
            odd = dice.choice([b"-1", b"0", b"9" * 400, b"9" * 5000, b"1e9", b"max", b"0-", b"\0"])
            words = bytes(raw).split(b" ")
            words[dice.randrange(len(words))] = odd
            return b" ".join(words)
    return bytes(raw)


@pytest.mark.parametrize("files", machines.MACHINES[:4], ids=lambda files: files.__name__)
def test_odd_files_never_end_the_examination(tmp_path: Path, files: Files) -> None:
    dice = random.Random(files.__name__)  # noqa: S311 - repeatable accidents
    whole = files(tmp_path)
    machine = machines.write(tmp_path, whole)
    for _ in range(60):
        broken = dice.sample(sorted(whole), k=min(3, len(whole)))
        for name in broken:
            (tmp_path / name).write_bytes(mutated(whole[name], dice=dice))
        for finding in doctor.of_files(machine):
            assert finding.fact
            assert finding.subject in doctor.CHECKS
        for name in broken:
            (tmp_path / name).write_text(whole[name])


def test_a_folder_in_the_place_of_a_file_is_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "proc/loadavg").mkdir(parents=True)
    assert Machine(root=tmp_path).text("proc/loadavg") is None


def test_lists_of_cpus_are_parsed_and_monsters_refused() -> None:
    assert parse_list("0-2,8,10-11") == (0, 1, 2, 8, 10, 11)
    assert parse_list("") == ()
    with pytest.raises(ValueError, match="no range"):
        parse_list("0-99999999999")


# ---- a look of a second


def seen(*, wake_up_s: float = 0.0001, **changes: object) -> dict[str, Finding]:
    noise = msgspec.structs.replace(QUIET, **changes)
    look = Look(noise=noise, wake_up_delay_p99_s=wake_up_s)
    return {finding.subject: finding for finding in activity.findings(look)}


def test_a_quiet_second_is_good() -> None:
    found = seen()
    assert {each.verdict for each in found.values()} == {Verdict.GOOD}
    assert found["other load"].fact == "other programs take 1.0% of the CPU time"
    assert found["timer"].fact == "99 of 100 wake-ups are at most 0.10 ms late"


@pytest.mark.parametrize(
    ("changes", "subject", "verdict"),
    [
        ({"foreign_cpu_share": 0.05}, "other load", Verdict.NOTE),
        ({"foreign_cpu_share": 0.11}, "other load", Verdict.BAD),
        ({"steal_share": 0.02}, "steal", Verdict.NOTE),
        ({"steal_share": 0.06}, "steal", Verdict.BAD),
        (
            {"calibration_before": Calibration(wall_per_cpu=1.5, loops_per_cpu_s=1.0)},
            "calibration",
            Verdict.NOTE,
        ),
        ({"wake_up_s": 0.002}, "timer", Verdict.NOTE),
        ({"memory_stall_share": 0.02}, "memory pressure", Verdict.NOTE),
        ({"other_runs": 1}, "servelab", Verdict.BAD),
    ],
)
def test_each_disturbance_is_judged(
    changes: dict[str, object], subject: str, verdict: Verdict
) -> None:
    found = seen(**changes)  # type: ignore[arg-type]
    assert found[subject].verdict is verdict
    assert found[subject].advice
    assert [each for each in found.values() if each.advice] == [found[subject]]


def test_the_busiest_strangers_are_named() -> None:
    processes = (ForeignProcess(name="updatedb", pid=5, cpu_share=0.4),)
    found = seen(foreign_cpu_share=0.5, foreign_processes=processes)
    assert found["other load"].fact.endswith("50.0% of the CPU time: updatedb (pid 5)")


def test_a_second_of_this_machine_can_be_looked_at() -> None:
    look = activity.look(duration_s=0.05)
    assert look.noise.cpus >= 1
    assert look.noise.calibration_after is not None
    assert look.wake_up_delay_p99_s >= 0


# ---- what is said

GOOD = Finding(subject="a", fact="well")
NOTE = Finding(subject="b", fact="so so", verdict=Verdict.NOTE, advice="do this")
BAD = Finding(subject="c", fact="not [red]at all\x1b[2J", verdict=Verdict.BAD, advice="do that")


def test_the_verdict_comes_in_words() -> None:
    assert report.verdict((GOOD,)) == "This machine is fit to compare deployments."
    assert report.verdict((GOOD, NOTE, NOTE)) == (
        "This machine can compare deployments; 2 things would make it better."
    )
    assert report.verdict((GOOD, NOTE, BAD)) == (
        "This machine cannot compare deployments just now: 1 thing stands in the way."
    )


@pytest.mark.parametrize(
    ("findings", "status"), [((GOOD,), 0), ((GOOD, NOTE), 0), ((GOOD, NOTE, BAD), 3)]
)
def test_the_exit_status_says_whether_it_is_fit(
    findings: tuple[Finding, ...],
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(doctor, "examine", lambda: findings)
    for arguments in (["doctor"], ["doctor", "--json"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == status
    printed = capsys.readouterr().out
    assert report.verdict(findings) in printed
    document = json.loads(printed[printed.index("{") :])
    assert document["is_fit"] == (status == 0)
    assert [each["verdict"] for each in document["findings"]] == [
        each.verdict.value for each in findings
    ]


def test_what_files_say_does_not_steer_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report.print_findings((BAD,))
    printed = capsys.readouterr().out
    assert "not [red]at all" in printed
    assert "\x1b[2J" not in printed
    assert "do that" in printed


@pytest.mark.live
def test_this_machine_is_examined() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "servelab", "doctor", "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    document = json.loads(done.stdout)
    assert done.stderr == ""
    assert done.returncode == (0 if document["is_fit"] else 3)
    assert {"cores", "memory", "open files"} <= {
        finding["subject"] for finding in document["findings"]
    }

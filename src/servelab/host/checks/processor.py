"""Checks of the CPUs: how many, how steady, how shared."""

from collections.abc import Iterable

from servelab.host.checks.machine import Machine, parse_list
from servelab.model.finding import Finding, Verdict

ENOUGH_CORES = 4
"""From here on the generator gets cores that the server leaves free."""
_IDLE_SHARE = 0.25
_CPU = "sys/devices/system/cpu"
_CLOCKS = "sys/devices/system/clocksource/clocksource0"
_QUICK_CLOCKS = ("tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page")


def allowed(machine: Machine) -> Iterable[Finding]:
    """Look how many cores servelab may use, and whether the generator can have its own."""
    cores, online = machine.cores, len(machine.online_cpus)
    if not cores:
        return
    fact = f"{cores:g} of {online or len(machine.cpus)} cores allowed"
    if cores < 1:
        yield Finding(
            subject="cores",
            fact=f"{fact}: generator and server wait for the same fraction of a core",
            verdict=Verdict.BAD,
            advice="raise the CPU quota of the container or service to two cores at least",
        )
    elif cores < ENOUGH_CORES:
        yield Finding(
            subject="cores",
            fact=f"{fact}: the generator shares them with the server",
            verdict=Verdict.NOTE,
            advice=f"measure on {ENOUGH_CORES} cores or more, or let the work of a call be large "
            "beside that of asking for it",
        )
    else:
        yield Finding(subject="cores", fact=f"{fact}: the generator can have cores of its own")


def quota(machine: Machine) -> Iterable[Finding]:
    """Look whether a quota can stop generator and server amid a measurement."""
    limit = machine.quota_cores
    if limit is not None and limit >= 1:
        yield Finding(
            subject="CPU quota",
            fact=f"{limit:g} cores; whoever uses more is stopped for the rest of each period",
            verdict=Verdict.NOTE,
            advice="give the container whole CPUs (a cpuset) instead of a quota",
        )


def governor(machine: Machine) -> Iterable[Finding]:
    """Look how the frequency follows the load."""
    files = [f"{_CPU}/cpu{cpu}/cpufreq/scaling_governor" for cpu in machine.cpus]
    found = sorted({text for file in files if (text := machine.text(file)) is not None})
    if not found:
        yield Finding(subject="CPU governor", fact="none is shown here")
    elif found == ["performance"]:
        yield Finding(subject="CPU governor", fact="performance")
    else:
        yield Finding(
            subject="CPU governor",
            fact=f"{', '.join(found)}: a core is slow until it has been busy for a while",
            verdict=Verdict.NOTE,
            advice="sudo cpupower frequency-set -g performance",
        )


def turbo(machine: Machine) -> Iterable[Finding]:
    """Look whether cores may exceed the frequency that they can keep."""
    disabled = machine.number(f"{_CPU}/intel_pstate/no_turbo")
    boost = machine.number(f"{_CPU}/cpufreq/boost")
    if disabled is None and boost is None:
        return
    if disabled == 0 or (disabled is None and boost == 1):
        file = f"{_CPU}/cpufreq/boost" if disabled is None else f"{_CPU}/intel_pstate/no_turbo"
        yield Finding(
            subject="turbo",
            fact="on: the speed depends on heat, and on how many cores work",
            verdict=Verdict.NOTE,
            advice=f"echo {0 if disabled is None else 1} | sudo tee /{file}",
        )
    else:
        yield Finding(subject="turbo", fact="off")


def threads(machine: Machine) -> Iterable[Finding]:
    """Look whether some of the allowed CPUs are one physical core."""
    mine = set(machine.cpus)
    cores = {
        frozenset(parse_list(text)) & mine
        for cpu in mine
        if (text := machine.text(f"{_CPU}/cpu{cpu}/topology/thread_siblings_list")) is not None
    }
    if any(len(core) > 1 for core in cores):
        yield Finding(
            subject="SMT",
            fact=f"on: {len(mine)} CPUs are {len(cores)} physical cores, and two that share one "
            "slow each other",
            verdict=Verdict.NOTE,
            advice="echo off | sudo tee /sys/devices/system/cpu/smt/control, or start servelab "
            "under taskset with one CPU of each core",
        )
    elif cores:
        yield Finding(subject="SMT", fact="no two allowed CPUs share a core")


def load_average(machine: Machine) -> Iterable[Finding]:
    """Look how much wanted to run during the last minute."""
    text = machine.text("proc/loadavg")
    if text is None:
        return
    wanting = float(text.split()[0])
    fact = f"{wanting:.2f} processes wanted to run in the last minute"
    if wanting > _IDLE_SHARE * max(machine.cores, 1):
        yield Finding(
            subject="load average",
            fact=fact,
            verdict=Verdict.NOTE,
            advice="wait a minute where servelab itself has just run; else see what it is with top",
        )
    else:
        yield Finding(subject="load average", fact=fact)


def virtualisation(machine: Machine) -> Iterable[Finding]:
    """Look whether a hypervisor stands between."""
    flags = machine.field("proc/cpuinfo", name="flags") or ""
    if "hypervisor" in flags.split():
        maker = machine.text("sys/class/dmi/id/sys_vendor")
        yield Finding(
            subject="virtualisation",
            fact=f"a virtual machine{f' ({maker})' if maker else ''}: neighbours on the host come "
            "and go unseen",
            verdict=Verdict.NOTE,
            advice="believe comparisons in rounds, not single figures; or measure on real hardware",
        )
    elif flags:
        yield Finding(subject="virtualisation", fact="no hypervisor is shown")


def clock_source(machine: Machine) -> Iterable[Finding]:
    """Look what reading the time costs."""
    source = machine.text(f"{_CLOCKS}/current_clocksource")
    if source is None:
        return
    if source in _QUICK_CLOCKS:
        yield Finding(subject="clock", fact=f"{source}: read without a system call")
        return
    choices = (machine.text(f"{_CLOCKS}/available_clocksource") or "").split()
    better = next((clock for clock in _QUICK_CLOCKS if clock in choices), None)
    yield Finding(
        subject="clock",
        fact=f"{source}: reading the time is slow, and the generator does so for each request",
        verdict=Verdict.NOTE,
        advice=f"echo {better} | sudo tee /{_CLOCKS}/current_clocksource"
        if better
        else "measure on a machine whose kernel trusts the CPU's own counter",
    )

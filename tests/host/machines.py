"""Machines in written files: what ``/proc`` and ``/sys`` of them show."""

from pathlib import Path

from servelab.host.checks.machine import Machine

CPU = "sys/devices/system/cpu"
CLOCKS = "sys/devices/system/clocksource/clocksource0"
IPV4 = "proc/sys/net/ipv4"


def limits(*, files: str, priority: str = "0") -> str:
    soft, hard = files.split()
    return (
        "Limit                     Soft Limit           Hard Limit           Units     \n"
        f"Max open files            {soft:<20} {hard:<20} files     \n"
        f"Max realtime priority     {priority:<20} {priority:<20} \n"
    )


def common(*, allowed: str, capabilities: str = "0000000000000000") -> dict[str, str]:
    """Return what all of them have, in a healthy state."""
    return {
        "proc/self/status": f"CapEff:\t{capabilities}\nCpus_allowed_list:\t{allowed}\n",
        "proc/self/limits": limits(files="65536 65536"),
        "proc/loadavg": "0.05 0.10 0.20 1/200 1234\n",
        "proc/meminfo": (
            "MemTotal:       32000000 kB\nMemFree:        1000000 kB\n"
            "MemAvailable:   30000000 kB\nSwapTotal:       0 kB\nSwapFree:        0 kB\n"
        ),
        "proc/cpuinfo": "processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu vme tsc\n",
        "proc/sys/net/core/somaxconn": "4096\n",
        f"{IPV4}/tcp_max_syn_backlog": "4096\n",
        f"{IPV4}/ip_local_port_range": "32768\t60999\n",
        f"{IPV4}/tcp_tw_reuse": "2\n",
        f"{IPV4}/tcp_timestamps": "1\n",
        f"{CLOCKS}/current_clocksource": "tsc\n",
        f"{CLOCKS}/available_clocksource": "tsc hpet acpi_pm \n",
    }


def per_cpu(count: int, *, governor: str, threads_apart: int | None = None) -> dict[str, str]:
    """Return governor and siblings of so many CPUs; the n-th and the (n + apart)-th are one."""
    files = {f"{CPU}/online": f"0-{count - 1}\n"}
    for cpu in range(count):
        files[f"{CPU}/cpu{cpu}/cpufreq/scaling_governor"] = f"{governor}\n"
        core = str(cpu)
        if threads_apart is not None:
            first = cpu % threads_apart
            core = f"{first},{first + threads_apart}"
        files[f"{CPU}/cpu{cpu}/topology/thread_siblings_list"] = f"{core}\n"
    return files


def mounted(folder: Path, *, version: int) -> dict[str, str]:
    """Return the two files that say where the cgroup of this process is."""
    kind, groups = {
        1: ("cgroup cgroup rw,cpu,cpuacct", "4:cpu,cpuacct:/box\n3:memory:/elsewhere\n"),
        2: ("cgroup2 cgroup2 rw", "0::/box\n"),
    }[version]
    return {
        "proc/self/mountinfo": f"31 23 0:28 / {folder / 'cgroups'} rw,relatime - {kind}\n",
        "proc/self/cgroup": groups,
    }


def lab_server(_: Path) -> dict[str, str]:
    """Return 16 steady cores of real hardware, where everything is permitted."""
    return {
        **common(allowed="0-15", capabilities="000001ffffffffff"),
        **per_cpu(16, governor="performance"),
        f"{CPU}/intel_pstate/no_turbo": "1\n",
    }


def laptop(_: Path) -> dict[str, str]:
    """Return 4 cores with 8 threads, which save power and hurry; a few limits are low."""
    return {
        **common(allowed="0-7"),
        **per_cpu(8, governor="powersave", threads_apart=4),
        f"{CPU}/intel_pstate/no_turbo": "0\n",
        "proc/self/limits": limits(files="1024 524288"),
        "proc/sys/net/core/somaxconn": "128\n",
        f"{IPV4}/tcp_tw_reuse": "0\n",
        "proc/loadavg": "6.00 3.00 1.00 4/900 77\n",
        "proc/meminfo": (
            "MemTotal:        8000000 kB\nMemAvailable:     600000 kB\n"
            "SwapTotal:       4000000 kB\nSwapFree:        1000000 kB\n"
        ),
    }


def container(folder: Path) -> dict[str, str]:
    """Return 2 of 64 CPUs and 1.5 cores by quota, cgroup version 2, in a virtual machine."""
    return {
        **common(allowed="7,9"),
        f"{CPU}/online": "0-63\n",
        **mounted(folder, version=2),
        "cgroups/box/cpu.max": "150000 100000\n",
        "cgroups/box/cgroup.controllers": "memory pids\n",
        "cgroups/box/memory.max": "536870912\n",
        "cgroups/box/memory.current": "400000000\n",
        "cgroups/box/memory.stat": "anon 1\ninactive_file 300000000\n",
        "proc/cpuinfo": "flags\t\t: fpu hypervisor tsc\n",
        "sys/class/dmi/id/sys_vendor": "Amazon EC2\n",
        f"{CLOCKS}/current_clocksource": "hpet\n",
        "proc/self/limits": limits(files="128 128"),
    }


def small_container(folder: Path) -> dict[str, str]:
    """Return half a core by quota, cgroup version 1."""
    return {
        **common(allowed="0-3"),
        f"{CPU}/online": "0-3\n",
        **mounted(folder, version=1),
        "cgroups/box/cpu.cfs_quota_us": "50000\n",
        "cgroups/box/cpu.cfs_period_us": "100000\n",
        "proc/self/limits": limits(files="unlimited unlimited", priority="99"),
        f"{CPU}/cpufreq/boost": "1\n",
    }


def bare(_: Path) -> dict[str, str]:
    """Return a machine that shows nothing."""
    return {}


MACHINES = (lab_server, laptop, container, small_container, bare)


def write(folder: Path, files: dict[str, str]) -> Machine:
    """Write a machine's files below a folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Machine(root=folder)

"""How much of the machine this process may use."""

from __future__ import annotations

import os
from pathlib import Path

_CPU_LIMIT = Path("/sys/fs/cgroup/cpu.max")


def usable_cores(cpu_limit: Path = _CPU_LIMIT) -> int:
    """Cores this process may run on, and its container's limit of CPU time allows: at least 1.

    cpu_limit: the control group's file, "quota period" in microseconds or "max period".
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = map(int, cpu_limit.read_text().split())
    except (OSError, ValueError):
        # No control group, or "max", which is no limit.
        return cores
    return max(min(cores, quota // period), 1)

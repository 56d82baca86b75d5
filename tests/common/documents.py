"""The Python that our documents show."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.common.commands import ROOT


def programs(path: Path) -> list[str]:
    """The Python programs that a page shows."""
    return re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL)


def shown(name: str) -> str:
    """The first program of a page, which is named by its path in the repository."""
    return programs(ROOT / name)[0]


def run(code: str, directory: Path) -> str:
    """Run a program in a process and a directory of its own; returns what it printed."""
    return subprocess.run(
        [sys.executable, "-c", code], cwd=directory, capture_output=True, text=True, check=True, timeout=300
    ).stdout

"""Real small and read-only disks, where tests may mount them."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def small_disk(path: Path, size: str) -> Iterator[Path]:
    """A directory on a disk of its own of that size."""
    if shutil.which("mount") is None:
        pytest.skip("needs Linux, to mount a small disk")
    path.mkdir()
    mounting = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)], capture_output=True, check=False
    )
    if mounting.returncode != 0:
        pytest.skip("needs root on Linux, to mount a small disk")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def remount(path: Path, option: str) -> None:
    """Change a mounted disk's options, to read-only for example."""
    subprocess.run(["mount", "-o", f"remount,{option}", str(path)], check=True)

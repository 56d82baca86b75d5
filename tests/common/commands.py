"""Our commands as their users run them: in a process of their own, or, where that makes no difference, in this one."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
"""Where commands are run."""

Main = Callable[[Sequence[str]], int]


def command(module: str, arguments: Sequence[str]) -> list[str]:
    """The command line of a module of ours."""
    return [sys.executable, "-m", module, *arguments]


def run_command(main: Main, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Call a command's main function; returns its exit status and what it printed, as `subprocess.run` does.

    An exception other than SystemExit is not caught: the terminal would show its traceback.
    """
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main(arguments)
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 1
    return subprocess.CompletedProcess([main.__module__, *arguments], status, out.getvalue(), err.getvalue())


def run_process(main: Main, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own."""
    return subprocess.run(
        command(main.__module__, arguments), cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ
    )

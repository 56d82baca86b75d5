"""Our commands, called in the process of the test: an import of their modules takes longer than what they refuse."""

from __future__ import annotations

import contextlib
import io
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
"""Where commands are run."""

Main = Callable[[Sequence[str]], int]


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

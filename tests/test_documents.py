"""The documents: their links, the commands they name, and the Python they show."""

from __future__ import annotations

import ast
import importlib
import re

import pytest

from tests.common.commands import ROOT
from tests.common.documents import programs, run, shown

TRACKED = [
    path
    for folder in (".", ".github", "envs", "r2d2_burnin", "experiments", *map(str, (ROOT / "experiments").iterdir()))
    for path in sorted((ROOT / folder).glob("*.md"))
]
DOCUMENTS = {str(path.relative_to(ROOT)): path for path in TRACKED}
PYTHON = [
    pytest.param(code, id=f"{name}-{number}")
    for name, path in DOCUMENTS.items()
    for number, code in enumerate(programs(path))
]


def anchors(text: str) -> set[str]:
    """The anchors that a Markdown page offers: its headings in lower case, spaces as hyphens, no other signs."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name):
    document = DOCUMENTS[name]
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        page = (document.parent / path).resolve() if path else document
        assert page.exists(), f"{target}: no such file"
        assert not anchor or anchor in anchors(page.read_text()), f"{target}: no such heading"


def commands(text: str) -> list[tuple[str, list[str]]]:
    """Module and flags of every `python -m ..` of ours in a page, those over two lines too."""
    joined = re.sub(r"(`[^`]*)\n([^`]*`)", r"\1 \2", text).replace("\\\n", " ")
    shown = re.findall(r"python -m ((?:experiments|r2d2_burnin)\.[\w.]+)([^`\n]*)", joined)
    return [(module.rstrip("."), re.findall(r"--[a-z][a-z-]*", flags)) for module, flags in shown]


COMMANDS = sorted(
    {(module, flag) for path in DOCUMENTS.values() for module, flags in commands(path.read_text()) for flag in flags}
)


@pytest.mark.parametrize("module", sorted({module for module, _ in COMMANDS}))
def test_commands_have_the_flags_that_are_shown(module, capsys):
    with pytest.raises(SystemExit) as exited:
        importlib.import_module(module).main(["--help"])
    assert not exited.value.code
    text = capsys.readouterr().out
    assert [flag for command, flag in COMMANDS if command == module and not re.search(rf"{flag}\b", text)] == []


@pytest.mark.parametrize("code", PYTHON)
def test_python_can_be_compiled(code):
    ast.parse(code)


def test_the_task_that_is_shown_can_be_played(tmp_path):
    assert run(shown("envs/README.md"), tmp_path).split()[-1] != "nan"

"""The documents: their links, the commands they name, and the Python they show."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import nbclient
import nbformat
import pytest

ROOT = Path(__file__).parents[1]
TRACKED = [
    path
    for folder in (".", ".github", "envs", "r2d2_burnin", "experiments", *map(str, (ROOT / "experiments").iterdir()))
    for path in sorted((ROOT / folder).glob("*.md"))
]
DOCUMENTS = {str(path.relative_to(ROOT)): path for path in TRACKED}
PYTHON = [
    pytest.param(code, id=f"{name}-{number}")
    for name, path in DOCUMENTS.items()
    for number, code in enumerate(re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL))
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


def run(code: str, directory: Path) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=directory, capture_output=True, text=True, check=True, timeout=300
    ).stdout


def shown(name: str, number: int = 0) -> str:
    return re.findall(r"```python\n(.*?)```", DOCUMENTS[name].read_text(), re.DOTALL)[number]


def test_the_task_that_is_shown_can_be_played(tmp_path):
    assert run(shown("envs/README.md"), tmp_path).split()[-1] != "nan"


@pytest.mark.long
@pytest.mark.usefixtures("compiled_as_for_users")
def test_the_quickstart_shows_what_a_wrong_state_costs(tmp_path):
    errors = {line.split()[0]: float(line.split()[3]) for line in run(shown("README.md"), tmp_path).splitlines()}
    assert list(errors) == ["zero", "zero+10", "stored", "full"]
    assert errors["full"] < errors["stored"] < errors["zero"]
    assert errors["zero+10"] < errors["zero"]


@pytest.mark.long
def test_result_files_are_read_as_shown(tmp_path):
    code = shown("experiments/README.md")
    out = re.search(r'Path\("(.*?)"\)', code)[1]  # type: ignore[index]
    command = [sys.executable, "-m", "experiments.burnin_compare", "--quick", "--updates", "40", "--out", out]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=300)
    lines = run(code, tmp_path).splitlines()
    assert [line.split()[0] for line in lines[:5]] == ["zero", "stored", "zero+20", "stored+20", "full"]
    assert all(" ΔQ " in line for line in lines[-3:])


@pytest.mark.long
@pytest.mark.usefixtures("compiled_as_for_users")
def test_the_notebook_runs_as_it_is_and_shows_its_pictures():
    path = ROOT / "experiments/quickstart.ipynb"
    notebook = nbformat.read(path, as_version=4)
    shown = [len(cell.get("outputs", [])) for cell in notebook.cells]
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(path.parent)}}).execute()
    assert [len(cell.get("outputs", [])) for cell in notebook.cells] == shown
    images = [
        output for cell in notebook.cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})
    ]
    assert len(images) == 3

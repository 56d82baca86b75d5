"""The programs that our documents show, and the notebook, run as they are."""

from __future__ import annotations

import re
from pathlib import Path

import nbclient
import nbformat
import pytest

from experiments import burnin_compare
from tests.common.commands import ROOT
from tests.common.documents import run, shown


@pytest.mark.long
@pytest.mark.usefixtures("compiled_as_for_users")
def test_the_quickstart_shows_what_a_wrong_state_costs(tmp_path: Path) -> None:
    errors = {line.split()[0]: float(line.split()[3]) for line in run(shown("README.md"), tmp_path).splitlines()}
    assert list(errors) == ["zero", "zero+10", "stored", "full"]
    assert errors["full"] < errors["stored"] < errors["zero"]
    assert errors["zero+10"] < errors["zero"]


@pytest.mark.long
@pytest.mark.usefixtures("jobs_in_process")
def test_result_files_are_read_as_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = shown("experiments/README.md")
    command = re.search(r"python -m experiments\.burnin_compare (.*)", code)
    assert command is not None
    monkeypatch.chdir(tmp_path)
    assert burnin_compare.main([*command[1].split(), "--updates", "40"]) == 0
    lines = run(code, tmp_path).splitlines()
    assert [line.split()[0] for line in lines[:5]] == ["zero", "stored", "zero+20", "stored+20", "full"]
    assert all(" ΔQ " in line for line in lines[-3:])


@pytest.mark.long
@pytest.mark.usefixtures("compiled_as_for_users")
def test_the_notebook_runs_as_it_is_and_shows_its_pictures() -> None:
    path = ROOT / "experiments/quickstart.ipynb"
    notebook = nbformat.read(path, as_version=4)
    outputs = [len(cell.get("outputs", [])) for cell in notebook.cells]
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(path.parent)}}).execute()
    assert [len(cell.get("outputs", [])) for cell in notebook.cells] == outputs
    images = [
        output for cell in notebook.cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})
    ]
    assert len(images) == 3

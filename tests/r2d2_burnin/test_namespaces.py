"""Ids of installed packages, in processes that import none of them, and where another module has a package's name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from gymnasium.envs.registration import registry

from r2d2_burnin.environments import make as environments
from r2d2_burnin.environments.namespaces import register_namespace
from r2d2_burnin.settings import EnvironmentSettings

PROGRAM = """
import sys
from r2d2_burnin.environments.make import make, make_vector
from r2d2_burnin.settings import EnvironmentSettings
make(EnvironmentSettings("CartPole-v1"))
assert "envs" not in sys.modules
vector = make_vector(EnvironmentSettings(sys.argv[1]), 2)
print(type(vector).__name__, vector.spec.id)
"""


def run_program(env_id: str, directory: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(directory)}
    command = [sys.executable, "-c", PROGRAM, env_id]
    return subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=False)


@pytest.mark.parametrize("env_id", ["BitStream/Count-v0", "envs:BitStream/Count-v0"])
def test_a_bare_id_is_found_in_a_new_process(env_id: str, tmp_path: Path) -> None:
    done = run_program(env_id, tmp_path)
    assert done.stdout == "BitStreamVectorEnv BitStream/Count-v0\n", done.stderr


def test_a_module_in_the_packages_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "envs.py").write_text("")
    error = run_program("BitStream/Count-v0", tmp_path).stderr.splitlines()[-1]
    assert error.startswith(
        "ValueError: env: got 'BitStream/Count-v0', which module 'envs' of r2d2-burnin registers, but"
    )
    assert str(tmp_path / "envs.py") in error

    (tmp_path / "envs.py").write_text("import no_such_module")
    error = run_program("BitStream/Count-v0", tmp_path).stderr.splitlines()[-1]
    assert "module 'envs' of r2d2-burnin, which registers it, cannot be imported (ModuleNotFoundError" in error


def test_a_namespace_that_nobody_declares_is_left_to_gymnasium() -> None:
    before = set(registry)
    register_namespace("Nobody/Has-v0")
    register_namespace("nobody_has:Nobody/Has-v0")
    assert set(registry) == before
    with pytest.raises(ValueError, match=r"env: got 'Nobody/Has-v0', expected an id that gymnasium.make knows"):
        environments.make(EnvironmentSettings("Nobody/Has-v0"))

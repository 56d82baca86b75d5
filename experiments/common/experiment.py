"""The skeleton of every experiment: read settings, make the runs that are not finished, write results, report.

A command's package has its settings, a function that describes the experiment which these settings ask for
(`Experiment`), and modules of its own for what workers compute and what the report shows.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import pkgutil
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from experiments.common.engine import run_jobs
from experiments.common.jobs import Job, Listener, Outcome, ignore
from experiments.common.metrics import LiveMetrics
from experiments.common.report import NextStep, Report, write_page
from experiments.common.results import DamagedFile, from_json, open_directory, read_sealed, write_csv, write_json
from experiments.common.settings import RunSettings, command_line
from r2d2_burnin.environments.guard import EnvironmentFault
from r2d2_burnin.runtime.command_line import fail
from r2d2_burnin.runtime.tensorflow import set_up

Settings = TypeVar("Settings")
Run = TypeVar("Run")
Results = TypeVar("Results")


@dataclasses.dataclass(frozen=True)
class ImportedFunction:
    """A function that is imported when it is called: what is heavy to import waits until it is needed."""

    reference: str  # "module:function"

    @property
    def module(self) -> str:
        """The module's name."""
        return self.reference.partition(":")[0]

    def __call__(self, *arguments: Any) -> Any:
        """Import and call it."""
        return pkgutil.resolve_name(self.reference)(*arguments)


@dataclasses.dataclass(frozen=True)
class Experiment(Generic[Run, Results]):
    """What the settings of a command ask for: runs, and the files that follow from their results."""

    name: str  # as the progress bar shows it
    directory: Path
    config: dict[str, Any]  # content of config.json
    runs: RunSettings
    jobs: Sequence[Job]
    work: ImportedFunction
    """Does a job in a worker process, from its payload, and writes the job's file before it returns."""
    record: type[Run]
    """What a job's file holds."""
    collect: Callable[[Mapping[Path, Run]], Results]
    """The results, from the contents of the files of finished jobs."""
    summary: Callable[[Results, Sequence[str]], dict[str, Any]]
    """Content of `summary.json`, from results and errors."""
    report: ImportedFunction
    """The `Report`, from the results and the directory of pictures, which it draws."""
    header: tuple[str, ...] = ()
    """Columns of `metrics.csv`; without any there is no such file."""
    rows: Callable[[Results], Iterable[tuple[Any, ...]]] = lambda results: ()
    """Rows of `metrics.csv`."""
    columns: Mapping[str, tuple[Any, ...]] = dataclasses.field(default_factory=dict)
    """First columns of the rows of a job, by its name, where its measurements are written while it is done."""
    tensorboard: Path | None = None
    """Directory of the same measurements as TensorBoard scalars."""
    command: str = ""
    """The command line that makes it; by default what was typed."""
    accepts: Callable[[Results], bool] = lambda results: True
    """Whether results are what they should be, for the exit status."""
    parts: Sequence[Experiment[Run, Any]] = ()
    """Experiments with directories of their own, whose jobs are among `jobs`, under other names."""


def run_experiment(
    read: Callable[[Sequence[str]], Settings], describe: ImportedFunction, arguments: Sequence[str] | None
) -> int:
    """Read settings, make what is not finished, write the results; returns the exit status.

    It is 0, or 1 if something failed, was stopped, could not be written or is not accepted; settings that cannot work
    end the program with 2 before anything is done. SIGTERM, as batch systems send it, stops the runs as `Ctrl-C` does,
    and what is finished is reported.

    Args:
        read: settings from the command line.
        describe: the experiment of these settings; imported after the command line was read.
        arguments: the command line; by default that of this process.
    """
    set_up()
    given = sys.argv[1:] if arguments is None else arguments
    with contextlib.ExitStack() as locks:
        try:
            settings = read(given)
            with _interrupted_by_sigterm():
                experiment: Experiment[Any, Any] = describe(settings)
                for part in (experiment, *experiment.parts):
                    locks.enter_context(open_directory(part.directory, part.config, fresh=part.runs.fresh))
                contents, errors, stopped = _make_runs(experiment)
        except (ValueError, EnvironmentFault) as error:  # a first look at the environment may find the fault
            fail(str(error))
        except OSError as error:
            fail(f"out: the results cannot be written ({error}); finished runs stay where they are")
        out = experiment.directory
        try:
            for part in experiment.parts:
                _write(part, part.collect(contents), [], part.command)
            results = experiment.collect(contents)
            module = describe.module.rpartition(".")[0]
            command = experiment.command or command_line(module, given)
            report = _write(experiment, results, errors, command)
        except OSError as error:
            where = f"finished runs stay in {out / 'runs'}"
            print(f"error: out: {out} cannot be written ({error}); {where}", file=sys.stderr)
            return 1
        _print(report, errors)
        print(f"\nanswer: {report.title}\nreport: {out / 'report.html'}")
        if stopped:
            print(f"next, to make the missing runs: {command_line(module, given)} --resume")
        elif report.next_step is not None:
            print(f"next, {report.next_step.purpose}: {_next_command(report.next_step, module, given)}")
        return 0 if not errors and experiment.accepts(results) else 1


def _make_runs(experiment: Experiment[Run, Any]) -> tuple[dict[Path, Run], list[str], bool]:
    """Do the jobs that have no file yet; returns what is in the files, what went wrong, and whether it was stopped.

    After `Ctrl-C` or SIGTERM the files of finished jobs are returned all the same. A job that failed leaves a file that
    says why.
    """
    jobs = experiment.jobs
    contents = _finished(jobs, experiment.record)
    missing = [job for job in jobs if job.path not in contents]
    if jobs and not missing:
        print(f"all {len(jobs)} runs are finished (--fresh makes them anew)")
    if missing and not _goes_on(experiment, len(contents)):
        return contents, [f"{len(missing)} runs are not made: give --resume to go on, or --fresh to begin anew."], True
    errors: list[str] = []
    stopped = False
    imports = threading.Thread(target=_import_for_report, args=(experiment.report.module,), daemon=True)
    try:
        with _listener(experiment, contents) as listen:
            _do(missing, experiment, listen, contents, errors, imports)
    except KeyboardInterrupt:
        contents |= _finished(missing, experiment.record)  # some runs may have ended while they were asked to stop
        stopped = len(contents) < len(jobs)
        if stopped:
            finished = f"{len(contents)} finished {'run' if len(contents) == 1 else 'runs'}"
            errors.append(
                f"Stopped after {finished} (Ctrl-C or SIGTERM); the same command with --resume goes on from there."
            )
    if imports.ident is not None:
        imports.join()  # what writes the report would find modules half imported
    return contents, errors, stopped


def _do(
    missing: Sequence[Job],
    experiment: Experiment[Run, Any],
    listen: Listener,
    contents: dict[Path, Run],
    errors: list[str],
    imports: threading.Thread,
) -> None:
    """Do the missing jobs; adds what is in their files to `contents`, and what went wrong to `errors`.

    Starts `imports` while the last jobs go on.
    """
    settings, left = experiment.runs, len(missing)
    engine = _engine(settings)
    outcomes = engine(missing, experiment.work, workers=settings.workers, title=experiment.name, listen=listen)
    with contextlib.closing(outcomes):  # wherever an interrupt comes, workers have ended after it
        for outcome in outcomes:
            left -= 1
            if left == min(settings.workers, len(missing)) - 1:  # the first core that has nothing left to do
                imports.start()
            job = outcome.job
            note = job.path.with_suffix(".failed.json")
            content = read_sealed(job.path) if outcome.error is None else None
            if content is None:
                errors.append(f"{job.name} failed: {outcome.error}")
                with contextlib.suppress(OSError):
                    write_json(note, {"run": job.name, "error": str(outcome.error)})
            else:
                contents[job.path] = from_json(experiment.record, content)
                note.unlink(missing_ok=True)


def _finished(jobs: Sequence[Job], record: type[Run]) -> dict[Path, Run]:
    """What is in the files of finished jobs, by path; a file that is damaged is set aside, and its job done anew."""
    contents: dict[Path, Run] = {}
    for job in jobs:
        try:
            content = read_sealed(job.path)
            if content is not None:
                contents[job.path] = from_json(record, content)
        except DamagedFile as error:
            aside = job.path.with_suffix(".damaged")
            print(f"{error}; {job.path.name} is set aside as {aside.name}, the run is made anew", file=sys.stderr)
            job.path.replace(aside)
    return contents


@contextlib.contextmanager
def _listener(experiment: Experiment[Run, Any], contents: Mapping[Path, Run]) -> Iterator[Listener]:
    """Writes measurements of running jobs to `metrics.csv`, behind those of finished ones, where that is asked for."""
    if not experiment.columns:
        yield ignore
        return
    rows = experiment.rows(experiment.collect(contents))
    path, names = experiment.directory / "metrics.csv", dict(experiment.columns)
    with LiveMetrics(path, experiment.header, rows, names, experiment.tensorboard) as listen:
        yield listen


def _import_for_report(module: str) -> None:
    """Import what the report needs while the last runs go on: Matplotlib and SciPy take a second."""
    for name in (module, "scipy.stats"):
        importlib.import_module(name)


def _engine(settings: RunSettings) -> Callable[..., Generator[Outcome, None, None]]:
    """The engine that the settings ask for; that of Ray is imported for those who ask for it."""
    on_ray = ImportedFunction("experiments.common.engine_ray:run_jobs_on")
    return run_jobs if settings.engine == "local" else on_ray(settings.ray_address)


def _goes_on(experiment: Experiment[Any, Any], finished: int) -> bool:
    """Whether to go on from earlier runs, if there are any; asks where there is a terminal."""
    if experiment.runs.fresh:
        return True
    checkpoints = [part.directory / "checkpoints" for part in experiment.parts or (experiment,)]
    begun = sum(len(list(path.iterdir())) for path in checkpoints if path.is_dir())
    if not finished and not begun:
        return True
    status = f"{finished} of {len(experiment.jobs)} runs are finished, and {begun} begun"
    if experiment.runs.resume or not (sys.stdin.isatty() and sys.stderr.isatty()):
        print(f"{status}: going on from there (--fresh makes them anew)")
        return True
    return input(f"{status}. Go on from there? [Y/n] ").strip().lower() in ("", "y", "yes")


def _write(experiment: Experiment[Any, Results], results: Results, errors: Sequence[str], command: str) -> Report:
    """Write the result files; returns the report."""
    out = experiment.directory
    if experiment.header:
        write_csv(out / "metrics.csv", experiment.header, experiment.rows(results))
    write_json(out / "summary.json", experiment.summary(results, errors))
    report: Report = experiment.report(results, out)
    write_page(out / "report.html", report, errors=errors, command=command)
    return report


def _print(report: Report, errors: Sequence[str]) -> None:
    """Show tables, conclusions and errors on the terminal."""
    for title, table in report.tables.items():
        print("", *filter(None, (title,)), table.text, sep="\n")
    print()
    for sentence in (*report.alarms, *(line for line in report.conclusions if line not in report.alarms), *errors):
        print(f"- {sentence}")


def _next_command(step: NextStep, module: str, given: Sequence[str]) -> str:
    """The command line of a next step; a rough answer is followed by a proper one, in a directory of its own."""
    if step.module:
        return command_line(step.module, step.arguments)
    left_out = {argument for argument in step.arguments if argument.startswith("--")} | {"--quick"}
    if step.elsewhere or "--quick" in given:
        left_out.add("--out")
    kept, keeps = [], True
    for argument in given:
        if argument.startswith("--"):
            keeps = argument.partition("=")[0] not in left_out
        if keeps:
            kept.append(argument)
    return command_line(module, [*kept, *step.arguments])


@contextlib.contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """SIGTERM raises KeyboardInterrupt inside, once; a second one ends the process."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield
        return

    def interrupt(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)

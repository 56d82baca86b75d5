"""Audit a replay buffer: are its stored states right, and how stale are they?

Reads what your replay returned, a NumPy archive (.npz) or a folder of .npy files: observations [N, L, F], state/0, ..
[N, ..] (the stored state of each sequence, before its first step that is no padding), is_first [N, L] (True where an
episode begins; of TorchRL's slices step_count == 0, not is_init), mask [N, L] (False for padding). Optional, and each
decides more: outputs [N, L, A] as acted, episode [N] or [N, L] and first_step [N], age [N] in updates, burn_in (steps),
loss_mask [N, L], is_last [N, L]. Of a file of save_episodes, the states are audited that the actor had.

Ends with 0 if no fault was found, with 1 if one was, and with 2 if nothing could be audited: wrong flags, arrays that
disagree, a network that does not fit them, keeps a state between calls, or has batch normalization in training mode.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from r2d2_burnin.runtime.command_line import fail, from_command_line


@dataclasses.dataclass(frozen=True)
class Settings:
    """The flags of the command line."""

    sequences: Path
    """A NumPy archive or a folder of .npy files; or a file of save_episodes."""
    network: str
    """module:factory; factory(observation_space, action_space), or factory(), returns the network with its weights."""
    batch_size: int = 128
    """Sequences of a call of the network, at most."""
    tolerance: float = 0.05
    """Largest ΔQ that a burn-in may leave."""
    outputs: int = 1
    """Size of the action space that the factory is given, where the archive has no outputs."""
    sequence_length: int = 80
    """Steps of a sequence that is cut from an episode of save_episodes, at most."""
    period: int = 40
    """Steps between the starts of two of them."""
    seed: int = 0
    """Of the random subsets on which hypotheses are tried."""
    out: Path = Path("results/audit")
    """Folder for audit.json and audit.html."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the audit; returns 0 if no fault was found, 1 if one was."""
    settings = from_command_line(
        Settings, "r2d2_burnin.audit", __doc__ or "", sys.argv[1:] if arguments is None else arguments
    )
    # NumPy, tqdm and the network's framework take their time, and --help needs none of them.
    from r2d2_burnin.diagnostics.audit.audit_replay import audit_replay
    from r2d2_burnin.diagnostics.audit.network import make_audited_network
    from r2d2_burnin.diagnostics.audit.page import write_page
    from r2d2_burnin.diagnostics.audit.recorded import read_sequences

    try:
        sequences = read_sequences(settings.sequences, length=settings.sequence_length, period=settings.period)
        network = make_audited_network(settings.network, sequences, settings.outputs)
        result = audit_replay(
            network,
            sequences,
            batch_size=settings.batch_size,
            tolerance=settings.tolerance,
            seed=settings.seed,
            progress=sys.stderr.isatty(),
        )
    except ValueError as error:
        fail(str(error))
    try:
        result.write_json(settings.out / "audit.json")
        write_page(result, settings.out / "audit.html")
    except OSError as error:
        fail(f"out: {settings.out} cannot be written ({error})")
    print("\n".join(result.sentences))
    print(f"report: {settings.out / 'audit.html'}")
    return 1 if result.found else 0


if __name__ == "__main__":
    raise SystemExit(main())

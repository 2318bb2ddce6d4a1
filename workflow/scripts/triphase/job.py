"""What every script does before its work starts: send messages to the rule's log and turn bad input into one clear line."""

import logging
import sys
import traceback
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

from triphase.errors import InputError


@contextmanager
def start(snakemake):
    """Run a script's body with its log open.

    Yields a namespace with `paths` (the rule's named inputs and outputs as attributes: str, or list of str) and `params`
    (dict of the rule's named params, without `code`, which is there for Snakemake's rerun trigger alone).

    Messages, warnings and progress bars go to the rule's log file. An `InputError` is also shown on the terminal, as the
    one line that its message is, and ends the job with exit status 1; other exceptions leave their traceback in the log.
    """
    terminal = sys.stderr
    Path(snakemake.log[0]).parent.mkdir(parents=True, exist_ok=True)
    with open(snakemake.log[0], "w", encoding="utf-8", buffering=1) as log:
        sys.stdout = sys.stderr = log
        logging.basicConfig(stream=log, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", force=True)
        logging.captureWarnings(True)
        try:
            yield SimpleNamespace(paths=named(snakemake.input, snakemake.output), params=parameters(snakemake.params))
        except InputError as error:
            log.write(f"error: {error}\n")
            terminal.write(f"\n{snakemake.rule}: error: {error}\n")
            raise SystemExit(1) from None
        except Exception:
            traceback.print_exc(file=log)
            raise
        finally:
            sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__


def named(*groups):
    """Merge Snakemake's named paths into one namespace."""
    merged = {}
    for group in groups:
        for name, value in group.items():
            merged[name] = value if isinstance(value, str) else [str(item) for item in value]
    return SimpleNamespace(**merged)


def parameters(params):
    """Snakemake's named params as a dict, without `code`."""
    return {name: value for name, value in params.items() if name != "code"}

"""What every script does before its work starts: send messages to the log and turn bad input into one clear line."""

import logging
import os
import shutil
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Generic, TextIO, TypeVar

from triphase.core.artefacts import FSYNC
from triphase.core.errors import InputError
from triphase.core.isolation import INTERRUPTED
from triphase.core.redaction import RedactingFormatter, redacted

Settings = TypeVar("Settings")


@dataclass(frozen=True)
class Job(Generic[Settings]):
    """What a script works with.

    Attributes
    ----------
    paths : the rule's named inputs and outputs as attributes: str, or list of str
    settings : what the job is told, an object of the rule's class in `triphase.config.jobs`
    wildcards : the job's wildcards as attributes, str
    execution : that section of the config: where and how jobs run changes no result, and a param would rerun for it
    terminal : where a script prints what its user is waiting for
    memory_mb, gpus : resources that the job was given
    plugins : paths of the study's plugins; those that concern the script are loaded
    """

    paths: SimpleNamespace
    settings: Settings
    wildcards: SimpleNamespace = field(default_factory=SimpleNamespace)
    execution: dict[str, Any] = field(default_factory=dict)
    terminal: TextIO = field(default_factory=lambda: sys.stdout)
    memory_mb: int | None = None
    gpus: int = 0
    plugins: Sequence[str] = ()


@contextmanager
def start(snakemake: Any, settings: type[Settings]) -> Iterator[Job[Settings]]:
    """Run a script's body with its log open.

    Messages, warnings and progress bars go to the rule's log file. An `InputError` is also shown on the terminal, as
    the one line that its message is; other exceptions leave their traceback in the log and on the terminal. Both end
    the job with exit status 1. Ctrl-C leaves one line in the log, and what stood there in a file beside it. What is
    secret is taken out of all of them (see `redaction`). The study's plugins that concern the script are loaded first.

    Parameters
    ----------
    snakemake : the object that Snakemake gives a script
    settings : the rule's class in `triphase.config.jobs`
    """
    Path(snakemake.log[0]).parent.mkdir(parents=True, exist_ok=True)
    # Snakemake sets the threads of linear algebra, which torch and arrow follow; those of tokenizers are left.
    os.environ["RAYON_NUM_THREADS"] = str(snakemake.threads)
    os.environ[FSYNC] = str(int(snakemake.config["execution"].get("fsync", True)))
    with redirected(snakemake.log[0]) as terminal:
        handler = logging.StreamHandler()
        handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(message)s"))
        logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
        logging.captureWarnings(True)
        told = snakemake.params.settings  # with a digest of the code, which is there for Snakemake alone
        try:
            plugins = snakemake.config.get("plugins") or []
            if plugins:
                from triphase.core.plugins import load_plugins

                load_plugins(plugins, script=sys.modules["__main__"].__file__)
            yield Job(
                paths=named(snakemake.input, snakemake.output),
                settings=settings(**{name: value for name, value in told.items() if name != "code"}),
                wildcards=SimpleNamespace(**dict(snakemake.wildcards.items())),
                execution=snakemake.config["execution"],
                terminal=terminal,
                memory_mb=snakemake.resources.get("mem_mb"),
                gpus=snakemake.resources.get("gpu", 0),
                plugins=plugins,
            )
        except (KeyboardInterrupt, SystemExit) as end:
            if isinstance(end, SystemExit) and end.code != INTERRUPTED:
                raise
            # Snakemake shows the log of a job that did not end: one line, with what it had said in a file beside it.
            shutil.copyfile(snakemake.log[0], f"{snakemake.log[0]}.interrupted")
            os.truncate(snakemake.log[0], 0)
            sys.stderr.write("interrupted\n")
            raise SystemExit(INTERRUPTED) from None
        except Exception as error:
            known = isinstance(error, InputError)
            text = redacted(f"error: {error}\n" if known else traceback.format_exc())
            sys.stderr.write(text)
            terminal.write(f"\n{snakemake.rule}: {text}")
            raise SystemExit(1) from None


@contextmanager
def redirected(path: str) -> Iterator[TextIO]:
    """Send standard output and error to a file and yield the terminal.

    The file descriptors are redirected, not Python's names for them: libraries hold on to the stream that they found
    when they were imported, and git-annex and other child processes write to the descriptors.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
    try:
        os.dup2(log, 1)
        os.dup2(log, 2)
        with os.fdopen(os.dup(kept[1]), "w") as terminal:
            yield terminal
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, original in zip((1, 2), kept, strict=True):
            os.dup2(original, descriptor)
            os.close(original)
        os.close(log)


def named(*groups: Any) -> SimpleNamespace:
    """Merge Snakemake's named paths into one namespace."""
    merged = {}
    for group in groups:
        for name, value in group.items():
            merged[name] = value if isinstance(value, str) else [str(item) for item in value]
    return SimpleNamespace(**merged)

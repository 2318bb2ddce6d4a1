"""How far a run is: one line for each stage, the time still to go, and what goes wrong (`snakemake --logger triphase`).

Snakemake finds this package by its name. All that Snakemake says is in its own log, `.snakemake/log`; without this
package, or with `--verbose`, it is printed as ever.
"""

import sys
import time
from logging import WARNING, LogRecord

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_triphase.configfiles import tell_of_configfiles
from snakemake_logger_plugin_triphase.tally import Tally
from triphase.planning.records import measured_seconds

# Snakemake imports its plugins before it reads the files of `--configfile`, and the Snakefile only then.
tell_of_configfiles()

EVERY = 30  # seconds between two lines where there is no terminal
ERRORS = (LogEvent.JOB_ERROR, LogEvent.GROUP_ERROR, LogEvent.ERROR)


class LogHandler(LogHandlerBase):
    """What a run says of itself, shown by stage."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = False
    has_formatter = False
    needs_rulegraph = False

    def __post_init__(self) -> None:
        """Nothing is shown before Snakemake says what there is to do."""
        stream = sys.stdout if self.common_settings.stdout else sys.stderr
        self.console = Console(file=stream, no_color=self.common_settings.nocolor or None)
        self.whole = self.common_settings.dryrun or self.common_settings.verbose
        self.tally: Tally | None = None
        self.live: Live | None = None
        self.said, self.complete = 0.0, set[str]()

    def emit(self, record: LogRecord) -> None:
        """Take note of a record, and show what has changed."""
        event = getattr(record, "event", None)
        if self.whole:
            self._print(self.format(record))
        elif event in ERRORS or record.levelno >= WARNING or getattr(record, "shown", False):
            self._print(self.format(record))
        elif event == LogEvent.RUN_INFO and (stats := getattr(record, "stats", None)):
            # Snakemake says it again at the end of some runs.
            if self.tally is None:
                self.tally = Tally(stats, time.monotonic())
        elif self.tally is not None:
            self._note(event, record, self.tally)

    def _note(self, event, record, tally):
        now = time.monotonic()
        if event == LogEvent.JOB_INFO:
            if not tally.started and (study := study_of(record.output)):
                tally.records = measured_seconds(study)
            tally.start(record.jobid, record.rule_name, now)
        elif event == LogEvent.JOB_FINISHED:
            tally.finish(record.job_id, now)
        elif event == LogEvent.PROGRESS:
            self._show(tally, now)

    def _show(self, tally, now):
        over = tally.done == tally.total
        if not self.console.is_terminal:
            new = {row.stage for row in tally.rows() if row.done == row.total} - self.complete
            if new or over or now - self.said > EVERY:
                self.complete |= new
                self.said = now
                self._print(tally.line(now))
            return
        if self.live is None:
            self.live = Live(console=self.console, auto_refresh=False)
            self.live.start()
        self.live.update(drawn(tally, now), refresh=True)
        if over:
            self._stop()

    def _print(self, text):
        if text:
            self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _stop(self):
        if self.live is not None:
            self.live.stop()
            self.live = None

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._stop()
        super().close()


def study_of(outputs: list[str]) -> str | None:
    """The results folder of the study that a job's outputs belong to."""
    for path in outputs:
        parts = str(path).split("/")
        if "results" in parts[:-2]:
            return "/".join(parts[: parts.index("results") + 2])
    return None


def drawn(tally: Tally, now: float) -> Group:
    """The stages as a table, and a line below it."""
    table = Table.grid(padding=(0, 2))
    for row in tally.rows():
        bar = ProgressBar(total=row.total, completed=row.done, width=24)
        table.add_row(row.stage, f"{row.done}/{row.total}", bar, f"{row.running} running" if row.running else "")
    return Group(table, tally.line(now))

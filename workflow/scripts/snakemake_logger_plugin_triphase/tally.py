"""Jobs of a run counted by stage, and how long those that are left will take."""

from dataclasses import dataclass, field

# Rules by the stage that a user knows, in the order of a run; a test holds that every rule has one.
STAGES = {
    "demo": ("simulate_dataset", "train_model"),
    "data": (
        "fetch_stimuli",
        "fetch_responses",
        "fetch_atlas",
        "build_words",
        "build_sound",
        "clean_responses",
        "measure_ceiling",
        "describe_data",
        "measure_gap",
        "write_data_page",
    ),
    "checkpoints": ("fetch_checkpoint", "fingerprint_checkpoint", "check_integrity", "lock_checkpoints"),
    "activations": ("extract_activations",),
    "encoding models": ("prepare_encoding", "fit_encoding", "compare_alignment", "join_changes"),
    "internal states": (
        "measure_states",
        "measure_mechanism",
        "measure_reading",
        "measure_identity",
        "compare_checkpoints",
    ),
    "tasks": ("fetch_tasks", "evaluate_tasks"),
    "phases": (
        "join_checkpoint",
        "join_trajectories",
        "fit_phases",
        "tabulate_specifications",
        "simulate_power",
        "compare_models",
    ),
    "figures and pages": (
        "draw_figure",
        "draw_page",
        "write_summary",
        "write_methods",
        "write_index",
        "write_definition",
    ),
    "synthesis": ("join_studies", "write_synthesis"),
    "other": ("plan_study", "plan_download", "print_power"),
}
STAGE_OF = {rule: stage for stage, rules in STAGES.items() for rule in rules}
TARGETS = ("all", "plan", "power", "synthesis", "total")  # what Snakemake counts beside jobs that run something


@dataclass
class Row:
    """One stage."""

    stage: str
    done: int = 0
    total: int = 0
    running: int = 0


@dataclass
class Tally:
    """What there is to do, is being done, and has been done.

    Attributes
    ----------
    planned : number of jobs by rule, as Snakemake counts them
    began : seconds of the clock when the run began
    records : seconds of a job by rule, of earlier runs
    """

    planned: dict[str, int]
    began: float
    records: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.planned = {rule: number for rule, number in self.planned.items() if rule not in TARGETS}
        self.started: dict[int, tuple[str, float]] = {}
        self.took: dict[str, list[float]] = {}

    @property
    def total(self) -> int:
        """Jobs of the run."""
        return sum(self.planned.values())

    @property
    def done(self) -> int:
        """Jobs that have ended well."""
        return sum(map(len, self.took.values()))

    def start(self, job: int, rule: str, now: float) -> None:
        """A job has begun, or has begun again after a failure."""
        if rule not in TARGETS:
            self.started[job] = rule, now

    def finish(self, job: int, now: float) -> None:
        """A job has ended well."""
        if job in self.started:
            rule, since = self.started.pop(job)
            self.took.setdefault(rule, []).append(now - since)

    def rows(self) -> list[Row]:
        """Stages that the run has, in their order."""
        rows = {stage: Row(stage) for stage in STAGES}
        for rule, number in self.planned.items():
            row = rows[STAGE_OF.get(rule, "other")]
            row.total += number
            row.done += len(self.took.get(rule, []))
        for rule, _ in self.started.values():
            rows[STAGE_OF.get(rule, "other")].running += 1
        return [row for row in rows.values() if row.total]

    def seconds_left(self, now: float) -> float | None:
        """Seconds that the rest will take: by what jobs of the same rule took, in this run or in those before it.

        Jobs run side by side as many as have so far. None where nothing has ended, or where most of what is left is of
        rules that nobody knows.
        """
        if not self.took:
            return None
        means = self.records | {rule: sum(took) / len(took) for rule, took in self.took.items()}
        left = {rule: number - len(self.took.get(rule, [])) for rule, number in self.planned.items()}
        unknown = sum(number for rule, number in left.items() if rule not in means)
        if 2 * unknown > sum(left.values()):
            return None
        usual = sum(means.values()) / len(means)
        work = sum(number * means.get(rule, usual) for rule, number in left.items())
        work -= sum(min(now - since, means.get(rule, usual)) for rule, since in self.started.values())
        side_by_side = sum(map(sum, self.took.values())) / max(now - self.began, 1e-9)
        return max(work, 0.0) / max(side_by_side, 1.0)

    def line(self, now: float) -> str:
        """How far the run is, in one line."""
        parts = [f"{self.done} of {self.total} jobs done in {in_words(now - self.began)}"]
        if self.done < self.total:
            parts += [f"{row.stage} {row.done}/{row.total}" for row in self.rows() if row.running]
            left = self.seconds_left(now)
            parts.append("time to go not known yet" if left is None else f"about {in_words(left)} to go")
        return "; ".join(parts)


def in_words(seconds: float) -> str:
    """A time such as 40 s, 12 min, 3 h 20 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"

"""What `make bench-gpu` does on a GPU, at a small size on the CPU: on a lent machine nothing but speed is new."""

import sys

import pytest
from project import ROOT

sys.path.append(str(ROOT / "benchmarks"))

pytestmark = pytest.mark.model


def test_every_part_runs_and_agrees_with_its_oracle():
    import bench_gpu

    kept = []
    rows = bench_gpu.measured(bench_gpu.SMALL, write=lambda found: kept.append(len(found)), most_seconds=3600)
    assert kept == sorted(kept) and len(kept) == 5
    compared = [row for row in rows if any(word in row["figure"] for word in ("difference", "same", "distance"))]
    assert len(compared) == 9 and [row["figure"] for row in compared if not row["ok"]] == []
    assert not [row for row in rows if row["ok"] is None]


def test_what_there_is_no_time_for_is_skipped_and_not_left_out():
    import bench_gpu

    rows = bench_gpu.measured(bench_gpu.SMALL, most_seconds=-1)
    assert [row["ok"] for row in rows[:-1]] == [None] * 5

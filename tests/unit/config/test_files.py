"""Files of the config that cannot be read: each is told with its name, the line, and what would be right."""

import pytest
from project import ROOT
from snakemake.common.configfile import load_configfile

from triphase.config.files import DEEPEST, check_extent, told_by_name
from triphase.core.errors import InputError

load = told_by_name(load_configfile)
BOMB = "a0: &a0 {x: 1, y: 2}\n" + "".join(f"a{n}: &a{n} {{x: *a{n - 1}, y: *a{n - 1}}}\n" for n in range(1, 40))
PYTHON = "!!python/object/apply:os.system ['touch gone']\n"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", ": it holds nothing, and must hold keys with values, like `study: mine`"),
        (b"[]\n", ": it holds one list, and must hold keys"),
        (b"just text\n", ": it holds one str, and must hold keys"),
        (b"study: a\nlock: \xe9\n", ", line 2: the byte 0xe9 is no UTF-8; save the file as UTF-8"),
        (b"study: a\nmodels: [\n", ", line 3: not YAML (expected the node content"),
        (
            b"study: a\nlock:\n\t- b\n",
            ", line 3: not YAML (found character '\\t' that cannot start any token); indent ",
        ),
        (b"study: a\n---\nstudy: b\n", ", line 2: not YAML (but found another document)"),
        (b"study: *gone\n", ", line 1: not YAML (found undefined alias 'gone')"),
        (b"study: a\nlock: !env HOME\n", ", line 2: not YAML (could not determine a constructor for the tag '!env')"),
        (PYTHON.encode(), ", line 1: not YAML (could not determine a constructor for the tag"),
        (b"a: \x01\n", ": not YAML (unacceptable character #x0001"),
        (b"a: 2024-13-45\n", ": not YAML (month must be in 1..12)"),
        (b"__use_yte__: true\na: ?1 / 0\n", ": as a template (__use_yte__) it fails: "),
        (b"a: &x [*x]\n", ": a value holds itself, by an anchor"),
        (b"a: &x {b: {c: *x}}\n", ": a value holds itself, by an anchor"),
        (b"a: " + b"[" * 50_000, f": more than {DEEPEST} levels"),
        (b"a: " + b"[" * 100 + b"]" * 100, f"levels; at most 1000000 in {DEEPEST} are read"),
        (BOMB.encode(), f" values in 41 levels; at most 1000000 in {DEEPEST} are read"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path, monkeypatch, raw, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "overlay.yaml").write_bytes(raw)
    with pytest.raises(InputError) as caught:
        load("overlay.yaml")
    assert message in str(caught.value) and str(caught.value).startswith("overlay.yaml")
    assert not (tmp_path / "gone").exists()


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"gone.yaml: cannot be read \(No such file or directory\); --configfile"):
        load(tmp_path / "gone.yaml")


def test_what_anchors_share_is_no_fault(tmp_path):
    (tmp_path / "a.yaml").write_text("a: &a [1, {b: 2}]\nc: *a\nd: {e: *a, f: [*a, *a]}\n")
    assert load(tmp_path / "a.yaml") == {
        "a": [1, {"b": 2}],
        "c": [1, {"b": 2}],
        "d": {"e": [1, {"b": 2}], "f": [[1, {"b": 2}]] * 2},
    }
    deepest = {}
    for _ in range(DEEPEST - 1):
        deepest = {"a": deepest}
    check_extent(deepest, "config")
    with pytest.raises(InputError, match=f"in {DEEPEST + 1} levels"):
        check_extent({"a": deepest}, "config")


def test_snakemake_says_it_before_it_reads_the_snakefile(project):
    (project.folder / "overlay.yaml").write_text("study: a\nmodels: [\n")
    done = project.snakemake("-n", "--configfile", "config/studies/tiny.yaml", "overlay.yaml")
    assert done.returncode == 1 and "config: overlay.yaml, line 3: not YAML" in done.stdout
    (project.folder / "config/config.yaml").write_text("[]\n")
    try:
        done = project.snakemake("-n")
        assert done.returncode == 1 and "config/config.yaml: it holds one list" in done.stdout
    finally:
        (project.folder / "config/config.yaml").write_text((ROOT / "config/config.yaml").read_text())

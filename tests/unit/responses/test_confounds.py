"""Confounds: what is chosen, how it is expanded, which missing values mean something, and motion."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triphase.core.errors import InputError
from triphase.responses.confounds import (
    Rows,
    choose_columns,
    expand,
    match_rows,
    motion_summary,
    read_confounds,
    run_confounds,
)
from triphase.responses.motion import framewise_displacement, motion_parameters
from triphase.responses.readers.recording import read_label_table


def refused(call, *expected):
    with pytest.raises(InputError) as error:
        call()
    for text in expected:
        assert text in str(error.value), error.value


def test_confounds_with_and_without_a_header(tmp_path):
    (tmp_path / "a.tsv").write_text("trans_x\trot_x\n1\t2\nn/a\t4\n")
    (tmp_path / "b.txt").write_text("1 2\n3 4\n")
    table = read_confounds(tmp_path / "a.tsv")
    np.testing.assert_array_equal(table, [[1, 2], [np.nan, 4]])
    assert list(table.columns) == ["trans_x", "rot_x"]
    table = read_confounds(tmp_path / "b.txt")
    np.testing.assert_array_equal(table, [[1, 2], [3, 4]])
    assert list(table.columns) == ["1", "2"]
    for name, content in {"c": "x\ty\n1\tabc\n", "d": "", "e": "x\ty\n", "f": "x\ty\n1\t2\t3\n"}.items():
        (tmp_path / f"{name}.tsv").write_text(content)
        refused(lambda name=name: read_confounds(tmp_path / f"{name}.tsv"), f"{name}.tsv", "header")


def test_first_row_of_a_difference_is_zero_and_nothing_else_is_filled(tmp_path):
    names = ["csf", "csf_derivative1", "csf_derivative1_power2", "framewise_displacement", "std_dvars", "rmsd"]
    (tmp_path / "a.tsv").write_text("\t".join(names) + "\n5" + "\tn/a" * 5 + "\n6" + "\t1" * 5 + "\n")
    table = read_confounds(tmp_path / "a.tsv")
    np.testing.assert_array_equal(table, [[5, 0, 0, 0, 0, 0], [6, 1, 1, 1, 1, 1]])
    (tmp_path / "a.tsv").write_text("csf\tcsf_derivative1\nn/a\t1\n2\tn/a\n")
    table = read_confounds(tmp_path / "a.tsv")
    assert np.isnan(table["csf"][0]) and np.isnan(table["csf_derivative1"][1])
    refused(lambda: match_rows(table[["csf"]], Rows(2), "a.tsv"), "a.tsv", "column csf", "volume 0")
    refused(lambda: match_rows(table, Rows(1, (1, 0)), "a.tsv"), "column csf_derivative1", "volume 0")


def test_columns_are_chosen_by_globs_in_the_order_of_the_table():
    table = pd.DataFrame(np.zeros((3, 4)), columns=["rot_x", "csf", "trans_x", "trans_x_power2"])
    assert list(choose_columns(table, ["trans_?", "rot_*"], "a.tsv")) == ["rot_x", "trans_x"]
    assert list(choose_columns(table, True, "a.tsv")) == list(table)
    refused(
        lambda: choose_columns(table, ["trans_*", "gsr"], "a.tsv"),
        "responses/confounds",
        "'gsr'",
        "a.tsv",
        "rot_x, csf",
    )


def test_both_expansions_make_24_of_6():
    motion = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 6)))
    motion.columns = [str(name) for name in motion.columns]
    change = np.vstack([np.zeros(6), motion.to_numpy()[1:] - motion.to_numpy()[:-1]])
    both = np.hstack([motion, change])
    whole = expand(motion, ["derivatives", "squares"])
    np.testing.assert_allclose(whole, np.hstack([both, both**2]))
    assert whole.shape == (30, 24) and len(set(whole.columns)) == 24
    np.testing.assert_allclose(expand(motion, ["squares"]), np.hstack([motion, motion**2]))
    np.testing.assert_allclose(expand(motion, ["derivatives"]), both)
    np.testing.assert_array_equal(expand(motion, []), motion)


def test_confounds_lose_the_rows_of_dropped_volumes():
    confounds = pd.DataFrame(np.arange(12.0).reshape(6, 2), columns=["1", "2"])
    np.testing.assert_array_equal(match_rows(confounds, Rows(4, (2, 0)), "rp.txt"), confounds[2:])
    np.testing.assert_array_equal(match_rows(confounds, Rows(3, (2, 1)), "rp.txt"), confounds[2:5])
    np.testing.assert_array_equal(match_rows(confounds, Rows(4, (2, 1)), "rp.txt"), confounds[2:])
    np.testing.assert_array_equal(match_rows(confounds, Rows(6, (2, 0)), "rp.txt"), confounds)
    refused(lambda: match_rows(confounds, Rows(5, (2, 0)), "rp.txt"), "rp.txt", "6 rows", "5 volumes", "7")
    confounds.iloc[3, 1] = np.nan
    refused(lambda: match_rows(confounds, Rows(6, (0, 0)), "rp.txt"), "rp.txt", "column 2", "volume 3")


def test_kind_row_slices_confounds_of_a_file_that_holds_several_runs():
    confounds = pd.DataFrame({"a": np.arange(10.0)})
    part = Rows(4, (0, 0), part=(5, 10))  # rows 5 to 8 of a file of 10
    assert match_rows(confounds, part, "rp.txt")["a"].tolist() == [5, 6, 7, 8]
    assert match_rows(confounds[:4], part, "rp.txt")["a"].tolist() == [0, 1, 2, 3], "a table of this run"
    assert match_rows(confounds, Rows(4, (2, 1), part=(3, 7)), "rp.txt")["a"].tolist() == [5, 6, 7, 8]
    refused(lambda: match_rows(confounds[:9], part, "rp.txt"), "9 rows", "4 volumes of the 10 of its file")


def test_first_volume_kept_has_its_true_difference(tmp_path):
    path = tmp_path / "rp.txt"
    np.savetxt(path, np.array([[1.0], [4.0], [9.0], [16.0]]))
    table = run_confounds(str(path), Rows(2, (2, 0)), {"confounds": True, "confound_expansion": ["derivatives"]})
    np.testing.assert_array_equal(table, [[9, 5], [16, 7]])


def test_framewise_displacement_is_that_of_power():
    motion = np.zeros((4, 6))
    motion[1:, 1], motion[2:, 3], motion[3, 2] = -0.2, 0.01, 0.1
    np.testing.assert_allclose(framewise_displacement(motion), [np.nan, 0.2, 0.5, 0.1])


def test_motion_by_name_or_as_spm_writes_it(tmp_path):
    values = np.arange(24.0).reshape(4, 6)
    named = pd.DataFrame(values, columns=["rot_x", "rot_y", "rot_z", "trans_x", "trans_y", "trans_z"])
    np.testing.assert_array_equal(motion_parameters(named), values[:, [3, 4, 5, 0, 1, 2]])
    plain = pd.DataFrame(values, columns=list("123456"))
    np.testing.assert_array_equal(motion_parameters(plain), values)
    assert motion_parameters(plain.iloc[:, :5]) is None
    path = tmp_path / "rp.txt"
    np.savetxt(path, np.cumsum(np.eye(6)[[0, 0, 1, 5]] * [1, 2, 3, 4, 5, 0.1], axis=0))
    assert motion_summary(str(path), Rows(4, (0, 0))) == {
        "mean_fd": pytest.approx((1 + 2 + 5) / 3),
        "max_fd": pytest.approx(5),
    }
    assert motion_summary(str(path), Rows(2, (2, 0))) == {"mean_fd": pytest.approx(3.5), "max_fd": pytest.approx(5)}
    assert motion_summary(str(path), Rows(3, (0, 0))) == {}
    path.write_text("no table")
    assert motion_summary(str(path), Rows(4, (0, 0))) == {}


def test_motion_of_a_real_listener(real_data):
    for path in sorted((real_data / "alice" / "roi").rglob("s18-rp_*.txt")):
        summary = motion_summary(str(path), Rows(362, (10, 0)))
        # A listener who lies still moves by some hundredths to tenths of a millimetre from volume to volume.
        assert 0.01 < summary["mean_fd"] < 1 and summary["max_fd"] > summary["mean_fd"]


CELLS = st.sampled_from(["1", "-2.5e3", "n/a", "nan", "inf", "", "x", "1e999", '"', "雲", "#", "1_0"])


@settings(max_examples=300)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(max_size=100).map(str.encode),
        st.lists(st.lists(CELLS, max_size=4).map("\t".join), max_size=6).map("\n".join).map(str.encode),
    ),
    st.sampled_from(["a.tsv", "a.txt"]),
)
def test_any_content_is_a_table_of_numbers_or_refused(tmp_path_factory, content, name):
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(content)
    try:
        table = read_confounds(str(path))
    except InputError as error:
        assert str(path) in str(error) and "\n" not in str(error)
    else:
        assert len(table) and all(column.kind == "f" for column in table.dtypes)
    motion_summary(str(path), Rows(3, (1, 0)))
    path = path.with_name("labels.tsv")
    path.write_bytes(content)
    try:
        assert all(isinstance(key, int) for key in read_label_table(str(path)))
    except InputError as error:
        assert str(path) in str(error) and "\n" not in str(error)

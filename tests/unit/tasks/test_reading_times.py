"""Psychometric power on simulated readers: what is planted comes back, and bad files are named with what is wrong."""

from types import SimpleNamespace

import measure_reading
import numpy as np
import pandas as pd
import pytest
import small_models
import torch
from jobs import run
from simulated_readers import stories, write_readings
from simulated_study import MAIN, rows_of
from transformers import AutoModelForCausalLM, AutoTokenizer

from triphase.checkpoints.find import find_checkpoint
from triphase.core.artefacts import read_table, write_json
from triphase.core.errors import InputError
from triphase.phases.order import order
from triphase.phases.transitions import Settings
from triphase.table.draws import draws_dataset
from triphase.table.readings import reading_series
from triphase.table.tidy import typed
from triphase.tasks.reading_times import POWER, SPILL, power_of, read_readings, reading_rows

BITS = np.random.default_rng(5).gamma(3, 2, len(stories()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_readings(tmp_path_factory.mktemp("readings") / "rts", BITS)


@pytest.fixture(scope="module")
def readings(folder):
    return read_readings(folder)


def test_files_are_read_with_what_is_left_out(readings):
    assert len(readings.readers) == 30 and len(readings.words) == len(stories())
    assert readings.left_out["of the first 2 words of a story"] == 30 * 4 * SPILL
    zones = readings.words["zone"].to_numpy()[readings.times["word"]]
    assert zones.min() == 1 + SPILL and readings.frequencies == "the stories themselves"
    word = readings.words.iloc[7]
    assert word["log_frequency"] == pytest.approx(np.log((stories()["word"] == word["word"]).sum()))


def test_power_is_the_gain_of_a_mixed_model_of_statsmodels(readings):
    formula = pytest.importorskip("statsmodels.regression.mixed_linear_model", reason="statsmodels is not installed")
    place, words = readings.times["word"].to_numpy(), readings.words
    columns = [np.ones(len(place)), words["zone"].to_numpy(float)[place] / 100]
    for back in range(SPILL + 1):
        columns += [words[name].to_numpy(float)[place - back] for name in ("length", "log_frequency")]
    added = [BITS[place - back] / 10 for back in range(SPILL + 1)]
    y, group = readings.times["log_time"].to_numpy(), readings.times["reader"].to_numpy()
    llf = [
        formula.MixedLM(y, np.column_stack(design), groups=group).fit(reml=False).llf
        for design in (columns, columns + added)
    ]
    found = power_of(readings, BITS)
    assert found["gain"].sum() / found["n"].sum() == pytest.approx((llf[1] - llf[0]) / len(y), abs=1e-6)


def test_the_surprisal_that_readers_follow_has_power_and_any_other_has_none(readings):
    rng = np.random.default_rng(0)
    true, other = (reading(readings, bits) for bits in (BITS, rng.permutation(BITS)))
    assert true["value"] > 10 * true["se"] and abs(other["value"]) < 0.001
    assert reading(readings, 3 * BITS + 7)["value"] == pytest.approx(true["value"]), "whatever the unit"


def reading(readings, bits):
    table = power_of(readings, bits)
    table.attrs["name"] = "rts"
    return reading_rows(table).iloc[0]


def test_a_planted_fall_is_found(readings):
    """Surprisal comes near to what readers follow until the seventh of 14 checkpoints, and then leaves it again."""
    steps = 2 ** np.arange(4, 18)
    share = np.interp(np.arange(14), [0, 7, 10, 13], [0.05, 0.95, 0.35, 0.3])
    noise = np.random.default_rng(2).permutation(BITS)
    tables = [power_of(readings, near * BITS + (1 - near) * noise) for near in share]
    series = []
    for step, table in zip(steps, tables, strict=True):
        table.attrs["name"] = "rts"
        series.append({"model": "m", "checkpoint": f"step{step}", "step": int(step), "tokens": int(step) * 1024})
    drawn = reading_series(series, tables, 300, 0)
    rows = [
        row | {"se": row["boot"].std(ddof=1)} for row in drawn
    ] + rows_of("m", steps, np.ones(14), 0.1, None, "alignment", "s", "all", 2, **MAIN)[0]  # fmt: skip
    table = typed(pd.DataFrame(rows).drop(columns="boot").assign(study="x"))
    headline = {"roi": "all", "tasks": [], "adherence": []}
    found = order(table, draws_dataset(drawn, "x", 0), headline, {}, Settings(draws=60), np.random.default_rng(0))[
        "perspectives"
    ]["reading"]
    assert found["measure"] == POWER
    assert [kind for kind in found["pattern"].split("-") if kind != "plateau"] == ["rise", "fall"]
    assert found["events"]["peak"] <= steps[8] * 1024 and steps[9] <= found["events"]["trough"] / 1024 <= steps[12]


def broken(folder, tmp_path, name, old, new):
    for path in folder.iterdir():
        text = path.read_text()
        (tmp_path / path.name).write_text(text.replace(old, new, 1) if path.name == name else text)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("all_stories.tok", "zone", "place", r"all_stories.tok: no column zone; there are word, place, item"),
        ("processed_RTs.tsv", "WorkerId", "subject", r"processed_RTs.tsv: no column WorkerId"),
        ("all_stories.tok", "\t2\t1\n", "\t1\t1\n", r"item 1, zone 1 has two rows"),
        ("all_stories.tok", "\t2\t1\n", "\t999\t1\n", r"item 1 has no word before zone 3"),
        ("processed_RTs.tsv", "1\t5\tr0\t", "1\t5\tr0\tfast", r"RT is 'fast.* must be a number"),
        ("processed_RTs.tsv", "1\t5\tr0", "9\t5\tr0", r"item 9, zone 5 is no word of all_stories.tok"),
        ("processed_RTs.tsv", "\t5\tr0\t", "\t5\tr0\tn/a", r"row 6: RT is 'n/a.* must be a number"),
        ("processed_RTs.tsv", "\t5\tr0\t", "\t5\t\t", r"row 6: WorkerId is empty"),
        ("processed_RTs.tsv", "\t6\n", "\n", r"first row has 5 cells, and its second 4"),
        ("processed_RTs.tsv", "\t5\tr0", "\t5\tr0\t5\t5", r"not a table with tabs: .*Expected 5 fields in line 6"),
        ("all_stories.tok", "\t5\t1\n", "\t5.0\t1\nagain\t5\t1\n", r"item 1, zone 5 has two rows"),
    ],
)
def test_bad_files_are_named_with_row_and_value(folder, tmp_path, name, old, new, message):
    with pytest.raises(InputError, match=message):
        read_readings(broken(folder, tmp_path, name, old, new))


def test_too_few_times_and_missing_files_and_counts_are_told(folder, tmp_path):
    with pytest.raises(InputError, match="is not there; states/reading/folder needs all_stories.tok"):
        read_readings(tmp_path)
    few = broken(folder, tmp_path, "processed_RTs.tsv", "x", "x")
    table = pd.read_csv(few / "processed_RTs.tsv", sep="\t").assign(correct=3)
    table.to_csv(few / "processed_RTs.tsv", sep="\t", index=False)
    with pytest.raises(InputError, match="0 times of 0 readers .*18000 of readers with at most 4 right answers"):
        read_readings(few)
    counts = tmp_path / "freqs.tsv"
    counts.write_text("1.1.word\t1\tka\t12\tNA\n")
    with pytest.raises(InputError, match=r"freqs.tsv: no count for 1.2.word \(and 598 more"):
        read_readings(folder, counts)
    rows = [f"{item}.{zone}.word\t1\t{word}\t{zone * 10}\tNA" for word, zone, item in stories().itertuples(index=False)]
    counts.write_text("\n".join(rows))
    found = read_readings(folder, counts)
    assert found.words["log_frequency"].iloc[4] == pytest.approx(np.log(50)) and found.frequencies == "freqs.tsv"


def changed(folder, tmp_path, change, name="processed_RTs.tsv", **how):
    """The folder with one of its tables changed by a function of the table of text."""
    broken(folder, tmp_path, "", "", "")
    table = change(pd.read_csv(folder / name, sep="\t", dtype=str))
    table.to_csv(tmp_path / name, sep="\t", index=False, **how)
    return tmp_path


@pytest.mark.parametrize("how", [{"encoding": "utf-8-sig"}, {"lineterminator": "\r\n"}, {"quoting": 1}])
@pytest.mark.parametrize("name", ["all_stories.tok", "processed_RTs.tsv"])
def test_what_other_programs_write_is_the_same_table(folder, tmp_path, readings, name, how):
    found = read_readings(changed(folder, tmp_path, lambda table: table, name, **how))
    pd.testing.assert_frame_equal(found.times, readings.times)
    pd.testing.assert_frame_equal(found.words, readings.words)


def test_a_word_that_is_read_again_counts_once(folder, tmp_path, readings):
    again = read_readings(changed(folder, tmp_path, lambda table: pd.concat([table, table.assign(RT="1000")])))
    assert again.left_out["of a word that its reader had read before"] == len(readings.times)
    pd.testing.assert_frame_equal(again.times, readings.times)


def test_words_of_the_times_are_those_of_the_stories_or_are_refused(folder, tmp_path, readings):
    told = stories().astype({"item": str, "zone": str})
    named = read_readings(changed(folder, tmp_path, lambda table: table.merge(told, on=["item", "zone"])))
    assert len(named.times) == len(readings.times)
    late = told.assign(word=np.roll(told["word"], 1))
    with pytest.raises(InputError, match=r"row \d+: word is '\w+', and all_stories.tok has '\w+' there; \d+ of 18000"):
        read_readings(changed(folder, tmp_path, lambda table: table.merge(late, on=["item", "zone"])))


def test_a_zone_without_a_word_is_refused(folder, tmp_path):
    with pytest.raises(InputError, match=r"all_stories.tok, row 8: word is ' '; every zone needs its word"):
        read_readings(
            changed(folder, tmp_path, lambda table: table.assign(word=table["word"].mask(table.index == 6, " ")),
                    "all_stories.tok")
        )  # fmt: skip


@pytest.mark.parametrize(("content", "message"), [
    (b"version https://git-lfs.github.com/spec/v1\n", "pointer of Git LFS"), (b"", "not a table with tabs"),
    ("WorkerId\té".encode("latin1"), "is not UTF-8"),
])  # fmt: skip
def test_a_file_that_is_no_table_is_named_with_what_it_is(folder, tmp_path, content, message):
    (broken(folder, tmp_path, "", "", "") / "processed_RTs.tsv").write_bytes(content)
    with pytest.raises(InputError, match=f"processed_RTs.tsv.*{message}"):
        read_readings(tmp_path)


def test_counts_of_a_word_with_its_point_are_those_of_the_whole_and_of_other_words_refused(folder, tmp_path):
    """Natural Stories' own file has "Mr." and "Dr." as a whole only."""
    rows = [f"{item}.{zone}.word\t1\t{word}\t{zone * 10}\tNA" for word, zone, item in stories().itertuples(index=False)]
    counts = tmp_path / "freqs.tsv"
    counts.write_text("\n".join([rows[0].replace(".word", ".whole").replace("\t10\t", "\t70\t"), *rows[1:]]))
    assert read_readings(folder, counts).words["log_frequency"].iloc[0] == pytest.approx(np.log(70))
    counts.write_text("\n".join([rows[0].replace("\t10\t", "\t-1\t"), *rows[1:]]))
    with pytest.raises(InputError, match="no count for 1.1.word .*a count is 0 or more"):
        read_readings(folder, counts)
    counts.write_text(
        "\n".join(f"{code.split()[0]}\t1\t{row.split()[2]}\t5\tNA" for code, row in zip(rows, rows[::-1], strict=True))
    )
    with pytest.raises(InputError, match="all_stories.tok has '.*words differ: give the counts of these stories"):
        read_readings(folder, counts)


def test_what_no_model_can_be_fitted_to_is_told(folder, tmp_path, readings):
    assert power_of(readings, np.full(len(BITS), 4.0))["gain"].eq(0).all(), "a model that finds all words alike"
    with pytest.raises(InputError, match=r"surprisal of '\w+' \(item 1, zone 3\) is nan, .* 1 of 600 words"):
        power_of(readings, np.where(np.arange(len(BITS)) == 2, np.nan, BITS))
    alike = changed(folder, tmp_path, lambda table: table.assign(word="word"), "all_stories.tok")
    with pytest.raises(InputError, match="length is the same at all 17760 times"):
        power_of(read_readings(alike), BITS)
    for times in ("300", lambda table: table["WorkerId"].str[1:].astype(int) + 300):
        same = read_readings(changed(folder, tmp_path, lambda table, times=times: table.assign(RT=times)))
        with pytest.raises(InputError, match="leave no residual.*times as they were measured"):
            power_of(same, BITS)


@pytest.mark.model
@pytest.mark.usefixtures("one_thread")
def test_one_checkpoint_from_its_files_to_the_table(folder, tmp_path):
    """The job's surprisal is that of transformers' own loss, word by word, from the beginning of each story."""
    model_folder = small_models.write(tmp_path / "model", small_models.checkpoint(layers=2))
    write_json(tmp_path / "manifest.json", find_checkpoint("org/name", "step1", folder=model_folder))
    rng = np.random.default_rng(0)
    read = stories().assign(word=[f"w{k}" for k in rng.integers(1, 64, len(stories()))])
    read.to_csv(tmp_path / "all_stories.tok", sep="\t", index=False)
    times = tmp_path / "processed_RTs.tsv"
    times.write_text((folder / "processed_RTs.tsv").read_text())
    paths = SimpleNamespace(
        checkpoint=tmp_path / "manifest.json", readings=[tmp_path / "all_stories.tok", times],
        reading=tmp_path / "reading.parquet",
    )  # fmt: skip
    context = {"max": 24, "min": 23, "stride": 1}
    run(measure_reading, paths, context=context, dtype="float32", language="en", name="rts")
    table = read_table(paths.reading)
    assert table.attrs["name"] == "rts" and table.attrs["revision"] == "step1" and len(table) == 30
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    bits = []
    for _, words in read.groupby("item"):
        ids = tokenizer(" ".join(words["word"]), add_special_tokens=False)["input_ids"]
        assert len(ids) == len(words)
        for place, token in enumerate(ids):
            seen = torch.tensor([[tokenizer.eos_token_id, *ids[max(place - 24, 0) : place]]])
            with torch.inference_mode():
                bits.append(-torch.log_softmax(model(seen).logits[0, -1].double(), 0)[token].item() / np.log(2))
    expected = power_of(read_readings(tmp_path), np.array(bits))
    assert table.attrs["bits_per_word"] == pytest.approx(np.mean(bits), rel=1e-5)
    np.testing.assert_allclose(table["gain"], expected["gain"], atol=2e-3)

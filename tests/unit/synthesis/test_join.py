"""Studies joined: summaries, verdicts, what is left out, and what is refused."""

from dataclasses import replace

import pytest
from joined_studies import TRIPLES, finished, write_study

from triphase.core.errors import InputError
from triphase.report.pages.blocks import to_html, to_markdown
from triphase.synthesis.figure import draw_synthesis
from triphase.synthesis.files import FILES
from triphase.synthesis.join import join, verdict
from triphase.synthesis.page import synthesis_page
from triphase.synthesis.planned import refuse_unfinished
from triphase.synthesis.studies import read_studies

LANGUAGE = {"size": 0.5, "place": 1.0}


@pytest.fixture(scope="module")
def joined():
    other = (("m", "rise-plateau"), ("w", "triple"), ("alone", "triple"))
    studies = [finished("first"), finished("second", language="ja", seed=1), finished("third", other, seed=2)]
    return join(studies, 0.5, LANGUAGE, 0)


def test_planted_sizes_are_in_the_summaries_over_data_sets(joined):
    """Every model rises by 1, falls by a half and returns by 0.6."""
    for model in ("w", "all"):
        for leg, planted in (("fall", -0.5), ("return", 0.6)):
            summary = joined["summaries"][model][leg]
            low, high = summary["interval"]
            assert summary["n"] == 3 and low < planted < high, (model, leg)
            assert summary["tau2"] == pytest.approx(summary["tau"] ** 2) and 0 <= summary["i2"] < 1
    assert joined["summaries"]["w"]["peak"]["mean"] == pytest.approx(1024 * 4 * 2**5, rel=0.5)


def test_a_leg_that_a_study_lacks_is_left_out_and_counted(joined):
    assert joined["summaries"]["m"]["fall"]["n"] == 2
    assert joined["summaries"]["m"]["fall"]["left_out"] == {"third": "has no fall"}
    fall = joined["legs"]["m"][1]
    assert (fall["signs"]["fall"], fall["n"]) == (2, 3)
    assert joined["summaries"]["all"]["fall"]["left_out"].keys() == {"m", "alone"}


def test_the_same_course_agrees_and_another_does_not(joined):
    found = {(*entry["models"], *entry["studies"]): entry["verdict"] for entry in joined["agreement"]}
    assert found["w", "w", "first", "second"] == "equal" == found["m", "w", "first", "first"]
    assert found["m", "m", "first", "third"] != "equal"
    # Models are compared within a study and a model between studies, and nothing else.
    assert len(found) == 1 + 1 + 3 + 3 + 3


def test_verdicts_are_counted_over_studies(joined):
    assert joined["verdicts"]["w"]["verdict"] == "supported" and joined["verdicts"]["w"]["counts"]["supported"] == 3
    assert joined["verdicts"]["m"]["verdict"] == "mixed"
    assert joined["verdicts"]["all"]["reason"].startswith("supported in 6 of 7, not supported in 1 of 7")
    yes, no, open_ = "supported", "not supported", "undetermined"
    assert [verdict(list(found))["verdict"] for found in ([no, no, open_], [yes, open_], [open_, open_])] == [
        no,
        open_,
        open_,
    ]


def test_a_model_of_one_study_is_named(joined):
    assert any(remark.startswith("only third has alone") for remark in joined["remarks"])


def test_a_share_that_is_missing_is_named_and_the_others_count():
    first, second, third = (finished(name, seed=seed) for seed, name in enumerate(("a", "b", "c")))
    unsaid = replace(second, models={**second.models, "w": {**second.models["w"], "language_share": None}})
    found = join([first, unsaid, third], 0.5, LANGUAGE, 0)
    assert any("share of 'en' that w was trained on is not declared" in remark for remark in found["remarks"])
    assert found["language"]["fall"]["n"] == 5


def test_studies_of_one_data_set_count_once():
    found = join(
        [finished("en", dataset="film"), finished("ja", dataset="film", language="ja", seed=1)], 0.5, LANGUAGE, 0
    )
    assert found["summaries"]["m"]["fall"]["n"] == 1 and found["summaries"]["m"]["fall"]["interval"] is None
    assert any("count once" in remark for remark in found["remarks"])


def test_the_page_says_what_was_found(joined):
    blocks = synthesis_page({"synthesis": "mine", **joined})
    text = to_markdown(blocks)
    assert "supported in 6 of 7" in text and "only third has alone" in text and "has no fall" not in text
    assert "First page of this study" not in to_html(blocks, alone=True)
    figure = draw_synthesis({"synthesis": "mine", **joined})
    assert [panel.get_title(loc="left") for panel in figure.axes][:3] == ["m", "w", "alone"]


def test_what_is_no_finished_study_or_named_twice_is_refused(tmp_path):
    whole = write_study(finished("first"), tmp_path / "first")
    (tmp_path / "half").mkdir()
    (tmp_path / "half/phases.json").touch()
    with pytest.raises(InputError, match=r"half is no finished study.*lacks definition.json, traj.*joined: .*first$"):
        refuse_unfinished([whole, str(tmp_path / "half")])
    with pytest.raises(InputError, match="named twice"):
        refuse_unfinished([whole, f"{tmp_path}/half/../first"])
    refuse_unfinished([whole])


def read(*folders):
    return read_studies({name: [f"{folder}/{file}" for folder in folders] for name, file in FILES.items()})


def test_one_study_under_two_names_is_refused(tmp_path):
    first = finished("first")
    folders = [write_study(first, tmp_path / "first"), write_study(replace(first, name="copy"), tmp_path / "copy")]
    with pytest.raises(InputError, match=r"copy holds the numbers of .*first.*joined: .*first$"):
        read(*folders)


def test_another_definition_is_refused_by_its_keys(tmp_path):
    first = write_study(finished("first"), tmp_path / "first")
    second = write_study(
        finished("second", TRIPLES, seed=1), tmp_path / "second", **{"encoding/delays": [2], "version": "2"}
    )
    with pytest.raises(InputError) as problem:
        read(first, second)
    text = str(problem.value)
    assert "encoding/delays: [4, 6, 8] in first, [2]" in text and "version: not there in first, 2" in text
    assert "scalings" not in text and text.endswith("alike: first")


def test_what_was_written_is_what_is_read(tmp_path):
    (study,) = read(write_study(finished("first"), tmp_path / "first"))
    assert study.share("w") == pytest.approx(0.6) and list(study.phases) == ["m", "w"]

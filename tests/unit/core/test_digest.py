import shutil

import pytest

from triphase.core import digest

FILES = {
    "script.py": "from triphase.a import f\n\n\ndef main():\n    from triphase.c import g\n",
    "triphase/__init__.py": "",
    "triphase/a.py": '"""Doc."""\nfrom triphase import b\n\n\ndef f():\n    """Doc."""\n    return b.h()\n',
    "triphase/b.py": "def h():\n    return 1\n",
    "triphase/c.py": "from triphase.kinds import open_kind\n\n\ndef g():\n    return 2\n",
    "triphase/kinds/__init__.py": "def open_kind():\n    from triphase.kinds.one import One\n\n    return One\n",
    "triphase/kinds/one.py": "from triphase.more.shared import s\n\n\nclass One:\n    def r(self):\n        return s\n",
    "triphase/more/__init__.py": "def m():\n    return 3\n",
    "triphase/more/shared.py": "def s():\n    return 4\n",
    "triphase/unused.py": "X = 1\n",
    "triphase/table.py": "from triphase.core import Registry\n\nROWS = Registry('r', R, package='triphase.rows')\n",
    "triphase/rows/one.py": "def one():\n    return 1\n",
    "row.py": "from triphase.table import ROWS\nfrom triphase.more.shared import s\n\n\ndef own():\n    return s\n",
}
PLUGIN = ("row.py", "triphase/table.py", "triphase/rows/one.py")
# A script that reads the registry, deep in what it imports.
READING = {"triphase/b.py": FILES["triphase/b.py"] + "from triphase.table import ROWS\n"}


def forget():
    """As a process that starts anew."""
    for cached in (digest._source, digest._library, digest._named, digest._imports, digest._code, digest._closure):
        cached.cache_clear()


@pytest.fixture
def digest_after(tmp_path, monkeypatch):
    def compute(plugins=(), also=None, **changes):
        shutil.rmtree(tmp_path / "w", ignore_errors=True)
        for name, text in {**FILES, **changes}.items():
            path = tmp_path / "w" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        monkeypatch.setattr(digest, "LIBRARY", tmp_path / "w" / "triphase")
        monkeypatch.setattr(digest, "KEPT", tmp_path / "kept.json")
        forget()
        folder = tmp_path / "w"
        return digest.script_digest(folder / "script.py", [folder / name for name in plugins], also and folder / also)

    return compute


def test_comments_and_docstrings_rerun_nothing(digest_after):
    changed = FILES["triphase/a.py"].replace("Doc.", "Better doc.").replace("return", "# why\n    return")
    assert digest_after() == digest_after(**{"triphase/a.py": changed})


@pytest.mark.parametrize("module", [name for name in FILES if "return" in FILES[name] and name not in PLUGIN])
def test_code_of_any_module_in_the_closure_counts(digest_after, module):
    changed = FILES[module].replace("return", "print(); return")
    assert digest_after() != digest_after(**{module: changed})


def test_other_modules_do_not_count(digest_after):
    assert digest_after() == digest_after(**{"triphase/unused.py": "X = 2\n"})


def test_a_plugin_counts_where_its_registry_is_used(digest_after):
    changed = {"row.py": FILES["row.py"].replace("return s", "return 2 * s")}
    assert digest_after() == digest_after(["row.py"]) == digest_after(["row.py"], **changed)
    before = digest_after(**READING)
    added, edited = digest_after(["row.py"], **READING), digest_after(["row.py"], **READING, **changed)
    assert len({before, added, edited}) == 3


def test_a_plugin_of_no_registry_and_its_comments_count_for_nothing(digest_after):
    other = {"row.py": FILES["row.py"].replace("from triphase.table import ROWS", "")}
    assert digest_after(["row.py"], **READING, **other) == digest_after(**READING)
    noted = {"row.py": "# why\n" + FILES["row.py"]}
    assert digest_after(["row.py"], **READING, **noted) == digest_after(["row.py"], **READING)


@pytest.mark.parametrize("module", ["triphase/more/shared.py", "triphase/rows/one.py"])
def test_what_a_plugin_imports_and_what_fills_its_registry_count(digest_after, module):
    files = {"triphase/c.py": "def g():\n    return 2\n"} | READING  # shared.py through the plugin alone
    changed = {module: FILES[module].replace("return", "print(); return")}
    assert digest_after(["row.py"], **files) != digest_after(["row.py"], **{**files, **changed})


@pytest.mark.parametrize("module", ["triphase/unused.py", "row.py"])
def test_a_module_that_the_script_is_told_to_run_counts_with_what_it_imports(digest_after, module):
    plugins = ["row.py"] if module == "row.py" else []
    told = {
        "triphase/unused.py": "from triphase.far import x\n\n\nX = 1\n",
        "triphase/far.py": "def x():\n    return 1\n",
    }
    told["row.py"] = FILES["row.py"].replace("triphase.more.shared import s", "triphase.far import x as s")
    before = digest_after(plugins, module, **told)
    assert before != digest_after(plugins, **told)
    for name in (module, "triphase/far.py"):
        changed = told | {name: told[name].replace("X = 1", "X = 2").replace("return ", "print(); return ")}
        assert digest_after(plugins, module, **changed) != before
    assert digest_after(plugins, module, **told) == before


def test_templates_count_where_their_package_is_imported(digest_after):
    def with_page(text):
        return digest_after(**{"triphase/kinds/page.html": text})

    assert with_page("a") == with_page("a") != with_page("b")
    assert digest_after(**{"triphase/far/__init__.py": "", "triphase/far/page.html": "a"}) == digest_after()


def test_what_was_read_is_kept_and_read_again_only_where_a_text_changes(digest_after, monkeypatch, tmp_path):
    before, texts = digest_after(), []
    monkeypatch.setattr(digest, "_read", lambda text, read=digest._read: texts.append(text.decode()) or read(text))
    assert digest_after() == before and texts == []
    changed = {"triphase/b.py": "def h():\n    return 2\n"}
    assert digest_after(**changed) != before and texts == list(changed.values())
    assert digest_after(**changed) != before and len(texts) == 1
    assert digest_after() == before


@pytest.mark.parametrize("content", ["", "[]", '{"a": {"names": []}}', "{"], ids=["empty", "list", "fields", "cut off"])
def test_a_kept_file_that_is_not_whole_counts_for_nothing(digest_after, tmp_path, content):
    before = digest_after()
    (tmp_path / "kept.json").write_text(content)
    assert digest_after() == before


def test_without_a_place_to_keep_it_all_is_read(digest_after, tmp_path, monkeypatch):
    before = digest_after()
    monkeypatch.setattr(digest, "write_json", lambda *_: (_ for _ in ()).throw(PermissionError("read-only")))
    (tmp_path / "kept.json").unlink()
    assert digest_after() == before and not (tmp_path / "kept.json").exists()

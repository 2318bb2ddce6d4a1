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
}


@pytest.fixture
def digest_after(tmp_path, monkeypatch):
    def compute(**changes):
        shutil.rmtree(tmp_path / "w", ignore_errors=True)
        for name, text in {**FILES, **changes}.items():
            path = tmp_path / "w" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        monkeypatch.setattr(digest, "LIBRARY", tmp_path / "w" / "triphase")
        for cached in (digest._tree, digest._imports, digest._code):
            cached.cache_clear()
        return digest.script_digest(tmp_path / "w" / "script.py")

    return compute


def test_comments_and_docstrings_rerun_nothing(digest_after):
    changed = FILES["triphase/a.py"].replace("Doc.", "Better doc.").replace("return", "# why\n    return")
    assert digest_after() == digest_after(**{"triphase/a.py": changed})


@pytest.mark.parametrize("module", [name for name, text in FILES.items() if "return" in text])
def test_code_of_any_module_in_the_closure_counts(digest_after, module):
    changed = FILES[module].replace("return", "print(); return")
    assert digest_after() != digest_after(**{module: changed})


def test_other_modules_do_not_count(digest_after):
    assert digest_after() == digest_after(**{"triphase/unused.py": "X = 2\n"})

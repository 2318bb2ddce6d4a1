import hashlib

from triphase.core.hashing import file_sha256


def test_a_files_hash_is_that_of_its_content(tmp_path):
    content = bytes(range(256)) * 5000
    (tmp_path / "a").write_bytes(content)
    assert file_sha256(tmp_path / "a") == hashlib.sha256(content).hexdigest()

"""Commands of ``exec:``: split as a shell splits them, checked before anything is started."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pytest_mcr.errors import ModelError
from pytest_mcr.models.process_command import Command, read_command
from pytest_mcr.models.spec import parse_spec


def read(text: str, here: Path) -> Command:
    return read_command(parse_spec(text, invocation_dir=here), here)


def test_words_options_and_folder(tmp_path: Path) -> None:
    command = read("exec:sh -c 'echo \"$1?\"' a\\ b ''?workers=3&start=5&timeout=2.5&window=4", tmp_path)
    assert command.argv == (shutil.which("sh"), "-c", 'echo "$1?"', "a b", "")
    assert (command.workers, command.window, command.start, command.timeout) == (3, 4, 5.0, 2.5)
    assert command.cwd == tmp_path
    assert command.label == "exec:sh -c 'echo \"$1?\"' a\\ b ''"
    assert read("exec:sh w.sh noisy?p=0.2 --data mcr?workers=1", tmp_path).argv[2:] == ("noisy?p=0.2", "--data", "mcr")
    plain = read("exec:sh worker.sh", tmp_path)
    assert (plain.workers, plain.window, plain.start, plain.timeout) == (1, 8, 600.0, 300.0)


def test_a_program_of_the_folder_and_of_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (program := tmp_path / "env" / "python").parent.mkdir()
    program.symlink_to(shutil.which("sh") or "")
    assert read("exec:./env/python ~/w.py", tmp_path).argv[0] == str(program), "a link of an environment must stay"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert read("exec:~/env/python ~/w.py a~/b", tmp_path).argv == (str(program), str(tmp_path / "w.py"), "a~/b")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("exec:python 'worker.py", ["cannot be split into words", "No closing quotation"]),
        ("exec: ", ["no command after exec:", "exec:python worker.py"]),
        ("exec:no-such-program", ["'no-such-program' is not on PATH"]),
        ("exec:./no/python w.py", ["there is no program", "no/python"]),
        ("exec:./worker.py", ["is not executable", "chmod +x"]),
        ("exec:sh worker.sh noisy?p=0.2 --data mcr", ["read as an option 'p'", "end the spec with", "...?workers=1"]),
        ("exec:.//", ["there is no program"]),
    ],
)
def test_bad_commands(tmp_path: Path, text: str, words: list[str]) -> None:
    (tmp_path / "worker.py").write_text("print()")
    with pytest.raises(ModelError) as caught:
        read(text, tmp_path)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_a_long_command_is_short_in_messages(tmp_path: Path) -> None:
    assert len(read("exec:sh " + "a" * 500, tmp_path).label) < 70

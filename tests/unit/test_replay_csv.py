import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.errors import ModelError
from pytest_mcr.models.protocol import Request, Response
from pytest_mcr.models.replay import Replay
from pytest_mcr.models.replay_csv import read_csv

ANY_TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
ID = st.text(st.characters(exclude_categories=("Z", "C")), min_size=1, max_size=12)


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def answers(path: Path) -> dict[str, Response]:
    return {key: recorded.response for key, recorded in read_csv(path).items()}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_what_spreadsheets_save(tmp_path: Path, delimiter: str, encoding: str, end: str) -> None:
    lines = ["id|text|score:yes|score:no", 'a|"yes, ""sure""; or\tso\nand more"|-0.25|-2', "", "b||-1|", "|||"]
    text = end.join(line.replace("|", delimiter) for line in lines) + end
    assert answers(write(tmp_path / "a.csv", text, encoding)) == {
        "a": Response('yes, "sure"; or\tso\nand more', {"yes": -0.25, "no": -2.0}),
        "b": Response("", {"yes": -1.0}),
    }


def test_raw_prompt_and_error_mean_what_they_mean_in_json_lines(tmp_path: Path) -> None:
    text = "error,raw,notes,id,prompt\n,It is sad.,x,a,What?\nout of memory,,,b,What?\n,ok,,c,\n"
    model = Replay(write(tmp_path / "a.CSV", text))
    requests = [Request(key, None, "What?", ("sad",), 32, want_scores=True) for key in "abc"]
    assert model.respond(requests) == [Response("It is sad."), Response(None, None, "out of memory"), Response("ok")]
    [other] = model.respond([Request("a", None, "Why?", ("sad",), 32, want_scores=True)])
    assert other.error is not None
    assert "another prompt" in other.error


def test_scores_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,score:yes,score:no,score: Sniff \na,-1,-2,\nb,,,-0.5\n")
    assert answers(path) == {"a": Response(None, {"yes": -1.0, "no": -2.0}), "b": Response(None, {"Sniff": -0.5})}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a.csv: empty; expected a header with id, text (or raw)"),
        ("\n\n", "a.csv: empty"),
        ("a,yes\n", "a.csv:1: no column id among 'a', 'yes'; expected a header"),
        ("id text\na yes\n", "a.csv:1: no column id among 'id text'"),
        ("id,answer\na,yes\n", "a.csv:1: neither text (or raw) nor a score:LABEL among id, answer"),
        ("id,text,text\n", "a.csv:1: two columns are called 'text'"),
        ("id,text,score_yes\n", "a.csv:1: column 'score_yes'; a column of scores is called score:LABEL"),
        ("id,text,score:\n", "a.csv:1: column 'score:'"),
        ("id,text\n", "a.csv: no answers under the header"),
        ("id,text\na,yes, or no\n", "a.csv:2: 3 columns, the header has 2; a cell that holds ','"),
        ("id,text\na\n", "a.csv:2: 1 columns, the header has 2"),
        ("id,text\n ,yes\n", "a.csv:2: no id; expected the case id"),
        ("id,text\na,yes\n\na,no\n", "a.csv:4: a was already answered in line 2"),
        ('id,text\na,"yes\nb,no\n', "a.csv:3: unexpected end of data; is a quote open, or the file torn?"),
        ('id,text\na,"yes" no\n', "a.csv:2: ',' expected after '\"'"),
        ("id,text,score:yes\na,yes,NaN\n", "a.csv:2: score of 'yes' is nan; expected a finite number"),
        ("id;text;score:yes\na;yes;-0,5\n", "a.csv:2: score of 'yes' is '-0,5'; expected a finite number"),
        ("id,score:yes,score:YES \na,-1,-2\n", "a.csv:2: scores of 'yes' and 'YES', which are one label"),
        ("id,score:yes\na,\n", "a.csv:2: no score; expected a number in a score:LABEL column"),
        ("id,text\na," + "x" * (csv.field_size_limit() + 1) + "\n", "a.csv:2: field larger than field limit"),
    ],
    ids=lambda value: value[:45] if value.startswith("a.csv") else "",
)
def test_a_bad_table_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ModelError) as caught:
        read_csv(write(tmp_path / "a.csv", text))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_encodings_that_are_not_utf_8(tmp_path: Path) -> None:
    for encoding, line in (("latin-1", 3), ("utf-16", 1)):
        with pytest.raises(ModelError, match=rf"a\.csv:{line}: not UTF-8; save the table as CSV UTF-8"):
            read_csv(write(tmp_path / "a.csv", "id,text\na,yes\nb,café\n", encoding))


@given(st.dictionaries(ID, ANY_TEXT, min_size=1, max_size=6), st.sampled_from(",;\t"))
def test_what_the_csv_module_writes_is_read(
    tmp_path_factory: pytest.TempPathFactory, given: dict[str, str], delimiter: str
) -> None:
    table = io.StringIO(newline="")
    writer = csv.writer(table, delimiter=delimiter)
    writer.writerows([("id", "text"), *given.items()])
    path = write(tmp_path_factory.mktemp("csv") / "a.csv", table.getvalue())
    assert {key: response.text for key, response in answers(path).items()} == given

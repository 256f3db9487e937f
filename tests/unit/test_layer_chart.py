"""Curves by layer are drawn from the rows of the results, and only where there are any."""

from xml.etree import ElementTree

from pytest_mcr.report.layer_chart import svg


def rows(metric: str, values: list[float | None]) -> list[dict[str, object]]:
    return [
        {"metric": f"dominance.{metric}", "layer": layer, "value": value, "low": value, "high": value, "n": 3}
        for layer, value in enumerate(values)
    ]


def test_curves_are_whole_documents_with_foreign_words_escaped() -> None:
    text = svg([*rows("lens_audio", [0.1, 2.0]), *rows("lens_joint", [0.1, -3.0])], "a <b> & c", "data")
    assert text is not None
    assert ElementTree.fromstring(text).tag.endswith("svg")
    assert "<b>" not in text
    assert "with the adversarial text" in text


def test_one_layer_and_one_value_still_make_a_chart() -> None:
    assert svg(rows("lens_joint", [0.0]), "m", "d") is not None


def test_without_values_there_is_no_chart() -> None:
    assert svg(rows("lens_joint", [None]), "m", "d") is None
    assert svg(rows("attention_density", [1.0]), "m", "d") is None
    assert svg([{"metric": "dominance.patch", "value": 1.0, "low": 1.0, "high": 1.0, "n": 3}], "m", "d") is None

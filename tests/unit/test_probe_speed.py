"""The probes' shortcuts change no answer: AUROCs are those of plain scikit-learn pipelines to 1e-3, memory is flat."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import ThreadpoolController

from pytest_mcr.probes import classifiers
from pytest_mcr.probes.classifiers import COMPONENTS, STRENGTH, TREES, of_forest, of_matrix

SAME = 1e-3
"""How far an AUROC may be from the pipeline's: both stop at scikit-learn's default tolerance, in another precision."""
ROWS, TRAIN = 400, 300


def states(width: int, classes: int, seed: int, signal: float) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """States in which a direction for each class is planted; an offset and one still column, as models have them."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, ROWS)
    directions = rng.standard_normal((classes, width))
    rows = rng.standard_normal((ROWS, width)) * rng.lognormal(0, 2, width) + signal * directions[labels]
    rows += rng.normal(0, 30, width)
    rows[:, 0] = 7.25
    return rows.astype(np.float32), labels


def area(labels: NDArray[np.int64], scores: NDArray[Any], classes: int) -> float:
    if classes == 2:
        return float(roc_auc_score(labels, scores))
    return float(np.mean([roc_auc_score(labels == code, scores[:, code]) for code in range(classes)]))


@pytest.mark.parametrize("width", [40, 1200])
@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("signal", [0.0, 0.4])
def test_a_probe_is_the_plain_pipeline(width: int, classes: int, signal: float) -> None:
    """With fewer rows than columns and with more, with something to find and with nothing."""
    matrix, labels = states(width, classes, 3, signal)
    train, test = np.arange(TRAIN), np.arange(TRAIN, ROWS)
    ours = of_matrix(matrix)(train, labels[train], test, classes)
    plain = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=300))
    plain.fit(matrix[train].astype(np.float64), labels[train])
    theirs = plain.decision_function(matrix[test].astype(np.float64))
    assert area(labels[test], ours, classes) == pytest.approx(area(labels[test], theirs, classes), abs=SAME)
    assert ours == pytest.approx(theirs, abs=2e-3 * np.abs(theirs).max())


def test_a_forest_is_the_plain_pipeline() -> None:
    matrix, labels = states(200, 2, 5, 0.4)
    train, test = np.arange(TRAIN), np.arange(TRAIN, ROWS)
    ours = of_forest(matrix, 0)(train, labels[train], test, 2)
    plain = make_pipeline(
        StandardScaler(),
        PCA(COMPONENTS, svd_solver="randomized", random_state=0),
        RandomForestClassifier(TREES, random_state=0),
    )
    plain.fit(matrix[train], labels[train])
    theirs = plain.predict_proba(matrix[test])[:, 1]
    assert area(labels[test], ours, 2) == pytest.approx(area(labels[test], theirs, 2), abs=0.03)


def test_scaling_is_that_of_double_precision_and_copies_no_matrix() -> None:
    rng = np.random.default_rng(0)
    matrix = (rng.standard_normal((2000, 500)) * rng.lognormal(0, 2, 500) + 10).astype(np.float32)
    expected = StandardScaler().fit_transform(matrix.astype(np.float64))
    train, test = matrix.copy(), matrix[:10].copy()
    tracemalloc.start()
    classifiers._standardised(train, test)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.abs(train - expected).max() < 1e-3
    assert np.array_equal(test, train[:10])
    assert peak < matrix.nbytes, "a copy in double precision is twice the matrix"


def test_fits_run_on_one_thread_and_leave_the_others_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    fit = LogisticRegression.fit

    def counted(self: Any, *args: Any) -> Any:
        seen.extend(pool["num_threads"] for pool in ThreadpoolController().info())
        return fit(self, *args)

    monkeypatch.setattr(LogisticRegression, "fit", counted)
    before = [pool["num_threads"] for pool in ThreadpoolController().info()]
    matrix, labels = states(40, 2, 0, 0.4)
    of_matrix(matrix)(np.arange(TRAIN), labels[:TRAIN], np.arange(TRAIN, ROWS), 2)
    assert seen
    assert set(seen) == {classifiers.THREADS}
    assert [pool["num_threads"] for pool in ThreadpoolController().info()] == before

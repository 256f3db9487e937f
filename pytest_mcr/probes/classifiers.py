"""The probes' classifiers: standardised logistic regression, a random forest behind a PCA, and words of a text.

Everything that is fitted, scaling and PCA included, is fitted on training rows alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from threadpoolctl import ThreadpoolController

from pytest_mcr.core.clusters import Codes, Floats, Mask

Matrix = NDArray[np.float32]


class Scorer(Protocol):
    """A kind of probe over some features."""

    def __call__(self, train: Codes, classes: Codes, test: Codes, count: int) -> Floats:
        """Fit on training rows and score test rows.

        Args:
            train: rows.
            classes: of the training rows, 0 to count-1.
            test: rows.
            count: classes in all, of which the training rows may lack some.

        Returns:
            Shape (n,) for two classes, higher for class 1; (n, K) for more.
        """


STRENGTH: Final = 1.0
"""Inverse of the L2 penalty on standardised features, scikit-learn's own default; fixed in advance."""
COMPONENTS: Final = 50
TREES: Final = 100
THREADS: Final = 1
"""Of BLAS and OpenMP: products of a tall matrix with a few columns wait for memory, and a second thread mostly spins.
At 3,200 rows of 4,096 numbers two threads took two to eight times the clock of one, and ten times the computing."""
BLOCK: Final = 256
"""Rows at a time whose squares are added up in double precision."""
_DIGITS: Final = 6


def of_matrix(features: Matrix) -> Scorer:
    """Logistic regression on standardised features; those that never vary in training count for nothing."""

    def score(train: Codes, classes: Codes, test: Codes, count: int) -> Floats:
        if len(np.unique(classes)) < 2:
            return np.zeros(_shape(len(test), count))
        fitted, given = _standardised(features[train], features[test])
        return _decide(STRENGTH, fitted, classes, given, count)

    return score


def of_words(texts: Sequence[str]) -> Scorer:
    """Logistic regression on TF-IDF of words and pairs of words; weights of words are kept for the next labels."""
    weighed: dict[bytes, tuple[Any, Any] | None] = {}

    def weigh(train: Codes, test: Codes) -> tuple[Any, Any] | None:
        words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")
        try:
            fitted = words.fit_transform([texts[row] for row in train])
        except ValueError:  # not one word in any text
            return None
        return fitted, words.transform([texts[row] for row in test])

    def score(train: Codes, classes: Codes, test: Codes, count: int) -> Floats:
        if len(np.unique(classes)) < 2:
            return np.zeros(_shape(len(test), count))
        key = train.tobytes() + b"/" + test.tobytes()
        if key not in weighed:
            weighed[key] = weigh(train, test)
        found = weighed[key]
        if found is None:
            return np.zeros(_shape(len(test), count))
        return _decide(STRENGTH, found[0], classes, found[1], count)

    return score


def of_forest(features: Matrix, seed: int) -> Scorer:
    """Random forest of 100 trees on at most 50 principal components, as in the paper; the PCA is the training rows'."""

    def score(train: Codes, classes: Codes, test: Codes, count: int) -> Floats:
        if len(np.unique(classes)) < 2:
            return np.zeros(_shape(len(test), count))
        fitted, given = _standardised(features[train], features[test])
        if not fitted.any():  # a PCA divides by the variance
            return np.zeros(_shape(len(test), count))
        pca = PCA(min(COMPONENTS, *fitted.shape), svd_solver="randomized", random_state=seed)
        forest = RandomForestClassifier(TREES, random_state=seed)
        with _one_thread():
            forest.fit(_rounded(pca.fit_transform(fitted)), classes)
            shares = forest.predict_proba(_rounded(pca.transform(given)))
        return _arranged(shares, forest.classes_, count)

    return score


def _standardised(train: Matrix, test: Matrix) -> tuple[Matrix, Matrix]:
    """Both in units of the training rows' standard deviation; in place, on copies that indexing made."""
    mean, spread = _scaling(train)
    scale = np.where(spread > 0, 1.0 / np.where(spread > 0, spread, 1.0), 0.0).astype(np.float32)
    for part in (train, test):
        part -= mean.astype(np.float32)
        part *= scale
    return train, test


def _scaling(rows: Matrix) -> tuple[Floats, Floats]:
    """Mean and standard deviation by column; 0 for a column that never varies."""
    mean = rows.mean(0, dtype=np.float64)
    spread = np.sqrt(_squares(rows, mean) / len(rows))
    return mean, np.where(spread <= 1e-6 * np.maximum(np.abs(mean), 1e-30), 0.0, spread)


def _squares(rows: Matrix, mean: Floats) -> Floats:
    """Sum of squared distances from the mean by column, in blocks: a double of the whole matrix would not be small."""
    total = np.zeros(rows.shape[1])
    for start in range(0, len(rows), BLOCK):
        apart = rows[start : start + BLOCK] - mean
        total += np.einsum("ij,ij->j", apart, apart)
    return total


def _one_thread() -> AbstractContextManager[object]:
    limit: AbstractContextManager[object] = _controller().limit(limits=THREADS)
    return limit


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


def fitted_weights(rows: Matrix, positive: Mask) -> tuple[Floats, Floats, Floats, float]:
    """The same probe of two classes as numbers: means, deviations (1 where still), weights (0 there) and intercept."""
    mean, spread = _scaling(rows)
    scale = np.where(spread > 0, spread, 1.0)
    fitted = (rows - mean.astype(np.float32)) / scale.astype(np.float32)
    fitted[:, spread == 0] = 0.0
    model = _fit(STRENGTH, fitted, positive.astype(np.int64))
    weights = np.where(spread > 0, model.coef_[0].astype(np.float64), 0.0)
    return mean, scale, weights, float(model.intercept_[0])


def _fit(strength: float, train: Any, classes: Codes) -> LogisticRegression:
    model = LogisticRegression(C=strength, max_iter=300)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # stopped early is a little more regularisation
        with _one_thread():
            model.fit(train, classes)
    return model


def _decide(strength: float, train: Any, classes: Codes, test: Any, count: int) -> Floats:
    model = _fit(strength, train, classes)
    with _one_thread():
        found = np.asarray(model.decision_function(test), dtype=np.float64)
    return _rounded(_arranged(np.stack([-found, found], 1) if found.ndim == 1 else found, model.classes_, count))


def _arranged(columns: NDArray[Any], names: NDArray[Any], count: int) -> Floats:
    """One column a class; a class that training lacked is the least likely. Of two classes the second alone."""
    found = np.full((len(columns), count), float(columns.min(initial=0.0)))
    found[:, names] = columns
    return found[:, 1] if count == 2 else found


def _shape(rows: int, count: int) -> tuple[int, ...]:
    return (rows,) if count == 2 else (rows, count)


def _rounded(values: NDArray[Any]) -> Floats:
    """Six digits of the largest: the number of threads changes the others, and ranks must not hang on them."""
    wide = np.asarray(values, dtype=np.float64)
    largest = float(np.abs(wide).max(initial=0.0))
    if largest <= 1e-12:
        return np.zeros_like(wide)
    return np.round(wide / largest, _DIGITS) * largest

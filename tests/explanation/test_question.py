from __future__ import annotations

import numpy as np

from colisten.explanation.material import Material
from colisten.explanation.question import Question, log_softmax
from tests.explanation.questions import drawn_question


def test_a_sample_keeps_each_users_own_rows(material: Material) -> None:
    question = material.question
    rows = np.array([5, 1, 9])
    some = question.take(rows)
    assert some.user_ids.tolist() == question.user_ids[rows].tolist()
    for at, row in enumerate(rows):
        assert some.targets[at].tolist() == question.targets[int(row)].tolist()
        assert some.exclusions[at].tolist() == question.exclusions[int(row)].tolist()


def test_blocks_cover_everyone_once() -> None:
    question = drawn_question(np.zeros((7, 3)))
    assert np.concatenate(list(question.blocks())).tolist() == list(range(7))


def test_masks_hide_what_may_not_be_shown(material: Material) -> None:
    question: Question = material.question
    rows = np.arange(4)
    masked = question.masked(np.zeros((4, len(question.available)), np.float32), rows)
    for row in rows:
        closed = set(question.exclusions[row].tolist())
        closed |= set(np.flatnonzero(~question.available).tolist())
        assert set(np.flatnonzero(np.isinf(masked[row])).tolist()) == closed


def test_log_softmax_sums_to_one_and_keeps_what_is_closed() -> None:
    logits = np.array([[1000.0, 1001.0, -np.inf], [0.0, 0.0, 0.0]], dtype=np.float32)
    log_p = log_softmax(logits)
    np.testing.assert_allclose(np.exp(log_p).sum(axis=1), 1.0)
    assert log_p[0, 2] == -np.inf

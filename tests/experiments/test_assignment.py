from __future__ import annotations

from collections import Counter

import pytest

from colisten.errors import ConfigError
from colisten.experiments.assignment import assign

ARMS = {"popularity": 0.5, "2t": 0.25, "2t-hgnn": 0.25}


def test_shares_come_out_as_planned() -> None:
    counts = Counter(assign(f"u{n}", experiment="shelf", arms=ARMS) for n in range(20_000))
    assert counts["popularity"] / 20_000 == pytest.approx(0.5, abs=0.015)
    assert counts["2t"] / 20_000 == pytest.approx(0.25, abs=0.015)


def test_a_user_keeps_their_arm_and_experiments_are_independent() -> None:
    users = [f"u{n}" for n in range(4_000)]
    first = [assign(user, experiment="one", arms=ARMS) for user in users]
    assert first == [assign(user, experiment="one", arms=ARMS) for user in users]
    second = [assign(user, experiment="two", arms=ARMS) for user in users]
    agree = sum(a == b for a, b in zip(first, second, strict=True)) / len(users)
    assert agree == pytest.approx(0.5**2 + 2 * 0.25**2, abs=0.03)


@pytest.mark.parametrize("arms", [{}, {"a": 0.5}, {"a": 1.5, "b": -0.5}])
def test_shares_must_be_a_distribution(arms: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        assign("u", experiment="shelf", arms=arms)

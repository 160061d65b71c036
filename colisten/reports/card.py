"""A release's model card as one HTML page that needs no network."""

from __future__ import annotations

from colisten.pages import Page
from colisten.release.card import ABOVE, BELOW, Card, window
from colisten.reports.reliability import score_planes, scores_in_words
from colisten.reports.render import render

# How the theme marks a verdict.
_MARKS = {ABOVE: "good", BELOW: "bad"}


def to_html(card: Card) -> Page:
    """A whole page, the same bytes for the same card."""
    return render(
        "card",
        f"Model card of {card.release_id}",
        card=card,
        window=window(card),
        marks=_MARKS,
        scores=scores_in_words(card.scores),
        score_planes=score_planes(card.scores) if card.scores else [],
    )

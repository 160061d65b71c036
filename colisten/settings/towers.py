"""The section of the two towers."""

from __future__ import annotations

from pydantic import Field, field_validator

from colisten.settings.section import HalfLife, Positive, Section, Share, known_or_own


class TowerSettings(Section):
    """The two towers and their training loop (paper section 3.4, eq. 5)."""

    dim: Positive = Field(128, description="Length of the vectors that meet in the inner product.")
    hidden: tuple[Positive, ...] = Field((512, 256), description="Dense layers before the output.")
    linear_skip: bool = Field(
        True,
        description="A linear map from input to output beside the dense layers, which start at "
        "zero; false: dense layers alone (paper).",
    )
    loss: str = Field(
        "sampled_softmax",
        description="sampled_softmax: in-batch softmax with logQ correction; paper: eq. 5; or a "
        "function of your own, as FILE.py:NAME.",
    )
    batch_size: Positive = Field(512, description="Examples per step; the rest are negatives.")
    epochs: Positive = Field(4, description="Upper bound on passes over the training rows.")
    min_steps: int = Field(
        200,
        ge=0,
        description="Steps that the bound on passes must leave room for: few rows take more "
        "passes. What is taken of it, held-out rows decide.",
    )
    learning_rate: float = Field(1e-3, gt=0, description="Step size of Adam.")
    temperature: float = Field(0.1, gt=0, description="Initial temperature; learned after.")
    popularity_half_lives: tuple[HalfLife, ...] = Field(
        (7.0, 30.0, 365.0),
        description="Half-lives in days of the popularity prior: log popularity as of the day, "
        "each times a weight the user tower learns. Empty for none; the paper's loss has none.",
    )
    leave_one_out: Share = Field(
        1.0,
        description="Share of the examples of an epoch, drawn afresh, that know all their user did "
        "before the cut except on the example's own item, so that short histories teach more; "
        "the others know what lay before the example, as serving does. Held-out rows always do.",
    )
    cold_start_dropout: Share = Field(
        0.2,
        description="Share of the examples of an epoch, drawn afresh, whose history of the target "
        "type is hidden where they have another, so that the model learns to answer cold users.",
    )
    knn_term: bool = Field(
        True,
        description="Add how near an item is to the user's history in text, z and co-listening "
        "factors as they came, at weights chosen on held-out rows; not with the paper's loss, nor "
        "without a validation share.",
    )
    members: int = Field(
        2,
        ge=1,
        le=16,
        description="Pairs of towers trained side by side, whose logits are averaged. Where there "
        "is a graph every second one does not see it.",
    )
    transfer: int = Field(
        64,
        ge=0,
        le=512,
        description="Factors of the other types' histories that the transfer term ties target "
        "items to; 0: none. It needs a graph's model and knn_term.",
    )
    floor: bool = Field(
        True,
        description="Let taste give way to plain popularity where held-out users say so, for users "
        "with and without a history of the target type apart.",
    )
    dropout: Share = Field(0.1, description="Dropout on the hidden layers.")
    validation_share: Share = Field(
        0.2,
        description="Latest share of training rows held out, in time, to choose epochs and weights "
        "of the kNN term; best about as long as the days that a release must last.",
    )
    patience: Positive = Field(
        2, description="Epochs that rank worse than the best, beyond noise, before stopping."
    )
    cross_fit: bool = Field(
        True,
        description="Train each example with item vectors that its user's fold did not shape; "
        "false leaks the answer and serves comparison only.",
    )
    max_languages: Positive = Field(32, description="Item languages with a column of their own.")
    max_genres: Positive = Field(128, description="Item genres with a column of their own.")

    @field_validator("loss")
    @classmethod
    def _loss_is_known(cls, loss: str) -> str:
        return known_or_own(loss, ("sampled_softmax", "paper"))

    @property
    def learns_logits(self) -> bool:
        """Whether the loss learns a temperature and a popularity prior; the paper's does not."""
        return self.loss != "paper"

    @property
    def prior_half_lives(self) -> tuple[float, ...]:
        """Half-lives of the popularity prior that this loss trains."""
        return self.popularity_half_lives if self.learns_logits else ()

    @property
    def has_knn_term(self) -> bool:
        """Whether vectors have room for a kNN term."""
        return self.knn_term and self.learns_logits and self.validation_share > 0

    @property
    def has_floor(self) -> bool:
        """Whether taste may give way to popularity."""
        return self.floor and bool(self.prior_half_lives) and self.validation_share > 0

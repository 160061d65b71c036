"""A simulated listening world: audiobooks, podcasts and music joined by planted tastes.

No public data set joins audiobooks and podcasts by user, so the demonstration and the tests run on
this one. It is calibrated to the statistics that the paper publishes and prints its own beside
them; its planted truth answers when a shelf is shown to its users.
"""

from colisten.simulator.report import Figure, WorldReport
from colisten.simulator.response import respond
from colisten.simulator.settings import Country, WorldSettings
from colisten.simulator.simulation import simulate
from colisten.simulator.truth import Truth

__all__ = ["Country", "Figure", "Truth", "WorldReport", "WorldSettings", "respond", "simulate"]

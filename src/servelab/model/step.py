"""The steps of a search for capacity."""

from enum import Enum


class Step(Enum):
    """Why a trial of a search is made."""

    DOUBLING = "doubling"
    BISECTION = "bisection"
    LADDER = "ladder"
    CONFIRMATION = "confirmation"

"""The controller of a search for the best deployment: past trials -> the next round; pure.

Candidates run in rounds, interleaved; who is clearly worse is dropped, and the neighbours of who
leads join, until those that are left can be judged. docs/tuning.md has the simulations behind the
rules.
"""

from servelab.tuning.answer import answer
from servelab.tuning.front import front
from servelab.tuning.race import next_round
from servelab.tuning.replay import Told, measured, not_run, replay

__all__ = ["Told", "answer", "front", "measured", "next_round", "not_run", "replay"]

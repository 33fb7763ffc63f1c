"""NbNet course library: from deep face templates to attack, evaluation and defence.

Rooms, in the order in which they may import each other:
``faces`` -> ``encoders`` -> ``decoders`` -> ``attack`` -> ``evaluate``; ``course`` and ``cli`` sit
on top, ``errors``, ``files`` and ``weights`` lie underneath.
"""

__version__ = "0.1.0"

"""The authors' tools: notebooks from their sources, the whole walk, pages, slides, and the rules.

They work in a clone of the repository and are not installed; ``nbnet build``, ``course``, ``html``
and ``slides`` call them.
"""

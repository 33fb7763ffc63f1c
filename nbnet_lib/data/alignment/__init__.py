"""Faces of a folder, cut out as a recogniser expects them, in parallel and resumable."""

"""Checks of chapter 08, Faces without people."""

"""Checks of chapter 04, Back to pixels, the linear way."""

"""Checks of chapter 03, What a template gives away."""

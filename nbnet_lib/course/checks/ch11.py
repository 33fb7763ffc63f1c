"""Checks of chapter 11, Real systems."""

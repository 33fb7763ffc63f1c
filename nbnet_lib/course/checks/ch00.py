"""Checks of chapter 00, Before you start."""

"""Checks of chapter 09, Training NbNet in full."""

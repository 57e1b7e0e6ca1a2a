"""Seeing: the report page, and later the live console."""

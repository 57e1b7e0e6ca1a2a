"""Staying current: fitting everything, versions on disk, updates."""

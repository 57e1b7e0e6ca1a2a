"""The demo: the bundled data from rows to a page, in one command."""

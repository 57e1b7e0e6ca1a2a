"""One module a table: what it is asked (`arguments`) and what it finds (`run`)."""

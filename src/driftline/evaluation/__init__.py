"""Was it any good: protocols, comparison with intervals, the table."""

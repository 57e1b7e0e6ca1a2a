"""Speed on this machine, as tables; results are printed, never committed."""

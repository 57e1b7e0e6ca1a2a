"""Programs that train one peer in its own environment; each takes a job file and prints one line of JSON."""

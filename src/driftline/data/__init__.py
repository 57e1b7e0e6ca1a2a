"""What happened: event log, catalog, side tables, histories, splits, readers and their quality."""

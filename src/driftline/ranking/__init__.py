"""What to show: candidates, blend, rules, reasons, slate."""

"""How good a number is: ranking, calibration, and intervals by bootstrap."""

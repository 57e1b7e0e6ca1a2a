"""What a user wants: the interest state, how it moves, topics and their names, forecasts."""

"""Speed and quality beside peers, as tables; results go to files that git ignores."""

"""Recurrent models over behaviour sequences, and the one trainer that fits them all; torch lives here alone."""

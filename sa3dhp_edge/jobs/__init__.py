"""Compositions: each job builds what it needs from the layers below, runs it, and says what came out."""

"""Studies: what was tried where the truth is known, as tables, plots and records that others can make again."""

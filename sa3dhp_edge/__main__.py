"""`python -m sa3dhp_edge` is the command line."""

from sa3dhp_edge.cli import main

if __name__ == "__main__":
    main()

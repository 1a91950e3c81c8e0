"""Parses words, calls one job, prints one record."""


def main() -> None:
    """Run the command line."""

"""`python -m fleetfoot` is `fleetfoot`."""

from fleetfoot.cli import main

main()

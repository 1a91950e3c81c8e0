"""`python -m fleetfoot` is `fleetfoot`."""

from fleetfoot.cli import main

if __name__ == "__main__":
    main()

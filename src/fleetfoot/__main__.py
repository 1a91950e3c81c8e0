"""`python -m fleetfoot` is `fleetfoot`.

Python puts the working folder first among those where it looks for modules. It is taken out again,
so that a user's `random.py` or `torch.py` is data.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    if not sys.flags.safe_path and sys.path[:1] == [str(Path.cwd())]:
        del sys.path[0]
    from fleetfoot.cli import main

    main()

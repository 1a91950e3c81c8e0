"""Exported forms, engines and bundles; called, `fleetfoot.deploy(run)` is the verb `deploy`."""

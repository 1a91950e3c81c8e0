"""Counts, times, memory and energy; called, `fleetfoot.measure(net)` is the verb `measure`."""

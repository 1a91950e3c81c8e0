"""Channel counts after a width factor: whole multiples that memory and matrix units like."""


def round_channels(channels: float, *, divisor: int = 8) -> int:
    """Return the multiple of ``divisor`` nearest to ``channels``, never more than 10 % below it.

    The rule of MobileNet and EfficientNet; halves round up, and the least is ``divisor``.

    >>> [round_channels(1.1 * channels) for channels in (16, 40, 80, 320)]
    [16, 48, 88, 352]
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded

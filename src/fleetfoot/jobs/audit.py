"""`fleetfoot audit`: what is in a data set, before anything is trained on it."""

from typing import TYPE_CHECKING

from fleetfoot.core.listener import Listener, Silent

if TYPE_CHECKING:
    from fleetfoot.data.audit import Audit


def audit(data: str, *, listener: Listener | None = None) -> "Audit":
    """Return the audit of a data set; damaged files are listed, not refused.

    Args:
        data: folder, table file, ``digits``, ``mnist:DIR`` or ``cifar10:DIR``.
        listener: hears how far the reading has got.

    Raises:
        DataError: the data set is missing or has no images.
    """
    from fleetfoot.data.audit import audit as audit_data
    from fleetfoot.data.open_data import open_data

    listener = listener or Silent()
    listener.stage(f"reading {data}")
    opened = open_data(data, allow_class_mismatch=True, skip_damaged=True)
    listener.stage(f"auditing {data}")
    return audit_data(opened)

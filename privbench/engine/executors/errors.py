"""What goes wrong between the engine and the process that guesses."""

from __future__ import annotations

from privbench.core.errors import PrivbenchError


class ProtocolError(PrivbenchError):
    """A message that cannot be sent, or that came malformed, oversized or cut short."""


class ChannelClosed(PrivbenchError):
    """The other side has closed the channel, or has ended."""


class ChannelTimeout(PrivbenchError):
    """Nothing, or not all of it, came in the time given."""

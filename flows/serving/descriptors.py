"""How many connections there is room for: the system's limit of open files, and what is kept."""

import contextlib
import resource

RESERVE = 128
"""Files that are none of connections: the service's start takes pipes, and its processes, which
have the same limit, open libraries and sockets of their own."""
OF_ONE_CONNECTION = 2
"""The client's socket and the one to the service."""
MAX_CONNECTIONS = 20_000


def room_for_connections() -> int:
    """How many clients may be connected at once; raises the soft limit as far as it may go."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS * OF_ONE_CONNECTION + RESERVE
    if hard == resource.RLIM_INFINITY or hard > wanted:
        hard = wanted
    if soft != resource.RLIM_INFINITY and soft < hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(
                resource.RLIMIT_NOFILE, (hard, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
            )
            soft = hard
    if soft == resource.RLIM_INFINITY:
        soft = wanted
    return max((min(soft, wanted) - RESERVE) // OF_ONE_CONNECTION, 1)

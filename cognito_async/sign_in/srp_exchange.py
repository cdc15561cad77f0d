"""One SRP exchange: what the client keeps from sending its public number until its proof."""

import asyncio
from contextlib import nullcontext
from secrets import token_bytes

from attrs import field, frozen

from cognito_async.client import CognitoClient
from cognito_async.errors import ParameterValidationError
from cognito_async.event_loop import running_loop
from cognito_async.protocol.shapes import Record
from cognito_async.protocol.srp import Ephemeral, ResultT, Steps, ephemeral, pool_name
from cognito_async.sign_in.user_input import Secret


@frozen(kw_only=True, eq=False, repr=False, getstate_setstate=False)
class Exchange(Record):
    """The secrets of one exchange, whose proof answers ``challenge``. ``group`` is as for ``protocol.srp.prove``."""

    challenge: str
    group: str
    password: str = field(metadata={"secret": True})
    ephemeral: Ephemeral = field(metadata={"secret": True})


class _ComputationQueue:
    """Serializes the computations of one event loop.

    At most one of the waiting computations starts an exchange; the others are proofs, which the service expects within
    seconds. Otherwise many sign-ins would all start, and all proofs would be late.
    """

    def __init__(self) -> None:
        self.starts = asyncio.Lock()
        self.lock = asyncio.Lock()
        self.users = 0


_QUEUES: dict[asyncio.AbstractEventLoop, _ComputationQueue] = {}


async def run(steps: Steps[ResultT], *, starts_exchange: bool = False) -> ResultT:
    """Run a computation, and let the event loop serve other tasks between its slices.

    One computation runs at a time: if each of many sign-ins ran a slice in each turn of the event loop, other tasks
    would wait for all of them.
    """
    loop = running_loop()
    queue = _QUEUES.setdefault(loop, _ComputationQueue())
    queue.users += 1
    try:
        async with queue.starts if starts_exchange else nullcontext(), queue.lock:
            while True:
                try:
                    next(steps)
                except StopIteration as done:
                    result: ResultT = done.value
                    return result
                except BaseException as error:
                    error.__traceback__ = None  # the frames of the computation hold private values
                    raise
                await asyncio.sleep(0)
    finally:
        steps.close()  # after a cancellation, its frame would keep the private values
        queue.users -= 1
        if not queue.users:
            del _QUEUES[loop]


async def start_exchange(challenge: str, group: str, password: Secret[str]) -> Exchange:
    """Draw the key pair of a new exchange, see ``Exchange``."""
    keys = await run(ephemeral(token_bytes), starts_exchange=True)
    return Exchange(challenge=challenge, group=group, password=password.value, ephemeral=keys)


def pool_group(client: CognitoClient) -> str:
    """Return the SRP name of the client's user pool; raise ParameterValidationError if it is bound to none."""
    user_pool_id = client.bound.user_pool_id
    if user_pool_id is None:
        raise ParameterValidationError("user_pool_id", "is required for SRP: pass it to session.client(...)")
    return pool_name(user_pool_id)

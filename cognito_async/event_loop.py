"""The running event loop of asyncio, or an error that says what to do without one."""

import asyncio


def running_loop() -> asyncio.AbstractEventLoop:
    """Return asyncio's event loop; raise RuntimeError under another event loop, such as trio's."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        pass
    raise RuntimeError(
        "cognito_async requires asyncio, and no asyncio event loop is running; nothing was sent. Under trio, run the "
        "calls in a thread with asyncio.run(), or use anyio.run(main, backend='asyncio')."
    )

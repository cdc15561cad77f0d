"""Fakes and helpers that several test packages share.

Which fake to use: ``scripted_transport`` replaces the transport of a session; use it, with a virtual clock of ``clocks``,
for everything that does not depend on HTTP. ``scripted_server`` is an HTTP server that controls every byte; use it for
connections, framing and timeouts. ``LocalPool`` of ``cognito_async.testing`` (with ``processes.running`` for a whole
module) is a complete user pool; use it for flows of several requests. ``bulk_server`` and ``bulk_pool`` are user pools
that count and fail, for bulk jobs in the same process and for jobs that are killed. ``terminal`` runs the command line,
``asgi`` a FastAPI application, ``browser`` Chromium, and ``mocked_http`` mocks aiohttp where its own API matters.
``canaries`` looks for secrets, ``strategies`` generates requests and responses, and ``docs`` reads the documentation.
"""

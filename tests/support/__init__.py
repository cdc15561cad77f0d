"""Fakes and helpers that several test packages share.

Which fake to use: ``scripted_transport`` replaces the transport of a session; use it, with a virtual clock, for
everything that does not depend on HTTP. ``scripted_server`` is an HTTP server that controls every byte; use it for
connections, framing and timeouts. ``LocalPool`` of ``cognito_async.testing`` (with ``processes.running`` for a whole
module) is a complete user pool; use it for flows of several requests. ``bulk_server`` runs bulk jobs against scripted
responses in the process; ``bulk_pool`` is a user pool over HTTP that counts and fails, for jobs that are killed.
``terminal`` runs the command line, ``asgi`` a FastAPI application, ``browser`` Chromium, and ``mocked_http`` mocks
aiohttp where its own API matters. ``clocks`` has event loops with virtual time, ``canaries`` finds secrets,
``strategies`` generates requests and responses, and ``docs`` reads the documentation. For tokens, ``jwt_issuer`` signs
and serves keys, and ``refresh_service`` refreshes and rotates; ``srp_server`` is an independent server side of SRP.
"""

"""What the tokens package imports."""

import json
import subprocess
import sys

from tests.support.processes import ROOT

LOADED = """
import json, sys, cognito_async
loaded = ["cognito_async.tokens" in sys.modules]
import cognito_async.tokens
for name in ("FileTokenStore", "LockingTokenStore", "MemoryTokenStore", "TokenProvider", "TokenStore", "Tokens"):
    assert name in cognito_async.tokens.__all__
    getattr(cognito_async.tokens, name)
loaded += ["cryptography" in sys.modules, "aiohttp" in sys.modules, "cognito_async.bulk" in sys.modules]
print(json.dumps(loaded))
"""


def test_stores_and_provider_need_no_cryptography() -> None:
    """Refresh is part of the base install, and the base package does not load it."""
    command = [sys.executable, "-W", "error", "-c", LOADED]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout) == [False] * 4

"""Decode a ListUsers page repeatedly with each decoder, and print seconds per decode: `decode BLOCKS NAME…`."""
# ruff: noqa: PLC0415 - only the selected decoders have to be installed

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable

from benchmarks.contenders import AIOBOTOCORE, CAPO, OURS, USERS_IN_PAGE
from benchmarks.server import user_page

JSON_ONLY = "json.loads alone"
DECODES_IN_BLOCK = 20
HEADERS = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": "6f2d3c1e-8a4b-4c5d-9e0f-112233445566"}

Decoder = Callable[[], Awaitable[int]]


def cognito_async_decoder(body: bytes) -> Decoder:
    """Decode into typed users."""
    from benchmarks.internals import list_users_decoder

    decode = list_users_decoder(HEADERS, body)

    async def decoded() -> int:
        return len(decode())

    return decoded


def aiobotocore_decoder(body: bytes) -> Decoder:
    """Decode into dicts, with the parser and the model that an aiobotocore client uses."""
    from aiobotocore.parsers import create_parser
    from botocore.session import get_session

    shape = get_session().get_service_model("cognito-idp").operation_model("ListUsers").output_shape
    parser = create_parser("json")
    response = {"headers": HEADERS, "status_code": 200, "body": body, "context": {"operation_name": "ListUsers"}}

    async def decoded() -> int:
        return len((await parser.parse(response, shape))["Users"])

    return decoded


def capo_decoder(body: bytes) -> Decoder:
    """Decode into typed dicts."""
    from capo_cognito_identity_provider.types.list_users_response import deserialize_aws_json_1_1

    async def decoded() -> int:
        return len(deserialize_aws_json_1_1(json.loads(body))["users"])

    return decoded


def json_decoder(body: bytes) -> Decoder:
    """Parse the JSON only: the lower bound."""

    async def decoded() -> int:
        return len(json.loads(body)["Users"])

    return decoded


DECODERS = {
    OURS: cognito_async_decoder,
    AIOBOTOCORE: aiobotocore_decoder,
    CAPO: capo_decoder,
    JSON_ONLY: json_decoder,
}


async def main(blocks: int, names: list[str]) -> None:
    """Let the decoders take turns; print a list of blocks with the seconds per decode of each decoder."""
    body = user_page()
    decoders = [DECODERS[name](body) for name in names]
    for decode in decoders:
        users = await decode()
        if users != USERS_IN_PAGE:
            raise RuntimeError(f"decoded {users} users instead of {USERS_IN_PAGE}")
    print(json.dumps([[await per_decode(decode) for decode in decoders] for _ in range(blocks)]))


async def per_decode(decode: Decoder) -> float:
    """Time a block of decodes."""
    began = time.process_time()
    for _ in range(DECODES_IN_BLOCK):
        await decode()
    return (time.process_time() - began) / DECODES_IN_BLOCK


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2:]))

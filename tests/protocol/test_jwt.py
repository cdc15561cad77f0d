"""The parser of tokens: one text for each token, bounds before any decoding, strict JSON."""

import time
from string import ascii_lowercase, ascii_uppercase, digits
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_async import TokenMalformedError
from cognito_async.protocol.jwt import (
    CHEAP_ELEMENTS,
    MAX_DEPTH,
    MAX_HEADER,
    MAX_TIME,
    MAX_TOKEN,
    Jwt,
    decode_base64url,
    parse_claims,
    parse_object,
    parse_token,
)
from tests.support.jwt_issuer import DROP, NOW, dump, encode

HEADER = dump({"kid": "abc+/=", "alg": "RS256"})
PAYLOAD = dump({"exp": NOW, "sub": "ada"})


def token(header: bytes = HEADER, payload: bytes = PAYLOAD, signature: bytes = b"signature") -> str:
    """Return a token without a valid signature."""
    return f"{encode(header)}.{encode(payload)}.{encode(signature)}"


def header(**changes: Any) -> bytes:
    """Return a header of which members can be changed or dropped."""
    members = {"kid": "abc", "alg": "RS256", **changes}
    return dump({name: value for name, value in members.items() if value is not DROP})


def test_parts_of_a_token_are_decoded() -> None:
    """The key ID is text as received, the signed part as well."""
    parsed = parse_token(token())
    assert isinstance(parsed, Jwt)
    assert (parsed.key_id, parsed.payload, parsed.signature) == ("abc+/=", PAYLOAD, b"signature")
    assert parsed.signed == f"{encode(HEADER)}.{encode(PAYLOAD)}".encode()
    assert parsed.claims == {"exp": NOW, "sub": "ada"}
    assert "ada" not in repr(parsed)


# --- form -------------------------------------------------------------------------------------------------------------

GOOD = token()
HEAD, BODY, SIGNATURE = GOOD.split(".")

MALFORMED: dict[str, Any] = {
    "None": None,
    "bytes": GOOD.encode(),
    "number": 1,
    "empty": "",
    "bearer": f"Bearer {GOOD}",
    "one part": HEAD,
    "two parts": f"{HEAD}.{BODY}",
    "four parts": f"{GOOD}.{SIGNATURE}",
    "five parts (JWE)": f"{GOOD}.AA.AA",
    "trailing dot": f"{GOOD}.",
    "no header": f".{BODY}.{SIGNATURE}",
    "no payload": f"{HEAD}..{SIGNATURE}",
    "no signature": f"{HEAD}.{BODY}.",
    "dots only": "..",
    "space at the start": f" {GOOD}",
    "space at the end": f"{GOOD} ",
    "line feed at the end": f"{GOOD}\n",
    "space inside": f"{HEAD}.{BODY[:5]} {BODY[5:]}.{SIGNATURE}",
    "line feed inside": f"{HEAD}.{BODY[:5]}\n{BODY[5:]}.{SIGNATURE}",
    "NUL inside": f"{HEAD}.{BODY[:5]}\0{BODY[5:]}.{SIGNATURE}",
    "padding of the header": f"{HEAD}=.{BODY}.{SIGNATURE}",
    "padding of the payload": f"{HEAD}.{BODY}==.{SIGNATURE}",
    "padding of the signature": f"{GOOD}=",
    "standard alphabet": f"{HEAD}.{BODY}.+/{SIGNATURE}",
    "one character too many": f"{HEAD}.{BODY}.{'A' * 5}",
    "spare bits": f"{HEAD}.{BODY}.AB",
    "not ASCII": f"{GOOD}é",
    "full-width letters": GOOD.replace("A", "\uff21"),
    "lone surrogate": f"{HEAD}.{BODY}.\ud800",
    "over 16 KiB": token(signature=b"x" * MAX_TOKEN),
    "1 MB": token(payload=b"x" * 1_000_000),
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_token_is_refused(text: Any) -> None:
    """Each with the same error class, and never with an error of Python."""
    assert isinstance(parse_token(text), TokenMalformedError)


@pytest.mark.parametrize("size", [1_000, 16_000, 100_000, 1_000_000, 10_000_000])
def test_large_malformed_token_is_refused_in_little_time(size: int) -> None:
    """However large; the best of several runs, with a margin for slow machines."""
    texts = ["a" * size, "." * size, f"{HEAD}.{'A' * size}.AA", f"{encode(b'[' * (size * 3 // 4))}.AA.AA"]
    for text in texts:
        times = []
        for _ in range(20):
            started = time.perf_counter()
            assert isinstance(parse_token(text), TokenMalformedError)
            times.append(time.perf_counter() - started)
        assert min(times) < 0.0005


@pytest.mark.parametrize(
    "text",
    [
        token(payload=b'{"exp":1,"a":[' + b",".join([b"2.2250738585072011" + b"3" * 100 + b"e-308"] * 90) + b"]}"),
        ".".join([encode(b'{"a":[' + b",".join([b"{}"] * 650) + b"]}"), BODY, "AA"]),
    ],
    ids=["long floats", "header with many elements"],
)
def test_numbers_and_headers_that_are_slow_to_parse_are_refused(text: str) -> None:
    """They would take several times as long as all other checks."""
    assert isinstance(parse_token(text), TokenMalformedError)


def test_longest_token_is_parsed() -> None:
    """16 KiB exactly."""
    start = f"{encode(header(kid='key'))}.{BODY}."
    longest = start.ljust(MAX_TOKEN, "A")
    assert (len(longest) - len(start)) % 4 == 2  # so that one more character is base64url, too
    assert isinstance(parse_token(longest), Jwt)
    assert isinstance(parse_token(f"{longest}A"), TokenMalformedError)


@given(st.binary(max_size=200))
def test_base64url_of_any_bytes_is_decoded(content: bytes) -> None:
    """The encoding without padding, and no other text with the same value."""
    encoded = encode(content).encode()
    assert decode_base64url(encoded) == content
    assert decode_base64url(encoded + b"=") is None
    assert decode_base64url(encoded + b"\n") is None


def test_base64url_has_64_letters() -> None:
    """Each in the last place, where encoders add padding."""
    values = [decode_base64url(b"AAA" + letter.encode()) for letter in f"{ascii_uppercase}{ascii_lowercase}{digits}-_"]
    assert values == [bytes((0, 0, value)) for value in range(64)]


@given(st.text("ABCDEFGHQZabcdgkoswz0189-_+/= \n.", max_size=12))
def test_base64url_has_one_text_for_each_value(text: str) -> None:
    """So no second token has the same parts."""
    decoded = decode_base64url(text.encode())
    assert decoded is None or encode(decoded) == text


# --- header -----------------------------------------------------------------------------------------------------------

HEADERS: dict[str, bytes] = {
    "not JSON": b"kid",
    "cut": HEADER[:-1],
    "trailing data": HEADER + b"x",
    "null": b"null",
    "list": b'["RS256"]',
    "text": b'"RS256"',
    "number": b"1",
    "duplicate alg": b'{"alg":"none","alg":"RS256","kid":"a"}',
    "duplicate kid": b'{"alg":"RS256","kid":"a","kid":"b"}',
    "duplicate by escape": rb'{"alg":"RS256","kid":"a","\u006bid":"b"}',
    "UTF-8 with BOM": b"\xef\xbb\xbf" + HEADER,
    "UTF-16": HEADER.decode().encode("utf-16"),
    "Latin-1": '{"alg":"RS256","kid":"é"}'.encode("latin-1"),
    "NaN": b'{"alg":"RS256","kid":"a","x":NaN}',
    "20,000 levels": b"[" * 12_000,
    "long": header(x="x" * (MAX_HEADER + 1 - len(header(x="")))),
    "without alg": header(alg=DROP),
    **{
        f"alg {alg!r}": header(alg=alg)
        for alg in ("none", "None", "NONE", "", "HS256", "rs256", "RS384", "RS512", "PS256", "ES256", "EdDSA", "RS256 ")
    },
    "alg null": header(alg=None),
    "alg list": header(alg=["RS256"]),
    "alg true": header(alg=True),
    "without kid": header(kid=DROP),
    "kid null": header(kid=None),
    "kid number": header(kid=1),
    "kid list": header(kid=["abc"]),
    "kid empty": header(kid=""),
    "kid long": header(kid="k" * 257),
    "kid half a character": rb'{"alg":"RS256","kid":"\ud800"}',
    "crit": header(crit=["exp"]),
    "crit empty": header(crit=[]),
    "b64": header(b64=False),
    "jwk": header(jwk={"kty": "RSA"}),
    "jku": header(jku="https://attacker.example/jwks.json"),
    "x5u": header(x5u="https://attacker.example/cert.pem"),
    "x5c": header(x5c=["MIIB"]),
    "zip": header(zip="DEF"),
    "typ number": header(typ=1),
    "typ of another token": header(typ="dpop+jwt"),
}


@pytest.mark.parametrize("content", HEADERS.values(), ids=HEADERS.keys())
def test_header_is_refused(content: bytes) -> None:
    """No algorithm is negotiated, no key is taken from the token or a URL in it."""
    assert isinstance(parse_token(token(header=content)), TokenMalformedError)


@pytest.mark.parametrize(
    "content",
    [
        header(typ="JWT"),
        header(typ="jwt"),
        header(kid="k" * 256),
        header(kid="../../etc' OR 1=1 --"),
        header(x=1),
        header(x="x" * (MAX_HEADER - len(header(x="")))),
    ],
)
def test_header_is_accepted(content: bytes) -> None:
    """The key ID may be any text, and unknown members are ignored."""
    assert isinstance(parse_token(token(header=content)), Jwt)


# --- payload ----------------------------------------------------------------------------------------------------------


def nested(levels: int, opening: str = '{"a":', closing: str = "}", inner: str = "{}") -> bytes:
    """Return a payload with some levels."""
    return f'{{"exp":{NOW},"x":{opening * (levels - 2)}{inner}{closing * (levels - 2)}}}'.encode()


PAYLOADS: dict[str, bytes] = {
    "empty object": b"{}",
    "not JSON": b"claims",
    "cut": PAYLOAD[:-1],
    "trailing data": PAYLOAD + PAYLOAD,
    "null": b"null",
    "list": b"[]",
    "text": b'"exp"',
    "duplicate exp": b'{"exp":1,"exp":2000000000}',
    "duplicate in a nested object": b'{"exp":1,"a":{"b":1,"b":2}}',
    "duplicate in a list": b'{"exp":1,"a":[{"b":1,"b":2}]}',
    "UTF-8 with BOM": b"\xef\xbb\xbf" + PAYLOAD,
    "UTF-16": PAYLOAD.decode().encode("utf-16-le"),
    "UTF-8 of half a character": b'{"exp":1,"a":"\xed\xa0\x80"}',
    "escape of half a character": rb'{"exp":1,"a":"\ud800"}',
    "escape of half a character in a name": rb'{"exp":1,"\udc00":1}',
    "control character": b'{"exp":1,"a":"\n"}',
    "single quotes": b"{'exp':1}",
    "comment": b'{"exp":1/**/}',
    "trailing comma": b'{"exp":1,}',
    "NaN": b'{"exp":1,"a":NaN}',
    "Infinity": b'{"exp":1,"a":Infinity}',
    "-Infinity": b'{"exp":1,"a":-Infinity}',
    "1e999": b'{"exp":1,"a":1e999}',
    "float of 33 characters": b'{"exp":1,"a":1.' + b"1" * 31 + b"}",
    "21 digits": b'{"exp":1,"a":' + b"1" * 21 + b"}",
    "5,000 digits": b'{"exp":1,"a":' + b"1" * 5000 + b"}",
    "33 levels of objects": nested(MAX_DEPTH + 1),
    "33 levels of lists": nested(MAX_DEPTH + 1, "[", "]", "[]"),
    "5,000 levels": b'{"exp":1,"a":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "without exp": b'{"sub":"ada"}',
    **{
        f"exp {value}": b'{"exp":' + value.encode() + b"}"
        for value in ("null", "true", '"1800000000"', "1.8e9", "1800000000.0", "1e999", "-1", "[1]", "{}", str(2**63))
    },
    "exp 2**70": f'{{"exp":{2**70}}}'.encode(),
    "exp after the year 9999": f'{{"exp":{MAX_TIME + 1}}}'.encode(),
}


@pytest.mark.parametrize("content", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_payload_is_refused(content: bytes) -> None:
    """Neither RecursionError nor ValueError leaves the parser."""
    assert isinstance(parse_claims(content), TokenMalformedError)
    if content.count(b"[") + content.count(b"{") <= CHEAP_ELEMENTS:
        assert isinstance(parse_token(token(payload=content)), TokenMalformedError)


@pytest.mark.parametrize(
    "content",
    [
        b'{"exp":0}',
        f'{{"exp":{MAX_TIME}}}'.encode(),
        nested(MAX_DEPTH),
        nested(MAX_DEPTH, "[", "]", "[]"),
        b'{"exp":1,"a":"' + b"[{" * 1000 + b'"}',
        b' {"exp" :\t1,\r\n "__proto__": {"a": 1}} ',
        rb'{"exp":1,"a":"\ud83d\ude00 \u00e9"}',
        '{"exp":1,"a":"é😀"}'.encode(),
        b'{"exp":1,"a":1.5,"b":-1234567890123456789,"c":[1,{"b":[]}],"d":null}',
        b'{"exp":1,"a":1.' + b"1" * 30 + b"}",
    ],
)
def test_payload_is_accepted(content: bytes) -> None:
    """Any strict JSON object with an expiry time, within the bounds."""
    assert isinstance(parse_claims(content), dict)


def test_payload_with_many_elements_is_parsed_on_request_only() -> None:
    """A forged token with such a payload must not take longer than its signature check."""
    content = dump({"exp": NOW, "a": list(range(2000))})
    parsed = parse_token(token(payload=content))
    assert isinstance(parsed, Jwt)
    assert parsed.claims is None
    assert parse_claims(parsed.payload) == {"exp": NOW, "a": list(range(2000))}


@pytest.mark.parametrize("element", [b",", b"{", b"["])
def test_elements_of_a_payload_are_counted_before_it_is_parsed(element: bytes) -> None:
    """So that its length and form do not matter."""
    assert isinstance(parse_token(token(payload=element * CHEAP_ELEMENTS)), TokenMalformedError)
    many = parse_token(token(payload=element * (CHEAP_ELEMENTS + 1)))
    assert isinstance(many, Jwt)
    assert many.claims is None


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON))
def test_any_json_object_is_parsed(content: dict[str, Any]) -> None:
    """Numbers and texts come back as they were."""
    assert parse_object(dump(content)) == content


@given(st.binary(max_size=60) | st.text('{}[]":,0123456789eE+-.tfn\\u d8', max_size=60).map(str.encode))
def test_any_bytes_raise_no_error(content: bytes) -> None:
    """An object or None."""
    assert parse_object(content) is None or isinstance(parse_object(content), dict)

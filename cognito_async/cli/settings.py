"""Settings from the command line: the target of requests, and jobs as their journals save them."""

import json
import os
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Final, Literal

from attrs import asdict, evolve, field, fields_dict, frozen

from cognito_async import AsyncCognitoSession, CognitoClient, Quotas, Timeouts
from cognito_async.bulk import BulkPolicy, FileSource, JournaledSource, PoolSource, Source
from cognito_async.bulk.actions import ACTIONS, Action, set_password
from cognito_async.bulk.journal import Fact
from cognito_async.bulk.sources import is_pipe
from cognito_async.cli.errors import CommandError
from cognito_async.cli.output import STANDARD_STREAM
from cognito_async.cli.secrets import SecretValue
from cognito_async.location import Location
from cognito_async.operations.facts import PUBLISHED
from cognito_async.protocol.endpoints import region_of_pool, service_url
from cognito_async.protocol.operation import Operation

FACT: Final = "command line"
"""The name of the journal's fact that holds a job's settings."""

REGIONS: Final = ("AWS_REGION", "AWS_DEFAULT_REGION")
CALL_TIMEOUT: Final = 30.0
QUEUED: Final = 10
"""Requests that may be ahead in the rate limiter's queue; at a low rate they outlast the timeout of a call."""

Format = Literal["csv", "jsonl"]


class Options(SimpleNamespace):
    """Parsed options; an option that a command does not have is as if it was not given."""

    region: str | None = None
    endpoint_url: str | None = None
    user_pool_id: str | None = None
    client_id: str | None = None
    client_secret_file: str | None = None
    ask_client_secret: bool = False
    code_file: str | None = None
    password_file: str | None = None
    input: str | None = None
    format: Format | None = None
    pool: bool = False
    filter: str | None = None
    status: str | None = None
    attribute: tuple[tuple[str, str], ...] = ()
    username: str = ""
    journal: str | None = None
    strict: bool = False
    case_sensitive: bool = False
    dry_run: bool = False
    again: tuple[str, ...] | None = None
    temporary: bool = False
    generate: bool = False
    passwords_file: str | None = None
    rate: float | None = None
    max_errors: int | None = None
    wait: float | None = None
    json: bool = False
    plain: bool = False
    interval: float = 5.0
    columns: tuple[str, ...] | None = None
    output: str | None = None
    html_file: str | None = None
    csv_file: str | None = None
    json_file: str | None = None


@frozen(kw_only=True)
class Target:
    """The target of requests."""

    region: str
    endpoint_url: str | None = None
    """The endpoint; None for the region's endpoint of AWS."""
    user_pool_id: str | None = None
    client_id: str | None = None

    @classmethod
    def of(cls, options: Options) -> "Target":
        """Return the target that options and the environment select."""
        pool = options.user_pool_id or _first("COGNITO_USER_POOL_ID")
        region = options.region or region_of_pool(pool) or _first(*REGIONS)
        if not region:
            raise CommandError("no region: pass --region or set AWS_REGION")
        return cls(
            region=region,
            endpoint_url=options.endpoint_url or Location(None, None, use_fips=None, use_dualstack=None).endpoint_url,
            user_pool_id=pool,
            client_id=options.client_id or _first("COGNITO_CLIENT_ID"),
        )

    def require_user_pool(self) -> None:
        """Raise CommandError if there is no user pool."""
        if not self.user_pool_id:
            raise CommandError("no user pool: pass --user-pool-id or set COGNITO_USER_POOL_ID")

    def require_app_client(self) -> None:
        """Raise CommandError if there is no app client."""
        if not self.client_id:
            raise CommandError("no app client: pass --client-id or set COGNITO_CLIENT_ID")

    def check_endpoint(self, given: str | None) -> None:
        """Require the endpoint of a journal again unless it is AWS's: a changed journal must not choose it."""
        saved = (self.endpoint_url or "").rstrip("/")
        variants = product((False, True), repeat=2)
        own = {service_url(self.region, use_fips=fips, use_dualstack=dualstack) for fips, dualstack in variants}
        if saved in {"", *own} or saved == (given or "").rstrip("/"):
            return
        if given is None:
            raise CommandError(
                f"the journal's endpoint {saved} is not AWS's own; pass --endpoint-url {saved} if you trust it"
            )
        raise CommandError(f"the journal is for the endpoint {saved}; pass that one, or use a new journal")

    def client(self, session: AsyncCognitoSession, secret: SecretValue | None = None) -> CognitoClient:
        """Return a client of the target."""
        return session.client(self.client_id, None if secret is None else secret.value, self.user_pool_id)

    def session(self, rates: Mapping[str, float] | None = None) -> AsyncCognitoSession:
        """Create a session for the target, with AWS's published quotas and other rates for some quota categories."""
        changed = rates or {}
        attributes = {name.replace("_", ""): name for name in fields_dict(Quotas)}
        quotas = evolve(Quotas.published(), **{attributes[name.lower()]: rate for name, rate in changed.items()})
        slowest = min(changed.values(), default=QUEUED)
        timeouts = Timeouts(total=CALL_TIMEOUT + QUEUED / slowest)
        return AsyncCognitoSession(self.region, endpoint_url=self.endpoint_url, quotas=quotas, timeouts=timeouts)


@frozen(kw_only=True)
class UserFilter:
    """A selection of a user pool's users; None and no attributes select all."""

    filter: str | None = None
    """A filter expression of ListUsers."""
    status: str | None = None
    attributes: Mapping[str, str] = field(factory=dict[str, str])

    @classmethod
    def of(cls, options: Options) -> "UserFilter":
        """Return the selection of ``--filter``, ``--status`` and ``--attribute``."""
        return cls(filter=options.filter, status=options.status, attributes=dict(options.attribute))

    def source(self, client: CognitoClient) -> PoolSource:
        """Return a source of these users."""
        return PoolSource(client, filter=self.filter, status=self.status, attributes=self.attributes)


@frozen(kw_only=True)
class JobSettings:
    """Settings of a bulk job, saved in its journal so that the job can be resumed. They hold no secret."""

    action: str
    permanent: bool = True
    """Whether set passwords are permanent; for ``set-password`` only."""
    generate: bool = False
    """Whether passwords are generated; for ``set-password`` only."""
    input: str | None = None
    """The file with the rows; ``-`` for standard input; None for users of the pool."""
    format: Format | None = None
    """The format of the input; None to infer it from the file name."""
    users: UserFilter | None = None
    """The selected users of the pool; None if the rows come from an input."""
    passwords: str | None = None
    """The file for generated passwords."""
    target: Target
    rate: float | None = None
    """Requests per second; None for AWS's published quota."""
    max_errors: int | None = BulkPolicy().max_errors
    """Consecutive errors that stop the job; None for no limit."""
    wait: float = BulkPolicy().longest_pause
    """Seconds that the job waits for deferred rows before it pauses."""
    strict: bool = False
    case_sensitive: bool = False
    """Whether usernames that differ in case only are different users."""
    has_secret: bool = False
    """Whether the app client has a secret, which resuming then needs again."""
    secret_file: str | None = None
    """The file that holds it; None if it comes from the environment or a prompt."""

    def bulk_action(self) -> Action:
        """Return the action."""
        if self.action == "set-password":
            return set_password(permanent=self.permanent, generate=self.generate)
        return ACTIONS[self.action]

    def effective_rate(self) -> float:
        """Return the requests per second."""
        return self.rate or PUBLISHED[quota_category(self.bulk_action().operation)]

    def source(self, client: CognitoClient, *, journaled: bool) -> Source:
        """Return the source of the rows."""
        if self.users is not None:
            return self.users.source(client)
        name = self.input or STANDARD_STREAM
        if journaled and not self.bulk_action().rereads and (name == STANDARD_STREAM or is_pipe(Path(name))):
            return JournaledSource("standard input" if name == STANDARD_STREAM else Path(name).name)
        return FileSource(name, self.format)

    def source_name(self) -> str:
        """Return the name of the source, with a path relative to the current directory."""
        if self.input is None:
            return "the user pool"
        return "standard input" if self.input == STANDARD_STREAM else os.path.relpath(self.input)

    def facts(self) -> dict[str, str]:
        """Return the facts for the journal."""
        return {FACT: json.dumps(asdict(self))}

    def with_options(self, options: Options) -> "JobSettings":
        """Return the settings with the options of ``bulk resume`` applied."""
        region, endpoint_url = options.region or self.target.region, options.endpoint_url or self.target.endpoint_url
        return evolve(
            self,
            target=evolve(self.target, region=region, endpoint_url=endpoint_url),
            rate=options.rate or self.rate,
            max_errors=self.max_errors if options.max_errors is None else options.max_errors or None,
            wait=self.wait if options.wait is None else options.wait,
            secret_file=absolute(options.client_secret_file) if options.client_secret_file else self.secret_file,
        )


def saved_settings(facts: Mapping[str, str], journal: Path) -> JobSettings:
    """Read a job's settings from its journal's facts."""
    try:
        saved = json.loads(facts[FACT])
        users = saved.pop("users")
        target = Target(**saved.pop("target"))
        return JobSettings(**saved, target=target, users=None if users is None else UserFilter(**users))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise CommandError(
            f"{journal} was not started by this version of the command line; resume it with the program that started it"
        ) from None


def source_label(facts: Mapping[str, str]) -> str | None:
    """Return the name of a job's source without its directory; None if the journal has none."""
    try:
        settings = saved_settings(facts, Path())
    except CommandError:  # started by a program
        return facts.get(Fact.SOURCE)
    name = settings.input
    return settings.source_name() if name is None or name == STANDARD_STREAM else Path(name).name


def quota_category(operation: Operation) -> str:
    """Return the quota category of an operation."""
    return operation.category or operation.name


def absolute(path: str) -> str:
    """Return an absolute path, for a job that is resumed from another directory; links are kept."""
    return str(Path(path).absolute())


def _first(*variables: str) -> str | None:
    return next((value for name in variables if (value := os.environ.get(name))), None)

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
from cognito_async.bulk.sources import USER_STATUSES, is_pipe
from cognito_async.cli.errors import CommandError
from cognito_async.cli.output import STANDARD_STREAM, find_file
from cognito_async.cli.secrets import SecretValue
from cognito_async.location import Location
from cognito_async.operations.facts import PUBLISHED
from cognito_async.protocol.endpoints import pool_id_rule, region_of_pool, service_url

FACT: Final = "command line"  # the journal's fact that holds a job's settings
CALL_TIMEOUT: Final = 30.0
QUEUED: Final = 10  # requests that may be ahead in the rate limiter's queue; at a low rate they outlast CALL_TIMEOUT

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
    resolve: bool = False
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
    region: str
    endpoint_url: str | None = None  # None for AWS's endpoint of the region
    user_pool_id: str | None = None
    client_id: str | None = None

    @classmethod
    def of(cls, options: Options, *, needs_user_pool: bool = False) -> "Target":
        pool = options.user_pool_id or os.environ.get("COGNITO_USER_POOL_ID") or None
        if needs_user_pool and not pool:  # before the region, which is part of its ID
            raise CommandError("no user pool: pass --user-pool-id or set COGNITO_USER_POOL_ID")
        known = options.region or os.environ.get("COGNITO_REGION") or region_of_pool(pool)
        endpoint_url = options.endpoint_url or os.environ.get("COGNITO_ENDPOINT_URL") or None
        location = Location(None, endpoint_url, use_fips=None, use_dualstack=None)
        if location.needs_profile(location.region(known)):
            location.read_profile_blocking()
        rule = None if pool is None else pool_id_rule(pool, at_aws=location.is_at_aws)
        if rule is not None:
            raise CommandError(f"{'--user-pool-id' if options.user_pool_id else 'COGNITO_USER_POOL_ID'} {rule}")
        region = location.region(known)
        if not region:
            raise CommandError("no region: pass --region or --user-pool-id, or set COGNITO_REGION or AWS_REGION")
        return cls(
            region=region,
            endpoint_url=location.endpoint_url,
            user_pool_id=pool,
            client_id=options.client_id or os.environ.get("COGNITO_CLIENT_ID") or None,
        )

    def require_app_client(self) -> None:
        if not self.client_id:
            raise CommandError("no app client: pass --client-id or set COGNITO_CLIENT_ID")

    def check_endpoint(self, given: str | None) -> None:
        """Require the endpoint of a journal again unless it is AWS's: a changed journal must not choose it."""
        saved = (self.endpoint_url or "").rstrip("/")
        variants = product((False, True), repeat=2)
        own = {service_url(self.region, use_fips=fips, use_dualstack=dualstack) for fips, dualstack in variants}
        if saved not in {"", *own} and saved != (given or "").rstrip("/"):
            raise CommandError(
                f"the journal is for the endpoint {saved}, which is not AWS's own; pass --endpoint-url {saved} if you"
                " trust it"
            )

    def client(self, session: AsyncCognitoSession, secret: SecretValue | None = None) -> CognitoClient:
        return session.client(self.client_id, None if secret is None else secret.value, self.user_pool_id)

    def session(self, rates: Mapping[str, float] | None = None) -> AsyncCognitoSession:
        """Create a session with AWS's published quotas, except for some categories."""
        changed = rates or {}
        fields = {name.replace("_", ""): name for name in fields_dict(Quotas)}
        quotas = evolve(Quotas.published(), **{fields[name.lower()]: rate for name, rate in changed.items()})
        timeouts = Timeouts(total=CALL_TIMEOUT + QUEUED / min(changed.values(), default=QUEUED))
        return AsyncCognitoSession(self.region, endpoint_url=self.endpoint_url, quotas=quotas, timeouts=timeouts)


@frozen(kw_only=True)
class UserFilter:
    filter: str | None = None
    status: str | None = None
    attributes: Mapping[str, str] = field(factory=dict[str, str])

    @classmethod
    def of(cls, options: Options) -> "UserFilter":
        if options.status is not None and options.status.upper() not in USER_STATUSES:
            raise CommandError(f"--status must be one of {', '.join(USER_STATUSES)}")
        return cls(filter=options.filter, status=options.status, attributes=dict(options.attribute))

    def source(self, client: CognitoClient) -> PoolSource:
        return PoolSource(client, filter=self.filter, status=self.status, attributes=self.attributes)


@frozen(kw_only=True)
class JobSettings:
    """Settings of a bulk job, saved in its journal so that the job can be resumed. They hold no secret."""

    action: str
    permanent: bool = True
    generate: bool = False
    input: str | None = None  # a file; "-" for standard input; None for users of the pool
    format: Format | None = None
    users: UserFilter | None = None  # None if the rows come from an input
    passwords: str | None = None  # the file for generated passwords
    target: Target
    rate: float | None = None  # None for AWS's published quota
    max_errors: int | None = BulkPolicy().max_errors
    wait: float = BulkPolicy().longest_pause
    strict: bool = False
    case_sensitive: bool = False
    resolve: bool = False
    has_secret: bool = False  # whether the app client has one, which resuming then needs again
    secret_file: str | None = None  # None if it comes from the environment or a prompt

    @classmethod
    def of(cls, action: str, options: Options) -> "JobSettings":
        if options.generate != (options.passwords_file is not None):
            raise CommandError("--generate and --passwords-file require each other")
        settings = cls(
            action=action,
            permanent=not options.temporary,
            generate=options.generate,
            input=_input(options),
            format=options.format,
            users=UserFilter.of(options) if options.pool else None,
            passwords=options.passwords_file and _absolute(options.passwords_file),
            target=Target.of(options, needs_user_pool=options.pool or ACTIONS[action].user_pool),
            strict=options.strict,
            case_sensitive=options.case_sensitive,
        )
        return settings.with_options(options)

    def bulk_action(self) -> Action:
        if self.action == "set-password":
            return set_password(permanent=self.permanent, generate=self.generate)
        return ACTIONS[self.action]

    def quota_category(self) -> str:
        operation = self.bulk_action().operation
        return operation.category or operation.name

    def effective_rate(self) -> float:
        return self.rate or PUBLISHED[self.quota_category()]

    def source(self, client: CognitoClient, *, journaled: bool) -> Source:
        if self.users is not None:
            return self.users.source(client)
        name = self.input or STANDARD_STREAM
        if journaled and not self.bulk_action().rereads and (name == STANDARD_STREAM or is_pipe(Path(name))):
            return JournaledSource(Path(self.source_name()).name)
        return FileSource(name, self.format)

    def source_name(self) -> str:
        if self.input is None:
            return "the user pool"
        return "standard input" if self.input == STANDARD_STREAM else os.path.relpath(self.input)

    def target_name(self) -> str:
        target = self.target
        return f"user pool {target.user_pool_id}" if self.bulk_action().user_pool else f"app client {target.client_id}"

    def facts(self) -> dict[str, str]:
        return {FACT: json.dumps(asdict(self))}

    def with_options(self, options: Options) -> "JobSettings":
        names = ("region", "endpoint_url", "user_pool_id", "client_id")
        given = {name: value for name in names if (value := getattr(options, name))}
        return evolve(
            self,
            target=evolve(self.target, **given),
            resolve=self.resolve or options.resolve,
            rate=options.rate or self.rate,
            max_errors=self.max_errors if options.max_errors is None else options.max_errors or None,
            wait=self.wait if options.wait is None else options.wait,
            secret_file=_absolute(options.client_secret_file) if options.client_secret_file else self.secret_file,
        )


def saved_settings(facts: Mapping[str, str], journal: Path) -> JobSettings:
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
        return Path(saved_settings(facts, Path()).source_name()).name
    except CommandError:  # started by a program
        return facts.get(Fact.SOURCE)


def _input(options: Options) -> str | None:
    if options.pool:
        if options.input is not None:
            raise CommandError("INPUT and --pool are mutually exclusive")
        return None
    if options.filter or options.status or options.attribute:
        raise CommandError("--filter, --status and --attribute require --pool")
    if options.input is None:
        raise CommandError("missing INPUT: pass a CSV or JSON Lines file, or --pool to select users from the pool")
    if options.input == STANDARD_STREAM:
        return STANDARD_STREAM
    if find_file(Path(options.input)) is None:
        raise CommandError(f"input file not found: {options.input}")
    return _absolute(options.input)


def _absolute(path: str) -> str:
    """Return an absolute path, for a job that is resumed from another directory; links are kept."""
    return str(Path(path).absolute())

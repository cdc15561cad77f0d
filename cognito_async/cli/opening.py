"""What is said before a job begins."""

from attrs import frozen

from cognito_async.cli.wording import clean, pace


@frozen(kw_only=True)
class Opening:
    """What a run is about.

    Attributes:
        action: The action's label.
        does: What it does.
        rows: Where the rows come from.
        target: The user pool or the app client.
        region: The region.
        endpoint_url: The service's address; None for AWS's own.
        journal: The journal.
        continued: Whether the journal was there before.
        rate: Requests a second.
        published: Whether that is AWS's published rate.
        category: The quota category that the requests count against.
    """

    action: str
    does: str
    rows: str
    target: str
    region: str
    endpoint_url: str | None
    journal: str
    continued: bool
    rate: float
    published: bool
    category: str

    def lines(self) -> list[str]:
        """Say it for people."""
        where = f"{self.target} in {self.region}" + (f" at {self.endpoint_url}" if self.endpoint_url else "")
        told = f"at most {pace(self.rate)} requests a second"
        if self.published:
            told += f", AWS's published quota of {self.category}; --rate takes another"
        return [
            clean(f"{self.action}: {self.does}"),
            clean(f"  users    {self.rows}, {where}"),
            clean(f"  journal  {self.journal}{' (goes on where it was)' if self.continued else ''}"),
            f"  pace     {told}",
            "           the account's quota is shared with your applications and their users",
        ]

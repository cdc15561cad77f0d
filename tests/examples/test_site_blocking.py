"""The example site and the loop: once it serves, no page waits for the disk."""

import sys

import pytest
from blockbuster import blockbuster_ctx

from tests.examples.site_stage import part
from tests.examples.test_site_faults import form_of, troubled
from tests.support.scripted_server import answer

TOKENS = {"AuthenticationResult": {"AccessToken": "a" * 40, "ExpiresIn": 3600}}
PAGES = ("/sign-in", "/sign-up", "/confirm-sign-up", "/forgot-password", "/reset-password", "/inbox", "/nowhere")


@pytest.fixture
def _never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the site's modules, and so all that other tests have made it read."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "fastapi_app"]:
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.usefixtures("_never_shown")
async def test_no_page_waits_for_the_disk() -> None:
    """Each page, an error page and the account among them, is shown for the first time and again from memory."""

    async def mailbox() -> list[object]:
        return []

    async with troubled(mailbox) as trouble:
        user = answer({"Username": "disk", "UserAttributes": []})
        async with trouble.visit(answer(TOKENS), otherwise=user) as visitor:
            with blockbuster_ctx(["jinja2", sys.modules["fastapi_app"]]):
                for _ in range(2):
                    codes = [(await visitor.get(page)).status_code for page in PAGES]
                    assert codes == [200] * (len(PAGES) - 1) + [404]
                await visitor.post("/sign-in", data=dict(form_of("disk")))
                assert (await visitor.get("/account")).status_code == 200


async def test_the_measurement_would_notice() -> None:
    """A template that is looked at again is a failure."""
    templates = part("desk")._TEMPLATES
    with blockbuster_ctx(["jinja2", sys.modules["fastapi_app"]]), pytest.raises(Exception, match="Blocking call"):
        templates.env.loader.get_source(templates.env, "base.html")

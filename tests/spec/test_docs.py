"""The rendered page in a real browser: what is visible at once, what a click shows, and that it sends no requests."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

import docs
from document import DOCUMENT
from shipengine_tracking.testing import FakeShipEngine, Subscription
from spec_lookup import METHODS, resolved

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
START, UPDATE = "POST/v1/tracking/start", "webhook/POST/tracking-update"
# By the end of the ID of its section.
OPERATIONS: dict[str, dict[str, Any]] = {
    f"{method.upper()}{path}": item[method]
    for path, item in DOCUMENT["paths"].items()
    for method in METHODS
    if method in item
} | {UPDATE: DOCUMENT["webhooks"]["tracking_update"]["post"]}

HOST, KEY, PACKAGE = "https://api.shipengine.com", "YOUR_SECRET_TOKEN", ("stamps_com", "9405511899223197428490")
GUIDE = "C# Go HTTP Java JavaScript Node.js Objective-C PHP PowerShell Python Ruby Shell Swift"
RUNNERS = {"Go": "go run", "Node.js": "node", "PHP": "php", "Python": sys.executable, "Ruby": "ruby", "Shell": "bash"}
BEFORE = {"PHP": "<?php\n", "Python": "import requests\n"}

NO_BROWSER = not CHROMIUM and os.environ.get("CI") != "true"
pytestmark = [pytest.mark.slow, pytest.mark.skipif(NO_BROWSER, reason="Chromium is missing: apt-get install chromium")]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    path = tmp_path_factory.mktemp("docs") / "index.html"
    docs.main(path)
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM or "chromium", args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda sent: complaints.append(sent.url) if sent.url != path.as_uri() else None)
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path.as_uri())
        expect(page.get_by_role("heading", name=DOCUMENT["info"]["title"])).to_be_visible()
        parts = page.locator(".responses-list--tree, [id$='models/KnownErrorCode-content']")
        while parts.count() < len(OPERATIONS) + 1:  # the page renders a part when it comes near
            page.evaluate("scrollTo(0, scrollY + innerHeight > document.body.scrollHeight - 2 ? 0 : scrollY + 400)")
            page.wait_for_timeout(20)
        yield page
        browser.close()
    assert complaints == []


def section(page: Page, operation: str) -> Locator:
    return page.locator(f"section[id$='{operation}']")


def choose(card: Locator, picker: str, option: str = "", group: str | None = None) -> str:
    """Choose an option of a card, and return the text that the card then shows."""
    card.get_by_test_id(picker).click()
    options = card.page.get_by_role("group", name=group, exact=True) if group else card.page
    options.get_by_role("option", name=option, exact=bool(option)).click()
    return card.locator("pre > code").inner_text()


def plain(markdown: str) -> str:
    """The text of a description as a browser shows it, in one line."""
    return " ".join(re.sub(r"^(#+|-) |[`*]", "", markdown, flags=re.MULTILINE).split())


def assert_contains(text: str, *descriptions: str) -> None:
    for description in descriptions:
        assert plain(description) in plain(text)


def first_media(node: dict[str, Any]) -> dict[str, Any]:
    """The first media type of a body, which is the one that Scalar shows."""
    return next(iter(resolved(DOCUMENT, node).get("content", {}).values()), {"schema": {}, "examples": {}})


@pytest.mark.parametrize("width", [1400, 390])
def test_page_is_no_wider_than_the_screen_and_shows_the_introduction(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 850})
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert_contains(page.inner_text("body"), DOCUMENT["info"]["title"], DOCUMENT["info"]["description"])


@pytest.mark.parametrize("operation", OPERATIONS)
def test_operation_shows_its_parameters_and_response_schemas_without_a_click(page: Page, operation: str) -> None:
    described = OPERATIONS[operation]
    text = section(page, operation).inner_text()
    assert_contains(text, described["summary"], described["description"])
    for parameter in [resolved(DOCUMENT, parameter) for parameter in described.get("parameters", [])]:
        assert_contains(text, parameter["name"], parameter["schema"]["description"])
    rows = section(page, operation).locator(".responses-list--tree > li").all()
    shown = {names[0]: set(names) for names in [row.locator(".property-name").all_inner_texts() for row in rows]}
    for status, response in described["responses"].items():
        assert_contains(text, resolved(DOCUMENT, response)["description"])
        schema = resolved(DOCUMENT, first_media(response)["schema"])
        assert set(resolved(DOCUMENT, schema.get("items", schema)).get("properties", {})) <= shown[status]


def test_webhook_shows_the_receiver_and_each_example(page: Page) -> None:
    described, card = OPERATIONS[UPDATE], section(page, UPDATE).locator(".request-card")
    blocks = section(page, UPDATE).locator("pre").all_inner_texts()
    assert plain(described["x-codeSamples"][0]["source"]) in map(plain, blocks)
    for name, example in first_media(described["requestBody"])["examples"].items():
        shown = choose(card, "example-picker", name)
        assert json.loads(shown) == resolved(DOCUMENT, example)["value"]


def test_client_picker_shows_the_written_samples_and_the_languages_of_the_guide(page: Page) -> None:
    card, languages = section(page, START).locator(".request-card"), GUIDE.split()
    for sample in OPERATIONS[START]["x-codeSamples"]:
        assert choose(card, "client-picker", sample["label"], "Code Examples").split() == sample["source"].split()
    for language in languages:
        shown = choose(card, "client-picker", group=language)
        assert all(part in shown for part in ("api.shipengine.com", "/v1/tracking/start", *PACKAGE, "API-Key", KEY))
        assert "carrier_id" not in shown
    card.get_by_test_id("client-picker").click()
    assert page.get_by_role("group").locator("> [id$=label]").all_inner_texts() == ["Code Examples", *languages]
    assert page.get_by_role("option").count() == len(OPERATIONS[START]["x-codeSamples"]) + len(languages)
    page.keyboard.press("Escape")


@pytest.mark.parametrize("language", [name for name, command in RUNNERS.items() if shutil.which(command.split()[0])])
def test_generated_sample_starts_tracking(page: Page, language: str, fake: FakeShipEngine, tmp_path: Path) -> None:
    source = choose(section(page, START).locator(".request-card"), "client-picker", group=language)
    for old, new in [(HOST, fake.url), (KEY, fake.api_key), ("use_ssl = true", "use_ssl = false")]:
        source = source.replace(old, new)
    path = tmp_path / "sample.go"  # Go requires the extension
    path.write_text(BEFORE.get(language, "") + source)
    subprocess.run([*RUNNERS[language].split(), path], check=True, capture_output=True, timeout=60)
    assert fake.subscriptions == [Subscription(PACKAGE[1], PACKAGE[0], None)]


def test_error_catalogue_shows_all_codes_after_a_click(page: Page) -> None:
    catalogue = page.locator("[id$='models/KnownErrorCode-content']")
    for button in catalogue.get_by_text("Show all values").all():
        button.click()
    descriptions = DOCUMENT["components"]["schemas"]["KnownErrorCode"]["x-enumDescriptions"]
    assert_contains(catalogue.inner_text(), *[f"{code} {description}" for code, description in descriptions.items()])

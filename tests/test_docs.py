"""The rendered page, in a real browser: what a reader sees, at once and after a click, and that it asks nobody."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Locator, Page, ViewportSize, expect, sync_playwright

import docs
from document import DOCUMENT

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
OPERATION = DOCUMENT["paths"]["/v1/tracking/start"]["post"]
WEBHOOK = DOCUMENT["webhooks"]["tracking_update"]["post"]
SIZES = {"desktop": ViewportSize(width=1400, height=900), "phone": ViewportSize(width=390, height=844)}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not CHROMIUM and os.environ.get("CI") != "true",
        reason="Chromium is missing: apt-get install chromium, then the page is tested too",
    ),
]


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """What a reference stands for."""
    found: Any = DOCUMENT
    for key in node["$ref"].split("/")[1:] if "$ref" in node else ():
        found = found[key]
    return found if "$ref" in node else node


def paragraphs(markdown: str) -> list[str]:
    """The sentences of a description as a browser shows them."""
    blocks = re.split(r"\n\n|\n(?=- )", re.sub(r"^#+ (.*)$", r"\n\1\n", markdown, flags=re.MULTILINE))
    return [" ".join(re.sub("[`*]", "", block.strip().removeprefix("- ")).split()) for block in blocks if block.strip()]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page, in a place with nothing beside it."""
    page = tmp_path_factory.mktemp("docs") / "index.html"
    docs.main(page)
    return page


class Visit(NamedTuple):
    """The page as it opened from a file, and whatever it complained of or asked for since."""

    page: Page
    complaints: list[str]


@pytest.fixture(scope="module", params=list(SIZES))
def visit(request: pytest.FixtureRequest, built: Path) -> Iterator[Visit]:
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM or "nowhere: apt-get install chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport=SIZES[request.param])
        page.on("request", lambda asked: complaints.append(asked.url) if asked.url != built.as_uri() else None)
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(built.as_uri())
        expect(page.get_by_role("heading", name=DOCUMENT["info"]["title"])).to_be_visible()
        scroll_through(page)
        yield Visit(page, complaints)
        browser.close()


@pytest.fixture
def page(visit: Visit) -> Page:
    return visit.page


def scroll_through(page: Page) -> None:
    """Come by every part once, because the page draws a part when it comes near."""
    page.evaluate(
        """async () => {
            const end = () => window.scrollY + window.innerHeight >= document.documentElement.scrollHeight - 1
            for (let step = 0; step < 300 && !end(); step++) {
                window.scrollBy(0, window.innerHeight / 2)
                await new Promise(drawn => requestAnimationFrame(() => setTimeout(drawn, 20)))
            }
        }"""
    )
    expect(page.locator("[id$='models/KnownStatusDetailCode-content']")).to_be_visible()
    page.evaluate("window.scrollTo(0, 0)")


def shown(page: Page) -> str:
    """All text that can be seen now, in one line."""
    return " ".join(page.inner_text("body").split())


def test_the_story_is_told(page: Page) -> None:
    text = shown(page)
    assert DOCUMENT["info"]["title"] in text
    for paragraph in paragraphs(DOCUMENT["info"]["description"]):
        assert paragraph in text


def test_nothing_is_wider_than_the_screen(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("operation", [OPERATION, WEBHOOK], ids=["operation", "webhook"])
def test_operation_parameters_and_answers_are_there_at_once(page: Page, operation: dict[str, Any]) -> None:
    text = shown(page)
    assert operation["summary"] in text
    expected = paragraphs(operation["description"])
    for parameter in map(resolved, operation["parameters"]):
        assert parameter["name"] in text
        expected += paragraphs(parameter["schema"]["description"])
    for status, answer in operation["responses"].items():
        assert status in text
        expected += paragraphs(resolved(answer)["description"])
    for paragraph in expected:
        assert paragraph in text


def test_pointing_at_it_shows_the_example_of_each_parameter(page: Page) -> None:
    for parameter in map(resolved, [*OPERATION["parameters"], *WEBHOOK["parameters"]]):
        (example,) = parameter["schema"]["examples"]
        value = page.get_by_label(f"Copy example value: {example}").first
        page.locator(".property-example", has=value).first.hover()
        expect(value).to_be_visible()


def test_a_click_shows_each_code_sample(page: Page) -> None:
    card = page.locator(".request-card").first
    for sample in OPERATION["x-codeSamples"]:
        card.get_by_test_id("client-picker").click()
        page.get_by_role("option", name=sample["label"], exact=True).click()
        assert card.locator("pre > code").inner_text().split() == sample["source"].split()


def test_a_click_shows_each_answer_with_each_of_its_examples(page: Page) -> None:
    card = page.locator(".response-card").first
    for status, answer in OPERATION["responses"].items():
        card.get_by_role("tab", name=f"Status: {status} ").click()
        assert paragraphs(resolved(answer)["description"])[0] in " ".join(card.inner_text().split())
        for media in list(resolved(answer).get("content", {}).values())[:1]:  # the renderer shows the first one only
            assert_examples_are_shown(page, card, media["examples"])


def test_a_click_shows_each_update_that_a_webhook_may_get(page: Page) -> None:
    examples = WEBHOOK["requestBody"]["content"]["application/json"]["examples"]
    assert_examples_are_shown(page, page.locator(".request-card").nth(3), examples)  # after start, stop and get


def test_a_click_shows_the_whole_error_catalogue(page: Page) -> None:
    catalogue = page.locator("[id$='models/KnownErrorCode-content']")
    for button in catalogue.get_by_text("Show all values").all():
        button.click()
    text = " ".join(catalogue.inner_text().split())
    descriptions = DOCUMENT["components"]["schemas"]["KnownErrorCode"]["x-enumDescriptions"]
    assert len(descriptions) == 50
    for code, description in descriptions.items():
        assert f"{code} {paragraphs(description)[0]}" in text


def test_after_all_that_it_has_asked_nobody_and_complained_of_nothing(visit: Visit) -> None:
    assert visit.complaints == []


def assert_examples_are_shown(page: Page, card: Locator, examples: dict[str, Any]) -> None:
    """Each can be chosen, if there is a choice, and shows its value."""
    for name, example in examples.items():
        if len(examples) > 1:
            card.get_by_test_id("example-picker").click()
            page.get_by_role("option", name=name, exact=True).click()
        value = resolved(example)["value"]
        written = value if isinstance(value, str) else json.dumps(value, indent=2)
        assert card.locator("pre > code").inner_text().split() == written.split()

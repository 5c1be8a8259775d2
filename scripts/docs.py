"""Render the spec as one HTML file that works offline: `make docs`.

The renderer is Scalar. Its bundle is part of the package `offapi`, so neither node nor the network is needed.
"""

import json
from importlib import resources
from pathlib import Path
from typing import Any

from spec import SPEC, load

PAGE = SPEC.parent.parent / "build" / "docs" / "index.html"
# Scalar can only hide clients. It shows those that are not listed here: one for each language in ShipEngine's guide.
HIDDEN_CLIENTS = """c clojure dart fsharp julia kotlin ocaml r rust aiohttp asynchttp axios csharp/restsharp guzzle
    httpie httpx_async httpx_sync jquery laravel nethttp ofetch python3 undici unirest webrequest wget xhr"""
OPTIONS = {
    # Send no requests to other hosts: no fonts, no assistant, no calls to the API.
    "withDefaultFonts": False,
    "telemetry": False,
    "agent": {"disabled": True},
    "mcp": {"disabled": True},
    "showDeveloperTools": "never",
    "hideTestRequestButton": True,
    "hideClientButton": True,
    "documentDownloadType": "none",
    # Show the whole spec, in its order, without a click. `expandAllSchemaProperties` makes the page four times as long.
    "defaultOpenAllTags": True,
    "expandAllModelSections": True,
    "expandAllResponses": True,
    "orderSchemaPropertiesBy": "preserve",
    "orderRequiredPropertiesFirst": False,
    "hiddenClients": HIDDEN_CLIENTS.split(),
    # Scalar truncates these texts. The hidden parts repeat schemas, or show references instead of examples.
    "customCss": """
        .markdown-summary.truncate { display: block; white-space: normal }
        .markdown pre, .markdown pre * { white-space: pre-wrap !important }
        .request-card pre code * { white-space: pre-wrap !important; word-break: break-all }
        .response-card .scalar-card-content { grid-template-columns: minmax(0, 1fr) }
        .response-card .response-description-markdown { max-height: none } .response-card .tab-list { flex-wrap: wrap }
        .response-card-footer button * { line-height: 1.4 } /* 1 cuts underscores off */
        .scalar-card-checkbox { display: none !important } /* Scalar's own rule is more specific */
        .responses-list--tree .property--level-0 > * > .property-example { display: none }""",
}
TEMPLATE = """<!doctype html>
<html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'unsafe-inline' 'unsafe-eval' data: blob:">
<title>{title}</title><link rel="icon" href="data:,">
<div id="page"></div><script>{bundle}</script>
<script>Scalar.createApiReference("#page", {options})</script>
"""


def adapt_for_scalar(document: dict[str, Any]) -> dict[str, Any]:
    """Change what Scalar would not show or would show wrongly, and return the document."""
    carrier_id = document["components"]["parameters"]["carrier_id"]
    (value,) = carrier_id["schema"].pop("examples")
    carrier_id["examples"] = {"default": {"value": value, "x-disabled": True}}  # or Scalar's samples would send it
    for webhook in document["webhooks"].values():
        for sample in webhook["post"]["x-codeSamples"]:  # Scalar does not show these
            webhook["post"]["description"] += f"\n```{sample['lang'].lower()}\n{sample['source']}\n```\n"
    return document


def main(page: Path = PAGE) -> None:
    """Write the page and print its path."""
    document = adapt_for_scalar(load(SPEC))
    bundle = (resources.files("offapi") / "scalar.js").read_text().replace("</script", r"<\/script")
    options = json.dumps({**OPTIONS, "content": document}).replace("</", r"<\/")
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(TEMPLATE.format(title=document["info"]["title"], bundle=bundle, options=options))
    print(f"Open {page} in a browser.")


if __name__ == "__main__":
    main()

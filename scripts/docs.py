"""Render the spec as one HTML file that works offline, by itself: `make docs`.

The page is Scalar's; its bundle lies in the package `offapi`, so neither node nor the network is needed.
"""

import json
from importlib import resources
from pathlib import Path

from spec import SPEC, load

PAGE = SPEC.parent.parent / "build" / "docs" / "index.html"
OPTIONS = {
    # Nothing may ask another host: no fonts, no assistant, no requests to the API from the page.
    "withDefaultFonts": False,
    "telemetry": False,
    "agent": {"disabled": True},
    "mcp": {"disabled": True},
    "showDeveloperTools": "never",
    "hideTestRequestButton": True,
    "hideClientButton": True,
    "documentDownloadType": "none",
    # What the spec says, in its order, and no generated samples beside its own.
    "hiddenClients": True,
    "defaultOpenAllTags": True,
    "expandAllModelSections": True,
    "orderSchemaPropertiesBy": "preserve",
    "orderRequiredPropertiesFirst": False,
    # Each answer says in its line what it means, instead of breaking off.
    "customCss": ".markdown-summary.truncate { display: block; white-space: normal }",
}
TEMPLATE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'unsafe-inline' 'unsafe-eval' data: blob:">
<title>{title}</title>
<link rel="icon" href="data:,">
<div id="page"></div>
<script>{bundle}</script>
<script>Scalar.createApiReference("#page", {options})</script>
</html>
"""


def main(page: Path = PAGE) -> None:
    """Write the page and say where it is."""
    document = load(SPEC)
    bundle = (resources.files("offapi") / "scalar.js").read_text().replace("</script", r"<\/script")
    options = json.dumps({**OPTIONS, "content": document}).replace("</", r"<\/")
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(TEMPLATE.format(title=document["info"]["title"], bundle=bundle, options=options))
    print(f"Open {page} in a browser.")


if __name__ == "__main__":
    main()

"""The API's own documentation, which needs no other host: Swagger UI comes with the installation."""

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

router = APIRouter(include_in_schema=False)
ASSETS = "/docs/assets"
# What Swagger UI shows of our document are data: URIs; its styles are set by its script.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: API</title>
<link rel="stylesheet" href="{root}/docs/assets/swagger-ui.css">
</head>
<body>
<noscript>This page needs JavaScript; <a href="{root}/openapi.json">the OpenAPI document</a> does not.</noscript>
<div id="api" data-document="{root}/openapi.json"></div>
<script src="{root}/docs/assets/swagger-ui-bundle.js"></script>
<script src="{root}/docs/start.js"></script>
</body>
</html>
"""
START = """SwaggerUIBundle({
  dom_id: "#api",
  url: document.getElementById("api").dataset.document,
  deepLinking: true,
  tryItOutEnabled: true,
  validatorUrl: null,
  persistAuthorization: false,
});
"""


def assets() -> StaticFiles:
    """The files of Swagger UI."""
    return StaticFiles(directory=Path(str(files("fastapi_offline"))) / "static")


@router.get("/docs")
async def page(request: Request) -> HTMLResponse:
    """Show the OpenAPI document, with a box for the key under "Authorize"."""
    root = request.scope.get("root_path", "")
    body = PAGE.format(title=request.app.title, root=root)
    return HTMLResponse(body, headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY})


@router.get("/docs/start.js")
async def start() -> Response:
    """Start Swagger UI; a script in the page itself would need a weaker policy."""
    return Response(START, media_type="text/javascript")

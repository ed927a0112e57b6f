"""The documentation at /docs needs no other host, and nothing but what the service itself sends may run in it."""

import re

from fastapi.testclient import TestClient


def test_the_page_and_all_that_it_loads_come_from_the_service(client: TestClient) -> None:
    page = client.get("/docs")

    loaded = re.findall(r'(?:src|href|data-document)="([^"]+)"', page.text)
    assert page.status_code == 200
    assert "/docs/assets/swagger-ui-bundle.js" in loaded
    assert all(path.startswith("/") and not path.startswith("//") for path in loaded)
    assert {client.get(path).status_code for path in loaded} == {200}


def test_no_script_may_stand_in_the_page(client: TestClient) -> None:
    page = client.get("/docs")

    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert re.findall(r"<script(?![^>]*src=)", page.text) == []


def test_behind_a_prefix_the_page_loads_what_lies_behind_it(client: TestClient) -> None:
    behind = TestClient(client.app, root_path="/ted")

    assert 'src="/ted/docs/assets/swagger-ui-bundle.js"' in behind.get("/docs").text


def test_the_files_beside_them_stay_where_they_are(client: TestClient) -> None:
    assert client.get("/docs/assets/../core.py").status_code == 404
    assert client.get("/docs/assets/%2e%2e/core.py").status_code == 404

"""A client gets the form that its Accept header likes best (RFC 9110, section 12.5.1)."""

import pytest

from service.http.negotiation import preferred_media_type

JSON, HTML = "application/json", "text/html"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        pytest.param(None, JSON, id="no header"),
        pytest.param("", JSON, id="an empty one"),
        pytest.param("*/*", JSON, id="anything"),
        pytest.param(HTML, HTML, id="by name"),
        pytest.param("Text/HTML", HTML, id="in capitals"),
        pytest.param("text/*", HTML, id="by kind"),
        pytest.param(BROWSER, HTML, id="a browser"),
        pytest.param("text/html;q=0.5, application/json", JSON, id="by weight"),
        pytest.param(
            "text/html; charset=utf-8; q=0.9, application/json; q=0.8", HTML, id="parameters beside the weight"
        ),
        pytest.param("text/html, application/json", JSON, id="alike"),
        pytest.param("text/html;q=0, */*", JSON, id="anything but"),
        pytest.param("application/json;q=0, */*;q=0.1", HTML, id="anything but, the other way round"),
        pytest.param("text/html;q=0.2, text/*, application/json;q=0.5", JSON, id="the more specific range counts"),
        pytest.param("image/png", JSON, id="neither"),
        pytest.param("text/html;q=high, application/json;q=0.1", JSON, id="a weight that is no number"),
        pytest.param("text/html;q=nan, application/json;q=0.1", JSON, id="a weight that is not even comparable"),
        pytest.param(",;q=1,,/", JSON, id="nonsense"),
    ],
)
def test_the_media_type_that_the_client_prefers_is_sent(accept: str | None, chosen: str) -> None:
    assert preferred_media_type(accept, [JSON, HTML]) == chosen

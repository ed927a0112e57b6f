"""Alerts and dashboard ask for numbers that the service tells, in Prometheus's own language."""

import json
import re
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine

from service.metrics import RENDERERS, MetricsCollector
from ted_jobs.metrics_snapshot import metrics_snapshot
from tests.deployment.test_compose import COMPOSE, ROOT
from tests.servers.databases import DATABASES, migrated

FOLDER = ROOT / "deploy" / "monitoring"
ALERTS = [rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboards" / "ted.json").read_text())
TARGETS = [target for panel in DASHBOARD["panels"] for target in panel["targets"]]
QUERIES = [*(rule["expr"] for rule in ALERTS), *(target["expr"] for target in TARGETS)]
OF_PROMETHEUS = {"up"}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An empty database: what a service tells that has just begun."""
    with DATABASES["sqlite"](tmp_path_factory.mktemp("home")) as url, migrated(url) as engine:
        yield engine


@pytest.fixture(scope="module")
def told(engine: Engine) -> dict[str, set[str]]:
    """Every metric that the service tells, and its statuses and phases."""
    _, render = RENDERERS["text/plain"]
    told: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(render(MetricsCollector(metrics_snapshot(engine))).decode()):
        if family.type == "summary":  # it has no samples before the first job
            told |= {f"{family.name}_{part}": set() for part in ("sum", "count")}
        for sample in family.samples:
            told.setdefault(sample.name, set()).update(sample.labels.values())
    return told


def selectors(query: str) -> list[promql_parser.VectorSelector]:
    """Each metric that a query reads."""
    nodes: list[promql_parser.Expr] = []
    promql_parser.walk(promql_parser.parse(query), nodes.append)
    return [node for node in nodes if isinstance(node, promql_parser.VectorSelector)]


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_reads_what_the_service_tells(query: str, told: dict[str, set[str]]) -> None:
    read = selectors(query)

    assert read
    for selector in read:
        assert selector.name in told.keys() | OF_PROMETHEUS
        for matcher in selector.matchers.matchers if selector.name in told else ():
            assert set(matcher.value.split("|")) <= told[selector.name]


def test_every_alert_says_what_to_do_and_is_in_the_table_of_the_operations_page() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    (table,) = re.findall(r"^\| alert \|.*?\n\n", page, re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^\| `(Ted\w+)`", table, re.MULTILINE)

    assert rows == [rule["alert"] for rule in ALERTS]
    for rule in ALERTS:
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert len(rule["annotations"]["summary"]) > 40


def test_panels_have_titles_places_and_the_data_source_that_is_provisioned() -> None:
    (source,) = yaml.safe_load((FOLDER / "grafana.yml").read_text())["datasources"]
    places = [tuple(panel["gridPos"].values()) for panel in DASHBOARD["panels"]]

    assert len({panel["title"] for panel in DASHBOARD["panels"]}) == len(set(places)) == len(places)
    assert {target["datasource"]["uid"] for target in TARGETS} == {source["uid"]}
    assert all(x + width <= 24 for x, _, width, _ in places)


def test_what_the_containers_read_is_there() -> None:
    for name in ("prometheus", "grafana"):
        sources = [volume.split(":")[0] for volume in COMPOSE["services"][name]["volumes"]]
        assert all((ROOT / source).exists() for source in sources if source.startswith("./"))
        assert COMPOSE["services"][name]["profiles"] == ["monitoring"]
    assert COMPOSE["services"]["prometheus"]["volumes"][0].endswith(":/etc/prometheus:ro")
    assert (FOLDER / "prometheus.yml").exists()
    assert "TED_METRICS" in COMPOSE["services"]["api"]["environment"]


def test_nobody_can_change_grafana() -> None:
    settings = COMPOSE["services"]["grafana"]["environment"]

    assert settings["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == settings["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"

"""Rules, dashboard and autoscaler stand on metrics that the real server was seen to export."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.request
from pathlib import Path

import pytest
import yaml

from bacctl.server.embedded import EmbeddedServer

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
RECORDED = {
    line
    for line in (Path(__file__).parent / "triton_metrics.txt").read_text().splitlines()
    if not line.startswith("#")
}
METRIC = re.compile(r"\b(?:nv|bacctl)_[a-z_]+")
FILES = [
    DOCKER / "prometheus" / "rules.yaml",
    DOCKER / "grafana" / "dashboards" / "bacctl.json",
    DOCKER / "kubernetes" / "metrics-adapter.yaml",
    DOCKER / "kubernetes" / "keda" / "scaledobject.yaml",
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_only_recorded_metrics_are_named(path: Path) -> None:
    text = path.read_text()
    named = set(METRIC.findall(text)) - set(re.findall(r"as: (\w+)", text))  # what it makes itself
    assert named
    assert named <= RECORDED


@pytest.mark.e2e
def test_the_record_is_what_the_server_exports() -> None:
    with EmbeddedServer(metrics_port=0) as server:
        url = f"http://127.0.0.1:{server.ports['metrics']}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            text = answer.read().decode()
    ours = {name for name in RECORDED if name.startswith("bacctl_")}  # tests/e2e/test_metrics.py
    assert set(re.findall(r"^nv_[a-z_]+", text, re.MULTILINE)) == RECORDED - ours


def test_alerts_say_what_to_do() -> None:
    (group,) = yaml.safe_load((DOCKER / "prometheus" / "rules.yaml").read_text())["groups"]
    recorded = {rule["record"] for rule in group["rules"] if "record" in rule}
    for rule in group["rules"]:
        assert set(re.findall(r"\bbacctl:[\w:]+", rule["expr"])) <= recorded
        if "alert" in rule:
            assert rule["labels"]["severity"] in ("warning", "critical")
            assert set(rule["annotations"]) == {"summary", "action"}


def test_every_alert_has_a_unit_test() -> None:
    (group,) = yaml.safe_load((DOCKER / "prometheus" / "rules.yaml").read_text())["groups"]
    tests = [
        test
        for path in (DOCKER / "prometheus").glob("rules_*test.yaml")
        for test in yaml.safe_load(path.read_text())["tests"]
    ]
    raised = {case["alertname"] for test in tests for case in test["alert_rule_test"] if case["exp_alerts"]}
    assert raised == {rule["alert"] for rule in group["rules"] if "alert" in rule}


def test_the_dashboard_is_whole() -> None:
    dashboard = json.loads((DOCKER / "grafana" / "dashboards" / "bacctl.json").read_text())
    source = yaml.safe_load((DOCKER / "grafana/provisioning/datasources/prometheus.yaml").read_text())
    (uid,) = (entry["uid"] for entry in source["datasources"])
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels)
    for panel in panels:
        assert panel["datasource"]["uid"] == uid
        assert panel["description"]
        assert all("$instance" in target["expr"] for target in panel["targets"])
    assert "research use only" in dashboard["title"]


def test_the_dashboard_queries_are_valid(tmp_path: Path) -> None:
    tool = _promtool()
    panels = json.loads((DOCKER / "grafana" / "dashboards" / "bacctl.json").read_text())["panels"]
    queries = [target["expr"] for panel in panels for target in panel["targets"]]
    rules = [
        {"record": f"panel:{i}", "expr": query.replace("$__rate_interval", "1m")}
        for i, query in enumerate(queries)
    ]
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    subprocess.run([tool, "check", "rules", path], check=True, capture_output=True)


def test_promtool() -> None:
    tool = _promtool()
    folder = DOCKER / "prometheus"
    tests = [path.name for path in folder.glob("rules_*test.yaml")]
    for call in (["check", "config", "prometheus.yaml"], ["test", "rules", *tests]):
        subprocess.run([tool, *call], check=True, cwd=folder, capture_output=True)


def _promtool() -> str:
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    return tool

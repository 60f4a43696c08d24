"""What the steps count, on a stand-in for Triton's module; tests/e2e/test_metrics.py has the real one."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from bac_terms.errors import FailedError, RefusedError
from bac_terms.report import ImageReport
from bacctl.service.metrics import Metrics


class FakeMetric:
    def __init__(self, buckets=None):
        self.value, self.seen, self.buckets = 0.0, [], buckets

    def increment(self, by):
        self.value += by

    def set(self, value):
        self.value = value

    def observe(self, value):
        self.seen.append(value)


class FakeFamily:
    COUNTER, GAUGE, HISTOGRAM = range(3)
    all: dict

    def __init__(self, name, description, kind):
        assert name not in self.all
        assert description
        assert (kind == self.COUNTER) is name.endswith("_total")  # as Prometheus wants it
        self.name = name
        self.all[name] = {}

    def Metric(self, labels, buckets=None):  # noqa: N802  # Triton's name
        metric = self.all[self.name][tuple(sorted(labels.items()))] = FakeMetric(buckets)
        return metric


@pytest.fixture
def families():
    FakeFamily.all = {}
    return FakeFamily.all


@pytest.fixture
def metrics(families):
    return Metrics(SimpleNamespace(MetricFamily=FakeFamily), "bac_quantify_0_0")


def options(**values):
    return {"OPTIONS": np.frombuffer(json.dumps(values).encode(), np.uint8)}


def report(mass):
    return ImageReport(
        "ok",
        sop_instance_uid="1.2.3",
        rows=4,
        columns=3,
        bac_detected=False,
        bac_probability=0.0,
        calcium_mass_mg=mass,
        calcium_mass_interval_mg=None if mass is None else (mass, mass),
        mass_basis="none" if mass is None else "calibrated",
    )


def test_each_image_counts_once(metrics, families):
    for mass in (0.0, 12.0, None):
        metrics.measured({}, report(mass), {"preprocess": 200.0, "segment": 1500.0})
    metrics.not_measured({}, RefusedError("BAC-VIEW-SPOT"))
    metrics.not_measured({}, FailedError("BAC-CODEC-MISSING"))
    process = ("process", "bac_quantify_0_0")
    counts = {labels: metric.value for labels, metric in families["bacctl_images_total"].items()}
    assert counts == {
        (("code", ""), process, ("status", "ok")): 3,
        (("code", "BAC-VIEW-SPOT"), process, ("status", "refused")): 1,
        (("code", "BAC-CODEC-MISSING"), process, ("status", "failed")): 1,
    }
    (masses,) = families["bacctl_calcium_mass_mg"].values()
    assert masses.seen == [0.0, 12.0]  # what was not weighed is no zero
    assert masses.buckets[0] == 0.0
    seconds = {
        dict(labels)["step"]: metric.seen for labels, metric in families["bacctl_step_seconds"].items()
    }
    assert seconds == {"preprocess": [0.2] * 3, "segment": [1.5] * 3}


def test_test_images_count_apart(metrics, families):
    sent = options(tag="t", test_image=True)
    metrics.measured(sent, report(3.0), {"preprocess": 1.0})
    metrics.not_measured(sent, RefusedError("BAC-OPTIONS-INVALID"))
    metrics.not_measured(options(test_image=False), RefusedError("BAC-VIEW-SPOT"))
    assert sum(metric.value for metric in families["bacctl_test_images_total"].values()) == 2
    assert sum(metric.value for metric in families["bacctl_images_total"].values()) == 1
    assert "bacctl_calcium_mass_mg" not in families
    (last,) = families["bacctl_test_image_time_seconds"].values()
    assert last.value > 1.7e9  # in Unix time, later than 2023


def test_a_metric_that_fails_costs_no_image():
    def fails(**_):
        raise RuntimeError("no room")

    metrics = Metrics(SimpleNamespace(MetricFamily=fails), "bac_quantify_0_0")
    metrics.weights("0" * 64, None, "0")
    metrics.measured({}, report(1.0), {"preprocess": 1.0})
    metrics.not_measured({}, RefusedError("BAC-VIEW-SPOT"))

"""What a notebook shows of a result, and what it never does."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from bacctl import ImageResult, RefusedError
from bacctl.testing import make_report


def mammogram(path, rows=480, columns=320):
    """Write a film scan: a bright half disc at the left edge."""
    row, column = np.ogrid[:rows, :columns]
    inside = np.hypot((row - rows / 2) / (0.45 * rows), column / (0.75 * columns)) < 1
    noise = np.random.default_rng(3).normal(0, 3, (rows, columns))
    Image.fromarray(np.clip(np.where(inside, 150, 4) + noise, 0, 255).astype(np.uint8)).save(path)


def result(path=None, **values):
    mask = np.zeros((480, 320), bool)
    mask[200:260, 60:70] = True
    report = make_report(
        rows=480,
        columns=320,
        pixel_spacing_mm=[0.2, 0.2],
        sop_instance_uid="1.2.826.0.1.99",
        study_instance_uid="1.2.826.0.1.98",
        bac_detected=True,
        calcium_mass_mg=12.34,
        calcium_mass_interval_mg=[8.0, 20.0],
        area_mm2=24.0,
        warnings=[{"code": "BAC-W-LOSSY", "text": "x"}],
        **values,
    )
    return ImageResult.from_report(report, path=path, mask=mask)


def picture(html):
    (data,) = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_overlay_and_amounts(tmp_path):
    path = tmp_path / "Doe_Jane_19500101.png"
    mammogram(path)
    html = result(path)._repr_html_()
    shown = np.asarray(picture(html).convert("RGB")).astype(int)
    assert max(shown.shape) <= 640
    # The breast is grey, its outline is not.
    assert (np.ptp(shown, axis=2) > 100).sum() > 20
    assert (shown.mean(axis=2) > 60).mean() > 0.2
    for text in ("12.3 [8.0, 20.0] (calibrated)", "24.0", "L CC", "BAC-W-LOSSY", "research use only"):
        assert text in html
    assert not picture(html).info  # no text of any kind
    words = re.sub('src="[^"]*"', "", html)
    for secret in ("Doe", "1950", "1.2.826", str(tmp_path)):
        assert secret not in words


@pytest.mark.parametrize("content", [None, b"", b"another file by now"])
def test_mask_alone_where_the_file_is_not_at_hand(tmp_path, content):
    path = tmp_path / "a.png"
    if content is not None:
        path.write_bytes(content)
    shown = np.asarray(picture(result(path)._repr_html_()))
    assert shown.shape == (480, 320)
    assert (shown == 255).sum() == 60 * 10
    assert np.array_equal(shown == 255, result().mask)


def test_refused():
    html = ImageResult.from_error(RefusedError("BAC-VIEW-SPOT", "a <spot> & such"))._repr_html_()
    assert "BAC-VIEW-SPOT" in html
    assert "a &lt;spot&gt; &amp; such" in html
    assert "<img" not in html

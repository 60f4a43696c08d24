"""Screenshots of a report for docs/images: ``python scripts/report_picture.py REPORT.html REPORT.pdf``.

Those that are checked in are of ``bac_phantom.make_woman(903, PhantomConfig(look="raw"), mass_mg=45.0)``, its
files written with ``view.encode()`` and analysed with ``bacctl analyze FOLDER --save html,pdf``. Needs
chromium and pdftoppm.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

IMAGES = Path(__file__).parents[1] / "docs" / "images"


def main(page: Path, printed: Path) -> None:
    """Write report.jpg and report-pdf.jpg."""
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder, "shot.png")
        browser = ["chromium", "--headless", "--disable-gpu", "--no-sandbox", "--hide-scrollbars"]
        browser += ["--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder}/p"]
        command = [*browser, "--window-size=1180,2090", f"--screenshot={shot}", page.resolve().as_uri()]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603  # fixed words
        whole = Image.open(shot).convert("RGB")
        half = whole.width // 2, whole.height // 2
        whole.resize(half, Image.Resampling.LANCZOS).save(IMAGES / "report.jpg", quality=80)
        pages_of = ["/usr/bin/pdftoppm", "-r", "40", "-png", str(printed), f"{folder}/page"]
        subprocess.run(pages_of, check=True)  # noqa: S603  # likewise
        pages = [Image.open(path).convert("RGB") for path in sorted(Path(folder).glob("page*.png"))]
        row = Image.new("RGB", (sum(one.width + 4 for one in pages), pages[0].height), "grey")
        left = 0
        for one in pages:
            row.paste(one, (left, 0))
            left += one.width + 4
        row.save(IMAGES / "report-pdf.jpg", quality=75)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))

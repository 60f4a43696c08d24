"""How far off damaged files are that are read without a word: python -m tests.imaging.damaged.weigh.

Weighs the artery of each in the same outline as in the undamaged file, and prints the table of
docs/reliability.md. Takes some minutes; a decoder that ends the process ends this, too. Research use only.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from typing import NamedTuple

import numpy as np
from tests.imaging.damaged.corpus import COUNT, bases, corpus
from tests.imaging.damaged.run import facts, measured, outcome

from bac_imaging.pipeline import find, to_working_mask, weigh
from bac_imaging.prepare import Prepared
from bac_imaging.vessels.demands import PostProcessing

_ARTERY = np.s_[120:124, 30:110]  # where corpus.exposure puts it
_NOISE_RAW = 0.02  # of corpus.exposure
_NOISE_SHOWN = 0.01  # of the range


class Silent(NamedTuple):
    """One file that is read without a word, beside the undamaged one.

    Attributes
    ----------
    mass_off : float or None
        Share of the undamaged mass; None where the image gets none.
    signal_off : float
        Share of the breast whose signal changed by over three times the noise; 1 for another matrix.
    facts : tuple of str
        Which other facts differ, such as the beam.
    """

    mass_off: float | None
    signal_off: float
    facts: tuple[str, ...]


_FACTS = ("shape", "grid", "spacing", "magnification", "beam", "kind of signal")


def mass_mg(image: Prepared) -> float | None:
    """Weigh the artery in its true outline."""
    mask = np.zeros(image.context.shape, dtype=bool)
    mask[_ARTERY] = True
    working = to_working_mask(mask, image.context).astype(np.float32)
    found = find(working, image.context, PostProcessing())
    mass = weigh(found, working, image.signal, image.context).mass
    return sum(vessel.mass_mg for vessel in mass.vessels) if mass.vessels else None


def beside(image: Prepared, truth: Prepared) -> Silent:
    """Hold a damaged image against the undamaged one."""
    was, now = mass_mg(truth), mass_mg(image)
    mass_off = None if was is None or now is None else abs(now / was - 1.0)
    differ = tuple(name for name, a, b in zip(_FACTS, facts(image), facts(truth), strict=True) if a != b)
    if image.signal.shape != truth.signal.shape:
        return Silent(mass_off, 1.0, differ)
    then, since = truth.signal[truth.breast], image.signal[truth.breast]
    noise = _NOISE_RAW
    if was is None:  # one bright pixel gives images that are shown another scale
        noise = _NOISE_SHOWN * float(np.ptp(then))
        since = np.polyval(np.polyfit(since, then, 1), since)
    changed = np.abs(since - then) > 3.0 * noise
    return Silent(mass_off, float(changed.mean()), differ)


def main(count: int = COUNT, every: int = 1) -> None:
    """Print what became of all files, and the silent ones by base and damage."""
    truths = {name: measured(data) for name, data in bases().items()}
    outcomes: Counter[str] = Counter()
    silent: dict[tuple[str, str], list[Silent]] = defaultdict(list)
    for case in corpus(count, every=every):
        found = outcome(case.data, truths[case.base])
        outcomes[found if found in ("silent", "same", "warned") else "refused"] += 1
        if found == "silent":
            silent[case.base, case.damage].append(beside(measured(case.data), truths[case.base]))
    print(", ".join(f"{name} {number}" for name, number in outcomes.most_common()))
    print("\n| base | damage | files | mass off by at most | signal off at most | other facts |")
    print("| --- | --- | ---: | ---: | ---: | --- |")
    for (base, damage), cases in sorted(silent.items()):
        masses = [case.mass_off for case in cases if case.mass_off is not None]
        mass = f"{100 * max(masses):.2g} %" if masses else "none"
        signal = f"{100 * max(case.signal_off for case in cases):.2g} %"
        other = ", ".join(sorted({name for case in cases for name in case.facts})) or "-"
        print(f"| {base} | {damage} | {len(cases)} | {mass} | {signal} | {other} |")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

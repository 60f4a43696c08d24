"""Calcium in an artery's wall and blood in its lumen, projected onto a detector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

from bac_phantom.body.curves import STEP_MM, FloatArray, Path
from bac_phantom.calcium.arteries import Artery
from bac_phantom.calcium.courses import BodyPath, Projection

BoolArray = npt.NDArray[np.bool_]

# Calcium thinner than this along the ray (mg/mm2, over the lumen's width) is not seen by a reader, so a
# stretch below it is not truth: 0.02 mg/mm2 is 2 mg/cm2, a contrast of about 2.8 % at 28 kV.
VISIBLE_MG_MM2 = 0.02
# Calcium in a calcified wall, mg/mm3: solid hydroxyapatite holds 3.16 x 0.3989 = 1.26; plaques about half.
DENSEST_MG_MM3 = 0.6
# The mask convention bridges gaps along the vessel under 2 mm.
BRIDGED_GAP_MM = 2.0

_ANGLES = 48
_GOLDEN_ANGLE = np.float32(2.399963)


@dataclass(frozen=True)
class DrawnArtery:
    """An artery on a detector grid. Arrays lie in ``box`` (rows, columns) of the image."""

    box: tuple[slice, slice]  # slices of the image
    calcium_mg_mm2: FloatArray  # float32: calcium along the ray, mg per mm2 of the object's plane
    soft_tissue_mm: FloatArray  # float32: blood and wall along the ray
    truth: BoolArray  # bool: between the outer walls along a stretch of visible calcium
    # mean outer width and length of the visible stretch in the object's plane, and mean magnification
    width_mm: float
    visible_length_mm: float
    magnification: float
    visible_mg: float  # calcium of that stretch: what can be weighed under the truth


def _along(rng: np.random.Generator, samples: int, scale_mm: float) -> npt.NDArray[np.float64]:
    """Smooth noise along a path; unit SD of the process, whatever the path's length."""
    sigma = scale_mm / STEP_MM
    white = rng.standard_normal(samples + 8 * int(sigma))
    smooth = ndimage.gaussian_filter1d(white, sigma)[4 * int(sigma) :][:samples]
    return np.asarray(smooth * np.sqrt(2 * np.sqrt(np.pi) * sigma))


def _wall_pattern(rng: np.random.Generator, artery: Artery, samples: int) -> FloatArray:
    """Calcium in the wall over (along, angle), arbitrary unit, 0 where free."""
    grid = (samples, _ANGLES)
    sigma_along = artery.grain_mm / STEP_MM / 2
    sigma_angle = (0.25 + 1.5 * artery.banding) * _ANGLES / 8
    noise = ndimage.gaussian_filter(
        rng.standard_normal(grid), (sigma_along, sigma_angle), mode=("reflect", "wrap")
    )
    noise /= max(noise.std(), 1e-9)
    side = np.cos(np.arange(_ANGLES) / _ANGLES * 2 * np.pi + rng.uniform(0, 2 * np.pi))
    noise += 1.5 * artery.one_sided * side[None, :]
    level = np.quantile(noise, 1 - artery.coverage * (1 - 0.5 * artery.one_sided))
    patch = np.clip(noise - level, 0, None) ** 0.7
    fine = ndimage.gaussian_filter(rng.standard_normal(grid), (1.5, 1.5), mode=("reflect", "wrap"))
    patch *= np.exp(0.5 * fine / max(fine.std(), 1e-9))
    # Heavier and lighter stretches, and stretches that are free. Calcium thins out around the lumen unevenly
    # before it ends: the border of a stretch is no ring.
    envelope = np.exp(0.5 * _along(rng, samples, 9.0))[:, None]
    ragged = ndimage.gaussian_filter(rng.standard_normal(grid), (6.0, 4.0), mode=("reflect", "wrap"))
    ragged /= max(ragged.std(), 1e-9)
    if artery.gaps > 0:
        free = _along(rng, samples, 3.0)
        free = (free - np.quantile(free, artery.gaps))[:, None] + 0.3 * ragged
        envelope = envelope * np.clip(free * rng.uniform(1.0, 4.0), 0, 1)
    way = (np.arange(samples) + 0.5)[:, None] * STEP_MM
    for distance in (way, samples * STEP_MM - way):
        ramp_mm = min(rng.exponential(4.0), 0.25 * samples * STEP_MM) + 0.2
        envelope = envelope * np.clip(distance / ramp_mm * (1 + 0.5 * ragged), 0, 1)
    return np.asarray(patch * envelope, dtype=np.float32)


def _calcified_part(artery: Artery, samples: int) -> slice:
    """Return the samples of the calcified stretch; a short course loses its plain ends first."""
    plain = max(samples - int(artery.calcified_mm / STEP_MM), 0)
    ends = artery.lead_mm + artery.tail_mm
    first = int(plain * artery.lead_mm / ends) if ends > 0 else 0
    return slice(first, samples - (plain - first))


def _frames(points: npt.NDArray[np.float64]) -> tuple[FloatArray, FloatArray]:
    """Two unit vectors across a course at each of its points, (n, 3) each."""
    tangent = np.gradient(points, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    first = np.column_stack([tangent[:, 1], -tangent[:, 0], np.zeros(len(points))])
    # Along the beam any direction is across; the middle of both sign conventions is as good as another.
    first[np.linalg.norm(first, axis=1) < 1e-3] = (1.0, 0.0, 0.0)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    return first.astype(np.float32), np.cross(tangent, first).astype(np.float32)


def _splat(
    path: npt.NDArray[np.float32], weights: list[FloatArray], pitch_mm: float, shape: tuple[int, int]
) -> list[FloatArray]:
    """Deposit point weights bilinearly; ``path`` is (n, 2) in mm from the array's corner."""
    position = path / np.float32(pitch_mm) - np.float32(0.5)
    corner = np.floor(position)
    fraction = position - corner
    flat = corner[:, 0].astype(np.int64) * shape[1] + corner[:, 1].astype(np.int64)
    u, v = fraction[:, 0], fraction[:, 1]
    canvases = [np.zeros(shape[0] * shape[1]) for _ in weights]
    for shift, share in (
        (0, (1 - u) * (1 - v)),
        (1, (1 - u) * v),
        (shape[1], u * (1 - v)),
        (shape[1] + 1, u * v),
    ):
        for canvas, weight in zip(canvases, weights, strict=True):
            canvas += np.bincount(flat + shift, share * weight, len(canvas))
    return [canvas.reshape(shape).astype(np.float32) for canvas in canvases]


def draw_artery(
    artery: Artery, course: BodyPath, projection: Projection, pitch_mm: float, shape: tuple[int, int]
) -> DrawnArtery | None:
    """Project an artery's calcium, exactly ``artery.mass_mg`` of it, onto the detector.

    The tube is filled with points of equal volume, each of which is projected with the magnification of its
    own height, so that rings seen end-on, both walls and crossing loops come out by themselves.

    Parameters
    ----------
    artery
        What to draw. The pattern of its calcium comes from its seed and is the same in every view.
    course
        Body course, (n, 3) in mm, at ``STEP_MM`` steps.
    projection
        Geometry of the view.
    pitch_mm, shape
        Of the detector grid.

    Returns
    -------
    DrawnArtery or None
        None where nothing of it falls onto the detector.
    """
    rng = np.random.default_rng(artery.seed)
    samples = len(course)
    part = _calcified_part(artery, samples)
    pattern = np.zeros((samples, _ANGLES), dtype=np.float32)
    pattern[part] = _wall_pattern(rng, artery, part.stop - part.start)
    radius = artery.outer_radius_mm * np.linspace(1.0, artery.taper, samples)
    radius = radius * (1 + artery.beading * np.clip(_along(rng, samples, 0.8), -2, 2))
    inner = 1 - rng.uniform(0.2, 0.5)
    blood = np.float32(rng.uniform(0.9, 1.1))

    centres = projection.place(course)
    spacing = min(0.1, 1.4 * pitch_mm)
    number = np.clip(np.pi * radius**2 / spacing**2, 14, 1600).astype(int)
    section = np.repeat(np.arange(samples), number)
    within = np.arange(len(section)) - np.repeat(np.cumsum(number) - number, number)
    reach = np.sqrt((within + 0.5) / number[section]).astype(np.float32)
    angle = within.astype(np.float32) * _GOLDEN_ANGLE + section.astype(np.float32) * np.float32(1.7)
    volume_mm3 = (np.pi * radius**2 * STEP_MM / number)[section].astype(np.float32)
    calcium = np.zeros(len(section), dtype=np.float32)
    wall = np.flatnonzero(reach >= inner)
    bins = (angle[wall] * np.float32(_ANGLES / (2 * np.pi))).astype(np.int64) % _ANGLES
    # No plaque is denser than its mineral: what would be, spreads over the rest of the artery's plaques.
    for _ in range(8):
        calcium[wall] = pattern[section[wall], bins] * volume_mm3[wall]
        total = float(calcium.sum(dtype=np.float64))
        if total <= 0:
            return None
        scale = artery.mass_mg / total
        calcium *= np.float32(scale)
        if float(pattern.max()) * scale <= 1.05 * DENSEST_MG_MM3:
            break
        pattern = np.minimum(pattern * np.float32(scale), DENSEST_MG_MM3)
    line_mg: npt.NDArray[np.float64] = np.bincount(section, calcium, samples).astype(np.float64)

    across, over = _frames(centres)
    # The other view looks at the tube turned by an eighth of a circle.
    turned = angle + np.float32(0.0 if projection.view == "CC" else np.pi / 4)
    side = (reach * radius[section].astype(np.float32))[:, None]
    points = centres[section].astype(np.float32)
    points += side * (np.cos(turned)[:, None] * across[section] + np.sin(turned)[:, None] * over[section])
    flat, magnification = projection.project(points.astype(np.float64))
    axis, axis_magnification = projection.project(centres)

    box = _box(flat, pitch_mm, shape)
    if box is None:
        return None
    origin = np.array([box[0].start, box[1].start]) * pitch_mm
    size = (box[0].stop - box[0].start, box[1].stop - box[1].start)
    to_areal = (magnification / pitch_mm).astype(np.float32) ** 2
    calcium_map, blood_map = _splat(
        (flat - origin).astype(np.float32),
        [calcium * to_areal, volume_mm3 * to_areal * blood],
        pitch_mm,
        size,
    )
    visible = _visible_stretch(line_mg, radius, axis / axis_magnification[:, None])
    truth = _tube(axis - origin, radius * axis_magnification, visible, pitch_mm, size)
    mean = float(axis_magnification[part].mean())
    shown = np.flatnonzero(visible)
    steps = np.linalg.norm(np.diff(axis, axis=0, append=axis[-1:]), axis=1)
    return DrawnArtery(
        box,
        calcium_map,
        blood_map,
        truth,
        float(2 * radius[shown].mean()) if len(shown) else 0.0,
        float(steps[shown].sum() / mean),
        mean,
        float(line_mg[shown].sum()),
    )


def _box(path: Path, pitch_mm: float, shape: tuple[int, int]) -> tuple[slice, slice] | None:
    low = np.floor(path.min(axis=0) / pitch_mm).astype(int) - 2
    high = np.ceil(path.max(axis=0) / pitch_mm).astype(int) + 3
    if (low < 0).any() or (high > np.array(shape)).any():
        return None
    return slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1]))


def _visible_stretch(
    line_mg: npt.NDArray[np.float64], radius_mm: npt.NDArray[np.float64], path: Path
) -> BoolArray:
    """Find the samples along the course that hold visible calcium, short gaps bridged."""
    smooth = ndimage.gaussian_filter1d(line_mg, 0.4 / STEP_MM)
    # Where the artery runs along the beam its calcium falls onto less area.
    step = np.linalg.norm(np.gradient(path, axis=0), axis=1)
    seen = smooth / np.maximum(step, 0.3 * STEP_MM) / (2 * radius_mm) > VISIBLE_MG_MM2
    gap = int(BRIDGED_GAP_MM / STEP_MM)
    padded = np.pad(seen, gap)
    return np.asarray(ndimage.binary_closing(padded, np.ones(gap))[gap:-gap])


def _tube(
    path: Path,
    radius_mm: npt.NDArray[np.float64],
    visible: BoolArray,
    pitch_mm: float,
    shape: tuple[int, int],
) -> BoolArray:
    """Pixels nearer to the visible stretch than the outer wall; flat where the stretch ends."""
    truth = np.zeros(shape, dtype=bool)
    cells = np.clip(np.floor(path / pitch_mm).astype(int), 0, np.array(shape) - 1)
    line = np.ones(shape, dtype=bool)
    line[cells[:, 0], cells[:, 1]] = False
    near = np.argwhere(ndimage.distance_transform_edt(line) <= radius_mm.max() / pitch_mm + 1.5)
    centres = (near + 0.5) * pitch_mm
    distance, along = cKDTree(path).query(centres, distance_upper_bound=float(radius_mm.max()) + 1e-6)
    hit = np.isfinite(distance)
    near, centres, distance, along = near[hit], centres[hit], distance[hit], along[hit]
    inside = (distance <= radius_mm[along]) & visible[along]
    tangent = np.gradient(path, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    ahead = np.abs((tangent[along] * (centres - path[along])).sum(axis=1))
    last = (along == 0) | (along == len(path) - 1)
    inside &= ~last | (ahead <= STEP_MM + pitch_mm)
    truth[near[inside, 0], near[inside, 1]] = True
    return truth

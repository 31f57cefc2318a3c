"""From a portrait with landmarks to the head's skin: pose and shape of the ICT head, and a texture without shading."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_zoo.synth.family import HeadFamily
from fer_zoo.synth.head import SKIN, Head
from fer_zoo.synth.ict import IDENTITY_SPREAD
from fer_zoo.synth.raster import interpolate, rasterize, sample, vertex_normals
from fer_zoo.synth.scene import PIVOT, Camera, rotation
from fer_zoo.synth.skin import linear
from fer_zoo.synth.texture import ANGLE, HEIGHT, HEIGHT_Y, WIDTH, around, ramp, texel_positions, texture_coordinates
from fer_zoo.synth.warp import bending

Floats = NDArray[np.float64]

_DISTANCE = 16.0  # decimetres from the camera to the head: a portrait
# Expected distance of a landmark from the fitted shape, in distances between the eyes; the jaw is the least certain.
_SPREAD, _JAW_SPREAD = 0.02, 0.08
_FINE = 2  # the texture is made at twice its size
_GREY = np.array([0.30, 0.59, 0.11])
_SHADE = 6.0  # texels, size of the shade between brows and eyes
# Texels of a brow from its upper to its lower edge with some skin, and how far its middle is below the landmarks (dm).
_BROW_WIDE, _BROW_BELOW = 15, 0.03
_BROWS = slice(17, 27)
_LID = 11  # texels of lids with lashes and shadows around an eye
# Colour to which the skin of all photographs is brought, in linear light, and how far: their light differs.
_SKIN, _BALANCE = np.array([0.78, 0.54, 0.41]), 0.75


@dataclass(frozen=True)
class Photograph:
    """What is known of the subject of a photograph.

    albedo: (h, w, 3) uint8 with gamma 2.2, on the cylinder of ``texture``. identity: (k,) weights of the modes.
    hair, iris: (3,) in linear light. error: RMS distance of landmarks from the fitted head, in distances between eyes.
    brows: as in ``Skin``.
    """

    albedo: NDArray[np.uint8]
    identity: Floats
    hair: Floats
    iris: Floats
    error: float
    brows: Floats


def fit_photograph(family: HeadFamily, image: NDArray[np.uint8], landmarks: NDArray[np.floating]) -> Photograph:
    """Fit the head of a family with identity modes to a neutral, frontal portrait, and take its skin.

    Args:
        image: (H, W, 3) RGB.
        landmarks: (68, 2) in pixels, NaN where one is unknown.
    """
    known = np.isfinite(landmarks).all(1)
    # Brows are where they are, and not brought to vertices: people differ, and a bent picture has the arch of no brow.
    known[_BROWS] = False
    marks = np.where(known[:, None], landmarks, 0.0).astype(np.float64)
    identity, spin, at, depth = _fitted(family, marks, known)
    head = family.head
    eyes = float(np.linalg.norm(marks[36:42].mean(0) - marks[42:48].mean(0)))
    rows = head.landmark_vertices[known]
    apart = marks[known] - at[rows]
    error = float(np.sqrt(((apart / eyes) ** 2).sum(1).mean()))
    shape = head.base + np.einsum("k,knc->nc", identity, family.modes)
    # The rest of the distance is bridged by a smooth deformation of the picture.
    flat = np.column_stack([at[rows], np.zeros(len(rows))]) / eyes
    bend = bending(flat, flat + np.column_stack([apart, np.zeros(len(rows))]) / eyes, smoothing=0.002)
    at = bend(np.column_stack([at, np.zeros(len(at))]) / eyes)[:, :2] * eyes
    normals = vertex_normals(shape, head.triangles) @ spin.T
    picture = linear(image.astype(np.float64))
    colour, facing, seen, place = _unwrapped(head, picture, at, depth, normals)
    drawn = np.where(np.isfinite(landmarks), landmarks, at[head.landmark_vertices])[_BROWS]
    brows = np.array([_texel(place, seen, mark) for mark in drawn])
    cover = brow_cover(brows, _FINE)
    albedo, skin, gain = _without_shading(colour, facing, seen, cover)
    hair = _hair_colour(albedo, seen & ~skin)
    whole = _completed(head, albedo, np.where(skin, ramp(0.3, 0.55, facing[..., 2]), 0.0), cover)
    whole /= _shade_of_lids(whole @ _GREY / (_SKIN @ _GREY))[..., None]
    half = whole.reshape(HEIGHT, _FINE, WIDTH, _FINE, 3).mean((1, 3))
    encoded = np.rint(255 * np.clip(half, 0, 1) ** (1 / 2.2)).astype(np.uint8)
    return Photograph(encoded, identity, hair, _iris(picture, marks) * gain, error, brows)


def brow_cover(brows: Floats, fine: int = 1) -> Floats:
    """Return where brows are, 0..1 (h, w), on a texture so many times as fine; most of them is below the landmarks."""
    from PIL import Image, ImageDraw

    drawing = Image.new("L", (WIDTH * fine, HEIGHT * fine))
    points = texel_positions(brows - [0.0, _BROW_BELOW]) * fine
    wide = _BROW_WIDE * fine
    for side in (points[:5], points[5:]):
        line = [(float(x), float(y)) for x, y in side]
        ImageDraw.Draw(drawing).line(line, fill=255, width=round(wide), joint="curve")
        for x, y in (line[0], line[-1]):
            ImageDraw.Draw(drawing).ellipse([x - wide / 2, y - wide / 2, x + wide / 2, y + wide / 2], fill=255)
    return _blurred(np.asarray(drawing, np.float64) / 255, 1.5 * fine)


def _fitted(family: HeadFamily, marks: Floats, known: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats, Floats]:
    """Return identity weights (k,), head rotation (3, 3), and pixel position (n, 2) and depth (n,) of all vertices."""
    from scipy.optimize import least_squares

    head, rows = family.head, family.head.landmark_vertices[known]
    base, modes = head.base[rows] - PIVOT, family.modes[:, rows].astype(np.float64)
    eyes = float(np.linalg.norm(marks[36:42].mean(0) - marks[42:48].mean(0)))
    middle = marks[36:48].mean(0)
    spread = np.where(np.flatnonzero(known) < 17, _JAW_SPREAD, _SPREAD)[:, None]

    def placed(pose: Floats, points: Floats) -> tuple[Floats, Floats]:
        # Pose: yaw, pitch, roll, shift in distances between the eyes, logarithm of the size.
        focal = float(np.exp(pose[5])) * _DISTANCE / 0.63
        at, depth = Camera(_DISTANCE, focal, (0.5, 0.5)).project(points @ rotation(*pose[:3]).T)
        return (at + pose[3:5]) * eyes + middle, depth

    def misfit(values: Floats) -> Floats:
        at, _ = placed(values[:6], base + np.einsum("k,knc->nc", values[6:], modes))
        return np.concatenate([((at - marks[known]) / eyes / spread).ravel(), values[6:] / IDENTITY_SPREAD])

    start = np.zeros(6 + len(modes))
    start[4] = (PIVOT[1] * -1 + head.base[head.landmark_vertices[36:48], 1].mean()) / 0.63
    values = least_squares(misfit, start, method="trf").x
    shape = head.base + np.einsum("k,knc->nc", values[6:], family.modes.astype(np.float64))
    at, depth = placed(values[:6], shape - PIVOT)
    return values[6:], rotation(*values[:3]), at, depth


def _unwrapped(
    head: Head, picture: Floats, at: Floats, depth: Floats, normals: Floats
) -> tuple[Floats, Floats, NDArray[np.bool_], Floats]:
    """Return colour (h, w, 3), normal (h, w, 3), visibility (h, w) and pixel (h, w, 2) of the skin at each texel."""
    height, width = picture.shape[:2]
    side = max(height, width)
    skin = head.triangles[head.material == SKIN]
    front = rasterize(at, depth, head.triangles, side).depth
    column, row = (np.clip(np.rint(at[:, k]), 0, limit - 1).astype(int) for k, limit in ((0, width), (1, height)))
    inside = (at > 0).all(1) & (at < [width, height]).all(1)
    visible = ((depth < front[row, column] + 0.06) & inside & (head.mouth_inside < 0.5)).astype(float)
    u, v = texture_coordinates(head.paint)
    size = WIDTH * _FINE
    found = rasterize(np.column_stack([u, v]) * size - 0.5, -around(head.paint)[1], skin, size)
    values = interpolate(found, skin, np.column_stack([at, normals, visible]))
    total = np.zeros((size * size, 9))
    total[found.pixel, :3] = sample(picture, (values[:, 0] + 0.5) / width, (values[:, 1] + 0.5) / height)
    total[found.pixel, 3:7], total[found.pixel, 7:] = values[:, 2:], values[:, :2]
    texture = total.reshape(size, size, 9)
    length = np.linalg.norm(texture[..., 3:6], axis=-1, keepdims=True)
    return texture[..., :3], texture[..., 3:6] / (length + 1e-9), texture[..., 6] > 0.7, texture[..., 7:]


def _texel(place: Floats, seen: NDArray[np.bool_], mark: Floats) -> Floats:
    """Return angle and height where the texture shows a pixel (2,) of the picture."""
    away = np.where(seen, np.square(place - mark).sum(-1), np.inf)
    row, column = np.unravel_index(away.argmin(), away.shape)
    return np.array([ANGLE[row // _FINE, column // _FINE], HEIGHT_Y[row // _FINE, column // _FINE]])


def _fine(field: Floats) -> Floats:
    return np.asarray(np.repeat(np.repeat(field, _FINE, 0), _FINE, 1))


def _without_shading(
    colour: Floats, facing: Floats, seen: NDArray[np.bool_], brows: Floats
) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """Divide by a smooth light fitted to the skin.

    Returns albedo (h, w, 3), what is skin or grows on it (h, w), and the factor (3,) of all colours of the photograph.
    """
    angle, up = np.abs(_fine(ANGLE)), _fine(HEIGHT_Y)
    face = seen & (angle < 0.95) & (up > 6.2) & (up < 7.85)
    grey = colour @ _GREY
    chroma = np.log(np.maximum(colour, 1e-4) / np.maximum(grey, 1e-4)[..., None])
    cheek = face & (angle < 0.6) & (up > 6.8) & (up < 7.15)
    usual, level = np.median(chroma[cheek], 0), np.median(grey[cheek])
    plain = face & (grey > 0.45 * level) & (np.abs(chroma - usual).max(-1) < 0.35)
    x, y, z = np.moveaxis(facing, -1, 0)
    basis = np.stack([np.ones_like(x), x, y, z, x * y, x * z, y * z, x * x - y * y, 3 * z * z - 1], -1)
    weights = np.linalg.lstsq(basis[plain], grey[plain], rcond=None)[0]
    # Smoothed, because the normals of lids and lips are those of folds that the picture does not show as such.
    light = _blurred(np.clip(np.einsum("hwk,k->hw", basis, weights) / level, 0.45, 1.25), 5.0 * _FINE)
    usual_colour = np.median(colour[cheek], 0)
    own_tone, tone = usual_colour / level, _SKIN / (_SKIN @ _GREY)
    gain = (_SKIN @ _GREY) / level * (tone / own_tone) ** _BALANCE
    albedo = colour / light[..., None] * gain
    # Elsewhere dark or differently coloured texels are hair, clothes or background; within the face they are its own.
    own = (angle < np.where(up < 6.95, 0.8, 0.62)) & (up > 6.25) & (up < 7.62)
    own &= _warm(albedo) | (angle < 0.45) | (up > 7.3)
    # Above the brows closer, because light hair is nearly of the colour of skin.
    near = np.abs(chroma - usual).max(-1) < np.where(up > 7.6, 0.17, 0.3)
    like = near & (albedo @ _GREY > 0.62 * (_SKIN @ _GREY))
    return albedo, seen & (own | like | (brows > 0.5)) & (angle < 1.0), gain


def _shade_of_lids(brightness: Floats) -> Floats:
    """Return the shade (h, w) between brows and eyes that a smooth light leaves, since it is rendered again.

    Args:
        brightness: of the skin (h, w), 1 on the cheeks; what is much darker is brows.
    """
    angle, up, plain = np.abs(_fine(ANGLE)), _fine(HEIGHT_Y), (brightness > 0.5).astype(np.float64)
    shade = _blurred(plain * brightness, _SHADE) / np.maximum(_blurred(plain, _SHADE), 0.05)
    where = ramp(0.06, 0.14, angle) * (1 - ramp(0.5, 0.6, angle)) * ramp(7.24, 7.32, up) * (1 - ramp(7.46, 7.54, up))
    return np.asarray(1 - where * (1 - np.clip(shade, 0.6, 1.0)))


def _warm(colour: Floats) -> NDArray[np.bool_]:
    """Return where a colour (h, w, 3) is as red as skin and hair are, unlike the eyes and most backgrounds."""
    return np.asarray(colour[..., 0] > 1.3 * colour[..., 2])


def _hair_colour(albedo: Floats, other: NDArray[np.bool_]) -> Floats:
    """Return the median colour above the forehead, black-brown if no hair is seen there."""
    rows = other & (np.abs(_fine(ANGLE)) < 0.9) & (_fine(HEIGHT_Y) > 7.9)
    return 0.6 * np.median(albedo[rows], 0) if rows.sum() > 400 else np.array([0.03, 0.02, 0.015])


def _iris(picture: Floats, marks: Floats) -> Floats:
    """Return the mean colour of the lower half of both irises, without the darkest and lightest pixels."""
    colours = []
    for eye in (marks[36:42], marks[42:48]):
        centre, wide = eye.mean(0), np.linalg.norm(eye[0] - eye[3])
        y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
        away = np.hypot(x - centre[0], y - centre[1]) / wide
        found = picture[(away > 0.09) & (away < 0.18) & (y > centre[1])]
        order = np.argsort(found @ _GREY)
        colours.append(found[order[len(order) // 5 : max(len(order) * 3 // 5, 1)]].mean(0) if len(order) else None)
    known = [colour for colour in colours if colour is not None]
    return np.mean(known, 0) if known else np.array([0.1, 0.055, 0.028])


def _completed(head: Head, albedo: Floats, share: Floats, brows: Floats) -> Floats:
    """Fill what the photograph does not show: from the other side of the face, then from the skin nearby."""
    dark = albedo @ _GREY < 0.6 * (_SKIN @ _GREY)
    jaw = 6.08 + 0.6 * np.maximum(np.abs(_fine(ANGLE)) - 0.2, 0)
    share = share * ramp(0, 0.1, _fine(HEIGHT_Y) - jaw) * (_blurred(share, 3.0 * _FINE) > 0.75)
    share = _blurred(share, 1.5 * _FINE) * share  # soft edges, inside what is seen
    # Colours of the open eye and of lashes must not get on the lids, nor the line between the lips on the lips.
    eyes, mouth = _distances(head)
    odd = (dark | ~_warm(albedo)) & (_fine(HEIGHT_Y) < 7.42) & (brows < 0.5)
    share *= ramp(_LID, 1.3 * _LID, eyes) * np.where(odd, ramp(2 * _LID, 2.3 * _LID, eyes), 1) * ramp(2, 3, mouth)
    other, mirrored = share[:, ::-1] * (1 - share), albedo[:, ::-1]
    total = share + other
    colour = (share[..., None] * albedo + other[..., None] * mirrored) / np.maximum(total, 1e-6)[..., None]
    smooth = np.zeros_like(albedo)
    have = np.zeros_like(total)
    for sigma in (3.0, 8.0, 24.0):
        near, mean = _blurred(total, sigma), _blurred(total[..., None] * colour, sigma)
        new = (1 - have) * np.clip(near * 8, 0, 1)
        smooth += new[..., None] * mean / np.maximum(near, 1e-6)[..., None]
        have += new
    smooth += (1 - have)[..., None] * np.median(colour[total > 0.9], 0)
    smooth *= np.exp(np.random.default_rng(0).normal(0, 0.04, total.shape))[..., None]
    return np.asarray(total[..., None] * colour + (1 - total[..., None]) * smooth)


def _blurred(field: Floats, deviation: float) -> Floats:
    """Blur a field (h, w, ...) by two boxes, whose cost does not grow with the deviation (in texels)."""
    from scipy.ndimage import uniform_filter

    box = [max(1, round(deviation * 6**0.5))] * 2 + [1] * (field.ndim - 2)
    return np.asarray(uniform_filter(uniform_filter(field, box), box))


def _distances(head: Head) -> tuple[Floats, Floats]:
    """Return the distances (h, w), in texels, to the nearest opening of the eyes and to that of the mouth."""
    from PIL import Image, ImageDraw
    from scipy.ndimage import distance_transform_edt

    u, v = texture_coordinates(head.paint[head.landmark_vertices])
    points = np.column_stack([u * WIDTH, v * HEIGHT]) * _FINE - 0.5

    def away(*openings: slice) -> Floats:
        drawing = Image.new("1", (WIDTH * _FINE, HEIGHT * _FINE), 1)
        for rows in openings:
            ImageDraw.Draw(drawing).polygon([(float(x), float(y)) for x, y in points[rows]], fill=0)
        return np.asarray(distance_transform_edt(np.asarray(drawing)))

    return away(slice(36, 42), slice(42, 48)), away(slice(60, 68))

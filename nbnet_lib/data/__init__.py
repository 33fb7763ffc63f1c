"""Data of one's own: from what one may use to what can be trained and tested on.

| module | what it does |
|---|---|
| `benchmarks`, `layouts` | what is known of LFW, CelebA and others; getting, checking a copy |
| `remote`, `archives` | files that resume where they were cut, archives that cannot harm |
| `rehearsal` | SynthFaces in the exact layout of a benchmark |
| `pictures` | any picture file as 8-bit RGB, or why not |
| `alignment`, `alignment_file` | faces cut out as a recogniser expects them |
| `manifest`, `listing`, `survey`, `divide` | who is on which picture, who trains and who tests |
| `reading`, `arrays`, `shards` | pictures one by one, as one array, as tar shards |

Used by `nbnet data` and `nbnet train --data`; introduced in the guides.
"""

from importlib import import_module
from typing import Any

# Where each public name is defined. It is imported when it is used: `nbnet data list` needs no
# torch, which takes seconds.
_HOMES = {
    "AlignOptions": "alignment",
    "AlignReport": "alignment",
    "Manifest": "manifest",
    "Picture": "pictures",
    "PictureArray": "arrays",
    "PictureError": "pictures",
    "RemoteFile": "remote",
    "align": "alignment",
    "download": "remote",
    "load_manifest": "manifest",
    "open_source": "listing",
    "picture_array": "arrays",
    "read_picture": "pictures",
    "save_manifest": "manifest",
    "unpack": "archives",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"nbnet_lib.data has no {name}")
    return getattr(import_module(f"nbnet_lib.data.{_HOMES[name]}"), name)

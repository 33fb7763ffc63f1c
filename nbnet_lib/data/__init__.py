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

from nbnet_lib.data.alignment import AlignOptions, AlignReport, align
from nbnet_lib.data.archives import unpack
from nbnet_lib.data.arrays import PictureArray, picture_array
from nbnet_lib.data.listing import open_source
from nbnet_lib.data.manifest import Manifest, load_manifest, save_manifest
from nbnet_lib.data.pictures import Picture, PictureError, read_picture
from nbnet_lib.data.remote import RemoteFile, download

__all__ = [
    "AlignOptions",
    "AlignReport",
    "Manifest",
    "Picture",
    "PictureArray",
    "PictureError",
    "RemoteFile",
    "align",
    "download",
    "load_manifest",
    "open_source",
    "picture_array",
    "read_picture",
    "save_manifest",
    "unpack",
]

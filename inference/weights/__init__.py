"""The weights that ship with the code, which run where no release is active; and how models travel to processes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PACKAGED_WEIGHTS = Path(__file__).parent

# Of manifests and weights, by their names.
ModelFiles = Mapping[str, bytes]
_KINDS = {".json", ".safetensors"}


def read_models(folder: Path) -> dict[str, bytes]:
    """Every model of a folder, as it travels to another process or machine."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix in _KINDS}


@contextmanager
def unpacked(files: ModelFiles) -> Iterator[Path]:
    """A folder with these files, to load models from, for as long as the context lasts."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, content in files.items():
            (folder / file).write_bytes(content)
        yield folder

"""The weights that ship with the code; they run where no release is active."""

from pathlib import Path

PACKAGED_WEIGHTS = Path(__file__).parent

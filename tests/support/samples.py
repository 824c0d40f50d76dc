"""The letters that `imr up --sample` drops: invented people and facts."""

from __future__ import annotations

from pathlib import Path
from typing import Final

SAMPLES: Final = Path(__file__).resolve().parents[2] / "worker" / "entrypoints" / "samples"

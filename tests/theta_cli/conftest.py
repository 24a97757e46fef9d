"""Commands that talk to remotes are tested on clones of one bare repository."""

from __future__ import annotations

from tests.clones import bare as bare
from tests.clones import clone as clone
from tests.clones import first as first

"""The remotes' tests work on clones of one bare repository."""

from __future__ import annotations

from tests.clones import bare as bare
from tests.clones import clone as clone
from tests.clones import first as first
from tests.servers import bucket as bucket
from tests.servers import giftless as giftless
from tests.servers import moto as moto
from tests.servers import organisation as organisation
from tests.servers import server as server

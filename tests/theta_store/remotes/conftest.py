"""The remotes' tests work on clones of one bare repository, or between two stores."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clones import bare as bare
from tests.clones import clone as clone
from tests.clones import first as first
from tests.servers import bucket as bucket
from tests.servers import giftless as giftless
from tests.servers import moto as moto
from tests.servers import organisation as organisation
from tests.servers import server as server
from theta_store.objects import ObjectStore


@pytest.fixture
def here(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "here/objects")


@pytest.fixture
def there(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "there/objects")

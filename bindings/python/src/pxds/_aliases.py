"""Names for what arguments may be, for annotations. Nothing of the package imports it, but for a type checker."""

from __future__ import annotations

import datetime
import os
import uuid
from typing import Any, Callable, Optional, Union

from pxds._core import Progress
from pxds.values import BadChunk, NoticeLevel

Path = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]
Bytes = Union[bytes, bytearray, memoryview]
Time = Union[int, datetime.datetime]
Uuid = Union[bytes, uuid.UUID]
Password = Union[str, Bytes]
# A path, content, or a file object with readinto() or read().
Item = Union[str, "os.PathLike[str]", Bytes, Any]

Tell = Callable[[Progress], None]
Notice = Callable[[NoticeLevel, str, Optional[str]], None]
OnBad = Callable[[BadChunk], None]

"""Statistics of a store, its groups and its snapshots."""

from __future__ import annotations

from pxds._core import NONE, Handle, Options, ask, call, flags, int_of, struct
from pxds._native import ffi, lib
from pxds.values import StatsGroup, StatsSnapshot, StatsTotal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, List, Optional

    from pxds._core import Progress
    from pxds.store import Store


class Stats(Handle):
    """The numbers of a store, as they were when it was looked at. Threads may share it."""

    _type = "pxds_stats"

    def __init__(self, store: Store, *, exact: bool = False,
                 progress: Optional[Callable[[Progress], None]] = None) -> None:
        options = Options("pxds_stats_options", flags=flags("PXDS_STATS_", exact=exact), progress=progress)
        self._adopt(lib.pxds_stats_collect, store, options)

    @property
    def total(self) -> StatsTotal:
        out = struct("pxds_stats_total")
        call(lib.pxds_stats_get_total, self, out)
        return StatsTotal._take(out)

    @property
    def groups(self) -> List[StatsGroup]:
        out, found = struct("pxds_stats_group"), []
        for i in range(ask(lib.pxds_stats_group_count, self)):
            call(lib.pxds_stats_get_group, self, i, out)
            found.append(StatsGroup._take(out))
        return found

    @property
    def snapshots(self) -> List[StatsSnapshot]:
        out, found = struct("pxds_stats_snapshot"), []
        for i in range(ask(lib.pxds_stats_snapshot_count, self)):
            call(lib.pxds_stats_get_snapshot, self, i, out)
            found.append(StatsSnapshot._take(out))
        return found

    def shared(self, a: int, b: int) -> Optional[int]:
        """Bytes in chunks that two groups, by their numbers, both have; None if they were not compared."""
        out = ffi.new("uint64_t *")
        status = call(lib.pxds_stats_get_shared, self, int_of(a, "a"), int_of(b, "b"), out)
        return None if status == NONE else int(out[0])


def dedup_factor(logical_bytes: int, stored_bytes: int) -> float:
    """The factor of deduplication: what indexes describe, by the bytes of the files of the chunks that they need."""
    return float(lib.pxds_dedup_factor(int_of(logical_bytes, "logical_bytes"),
                                       int_of(stored_bytes, "stored_bytes")))

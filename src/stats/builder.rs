//! The numbers, while they are summed up.

use super::find::IndexDir;
use super::set::{Chunk, NOBODY, Users};
use super::{Described, GroupStats, MATRIX_GROUPS, SIZE_CLASSES, SnapshotStats, Stats, Sum, TotalStats};
use crate::error::{Error, Kind, Result, reserve, try_collect};
use crate::index::Index;
use crate::name::Group;
use crate::tree::SnapshotInfo;

/// The counts of one snapshot, or of all indexes outside snapshots.
#[derive(Clone)]
struct Row {
    group: usize,
    /// Its place in the order of times.
    age: u32,
    described: Described,
    used: Sum,
    own: Sum,
    new: Sum,
    sizes: [u64; SIZE_CLASSES],
}

/// The counts of one group, or of all that is in none.
#[derive(Clone, Default)]
struct Column {
    described: Described,
    used: Sum,
    own: Sum,
    /// Its bit in [`Chunk::groups`].
    place: Option<u8>,
}

/// The sums. Indexes are added snapshot by snapshot, and snapshots group by group, so that the last snapshot that had a
/// chunk tells whether the chunk is new to this one.
pub(super) struct StatsBuilder {
    exact: bool,
    groups: Vec<Group>,
    snapshots: Vec<(usize, SnapshotInfo)>,
    /// One for each snapshot, and one for indexes in no snapshot.
    rows: Vec<Row>,
    /// One for each group, and one for indexes in no group.
    columns: Vec<Column>,
    /// The row that is being added to.
    row: usize,
    broken: (u64, u64),
}

impl Sum {
    fn add(&mut self, chunk: &Chunk, exact: bool) {
        let size = u64::from(chunk.size);
        self.chunks += 1;
        self.size += size;
        self.stored_size += u64::from(chunk.stored);
        if exact && chunk.stored == 0 {
            self.missing_chunks += 1;
            self.missing_size += size;
        }
    }
}

impl Described {
    fn add(&mut self, other: &Described) {
        self.indexes += other.indexes;
        // Headers may say more than there is.
        self.logical_bytes = self.logical_bytes.saturating_add(other.logical_bytes);
        self.references += other.references;
        self.blobs += other.blobs;
        self.blob_bytes = self.blob_bytes.saturating_add(other.blob_bytes);
        self.unreadable += other.unreadable;
    }
}

fn size_class(size: u32) -> usize {
    (size.max(1).ilog2() as usize).min(SIZE_CLASSES - 1)
}

impl StatsBuilder {
    pub(super) fn new(
        groups: Vec<Group>,
        snapshots: Vec<(usize, SnapshotInfo)>,
        dirs: &[IndexDir],
        exact: bool,
    ) -> Result<Self> {
        if snapshots.len() >= NOBODY as usize {
            return Err(Error::new(Kind::Limit, format!("{} snapshots are too many", snapshots.len())));
        }
        let mut by_time = try_collect((0..snapshots.len()).map(Ok))?;
        by_time.sort_unstable_by_key(|&i| (snapshots[i].1.snapshot.time(), i));
        let (described, sum) = (Described::default(), Sum::default());
        let row = Row {
            group: groups.len(),
            age: NOBODY,
            described,
            used: sum,
            own: sum,
            new: sum,
            sizes: [0; SIZE_CLASSES],
        };
        let mut rows = try_collect(std::iter::repeat_n(Ok(row), snapshots.len() + 1))?;
        for (age, i) in by_time.into_iter().enumerate() {
            rows[i].age = age as u32;
            rows[i].group = snapshots[i].0;
        }
        let mut columns = try_collect(std::iter::repeat_n(Ok(Column::default()), groups.len() + 1))?;
        for (place, group) in largest(&snapshots, dirs, groups.len())?.into_iter().enumerate() {
            columns[group].place = Some(place as u8);
        }
        let row = snapshots.len();
        Ok(StatsBuilder { exact, groups, snapshots, rows, columns, row, broken: (0, 0) })
    }

    /// Begins a directory: what is added next belongs to it.
    pub(super) fn begin(&mut self, dir: &IndexDir) {
        self.row = dir.snapshot.unwrap_or(self.snapshots.len());
        self.rows[self.row].described.add(&Described {
            unreadable: dir.unreadable,
            // A blob outside snapshots does not count.
            blobs: if dir.snapshot.is_some() { dir.blobs } else { 0 },
            blob_bytes: if dir.snapshot.is_some() { dir.blob_len } else { 0 },
            ..Described::default()
        });
    }

    pub(super) fn add_unreadable(&mut self) {
        self.rows[self.row].described.unreadable += 1;
    }

    pub(super) fn add_broken(&mut self, len: u64) {
        self.broken.0 += 1;
        self.broken.1 = self.broken.1.saturating_add(len);
    }

    pub(super) fn add_index(&mut self, index: &Index) {
        self.rows[self.row].described.add(&Described {
            indexes: 1,
            logical_bytes: index.size(),
            references: index.count() as u64,
            ..Described::default()
        });
    }

    /// Adds a chunk of the last index that was added.
    pub(super) fn add_chunk(&mut self, chunk: &mut Chunk) {
        let number = self.row as u32;
        if chunk.last == number {
            return;
        }
        let group = self.rows[self.row].group;
        let last_group = (chunk.last != NOBODY).then(|| self.rows[chunk.last as usize].group);
        match last_group {
            None => chunk.first = number,
            Some(last) => {
                let users = if last == group { Users::Snapshots } else { Users::Groups };
                chunk.users = chunk.users.max(users);
                if self.rows[self.row].age < self.rows[chunk.first as usize].age {
                    chunk.first = number;
                }
            }
        }
        chunk.last = number;
        let column = &mut self.columns[group];
        if last_group != Some(group) {
            column.used.add(chunk, self.exact);
            if let Some(place) = column.place {
                chunk.groups[usize::from(place / 32)] |= 1 << (place % 32);
            }
        }
        let row = &mut self.rows[self.row];
        row.used.add(chunk, self.exact);
        row.sizes[size_class(chunk.size)] += 1;
    }

    /// The numbers, when all is added.
    ///
    /// Errors: `NoMemory`.
    pub(super) fn finish(mut self, chunks: &[Chunk]) -> Result<Stats> {
        let mut total = TotalStats { broken: self.broken, ..TotalStats::default() };
        let mut matrix = vec![0; MATRIX_GROUPS * MATRIX_GROUPS];
        for chunk in chunks {
            if chunk.last == NOBODY {
                total.unreferenced.0 += 1;
                total.unreferenced.1 += u64::from(chunk.stored);
                continue;
            }
            total.used.add(chunk, self.exact);
            total.sizes[size_class(chunk.size)] += 1;
            total.size_bytes[size_class(chunk.size)] += u64::from(chunk.size);
            self.rows[chunk.first as usize].new.add(chunk, self.exact);
            let last = &mut self.rows[chunk.last as usize];
            match chunk.users {
                Users::One => last.own.add(chunk, self.exact),
                Users::Snapshots | Users::Groups => total.shared.add(chunk, self.exact),
            }
            match chunk.users {
                Users::One | Users::Snapshots => self.columns[last.group].own.add(chunk, self.exact),
                Users::Groups => {
                    total.across_groups.add(chunk, self.exact);
                    add_pairs(&mut matrix, chunk);
                }
            }
        }
        for row in &self.rows {
            self.columns[row.group].described.add(&row.described);
        }
        for column in &self.columns {
            total.described.add(&column.described);
        }
        total.others = self.columns[self.groups.len()].described;
        self.into_stats(total, matrix)
    }

    fn into_stats(self, total: TotalStats, matrix: Vec<u64>) -> Result<Stats> {
        let places = try_collect(self.columns.iter().map(|column| Ok(column.place)))?;
        let groups = self.groups.into_iter().zip(self.columns);
        let mut groups = try_collect(groups.map(|(group, Column { described, used, own, place: _ })| {
            Ok(GroupStats { group, snapshots: 0, times: None, described, used, own })
        }))?;
        let mut snapshots = Vec::new();
        reserve(&mut snapshots, self.snapshots.len())?;
        for ((group, info), row) in self.snapshots.into_iter().zip(self.rows) {
            let time = info.snapshot.time();
            let of_group = &mut groups[group];
            of_group.snapshots += 1;
            of_group.times = Some((of_group.times.map_or(time, |(oldest, _)| oldest), time));
            let Row { described, used, own, new, sizes, .. } = row;
            snapshots.push(SnapshotStats { info, group, described, used, own, new, sizes });
        }
        Ok(Stats { exact: self.exact, complete: true, total, groups, snapshots, matrix, places })
    }
}

/// The groups with the longest indexes, as many as are compared.
fn largest(snapshots: &[(usize, SnapshotInfo)], dirs: &[IndexDir], count: usize) -> Result<Vec<usize>> {
    let mut lens = try_collect(std::iter::repeat_n(Ok(0_u64), count))?;
    for dir in dirs {
        if let Some(snapshot) = dir.snapshot {
            let len = &mut lens[snapshots[snapshot].0];
            *len = len.saturating_add(dir.index_len);
        }
    }
    let mut groups = try_collect((0..count).map(Ok))?;
    groups.sort_unstable_by_key(|&group| (std::cmp::Reverse(lens[group]), group));
    groups.truncate(MATRIX_GROUPS);
    Ok(groups)
}

/// Adds a chunk to every two groups of the matrix that have it.
fn add_pairs(matrix: &mut [u64], chunk: &Chunk) {
    let bits = u64::from(chunk.groups[1]) << 32 | u64::from(chunk.groups[0]);
    let mut rows = bits;
    while rows != 0 {
        let row = rows.trailing_zeros() as usize;
        rows &= rows - 1;
        let mut columns = bits;
        while columns != 0 {
            let column = columns.trailing_zeros() as usize;
            columns &= columns - 1;
            matrix[row * MATRIX_GROUPS + column] += u64::from(chunk.size);
        }
    }
}

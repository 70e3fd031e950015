//! Editors over the maps of many rows: merged with other maps, and flattened.

use rustc_hash::FxHashMap;

use super::parse::DEEPEST;
use super::MAX_RESULT;
use crate::arena::Arena;
use crate::maps::{damaged, decode_map, flags, Entry, Map, Rows, START};
use crate::schema::{tags, Values};
use crate::values::{any_value, Cell, CellVec, Cells, Items};

/// Which entries `merge` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    Insert,
    Update,
    Upsert,
}

impl Strategy {
    /// The strategy of a name.
    ///
    /// # Errors
    /// There is none.
    pub fn named(name: &str) -> Result<Strategy, String> {
        match name {
            "insert" => Ok(Strategy::Insert),
            "update" => Ok(Strategy::Update),
            "upsert" => Ok(Strategy::Upsert),
            _ => Err(format!("there is no strategy {name}")),
        }
    }
}

/// Writes the entries of encoded maps, one a row or one for all, into the maps of rows; in how many rows it wrote any.
pub fn merge<P: AsRef<[u8]>>(
    arena: &Arena<P>,
    values: &Values,
    map: &mut Map,
    rows: Rows,
    sources: (&[i64], &[u32]),
    strategy: Strategy,
    touched: &mut [bool],
) -> Result<usize, String> {
    let fits = |len: usize| len == rows.len() || len == 1;
    if !fits(sources.0.len()) || sources.0.len() != sources.1.len() {
        return Err(format!("expected {} maps or one, got {}", rows.len(), sources.0.len()));
    }
    let mut written = 0;
    let mut pairs: Vec<(&[u8], Cell)> = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        if at == 0 || sources.0.len() > 1 {
            pairs.clear();
            decode_map(arena, values, sources.0[at], sources.1[at], |key, cell| pairs.push((key, cell)))?;
        }
        written += usize::from(merge_row(map, row, &pairs, strategy, touched)?);
    }
    Ok(written)
}

/// Writes entries into the map of a row; whether it wrote any.
pub fn merge_row(
    map: &mut Map,
    row: usize,
    pairs: &[(&[u8], Cell)],
    strategy: Strategy,
    touched: &mut [bool],
) -> Result<bool, String> {
    let mut wrote = false;
    let mut before = START;
    for &(key, cell) in pairs {
        let code = map.keys.code_after(before, key);
        before = code;
        if strategy != Strategy::Upsert && map.entry(row, code).is_some() != (strategy == Strategy::Update) {
            continue;
        }
        let cell = if cell.tag == tags::STRING_INDEX { Cell::EMPTY } else { cell };
        map.put(row, code, cell, touched)?;
        wrote = true;
    }
    Ok(wrote)
}

/// Whether a list or map nests so deep that a rule which stores it again may be refused.
pub fn deep<P: AsRef<[u8]>>(arena: &Arena<P>, values: &Values, cell: Cell, room: usize) -> Result<bool, String> {
    // Each level takes two bytes at least.
    if !matches!(cell.tag, tags::LIST | tags::MAP) || (cell.len as usize) < 2 * room {
        return Ok(false);
    }
    if room == 0 {
        return Ok(true);
    }
    let mut inner = Vec::new();
    if cell.tag == tags::LIST {
        inner = list_items(arena, values, cell)?;
    } else {
        decode_map(arena, values, cell.bits, cell.len, |_, cell| inner.push(cell))?;
    }
    for cell in inner {
        if deep(arena, values, cell, room - 1)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What `flatten` does: the prefix of all keys, how many levels are taken apart, whether taken keys get numbers.
#[derive(Debug, Clone, Copy)]
pub struct Flatten<'a> {
    pub prefix: &'a [u8],
    pub depth: usize,
    pub resolve: bool,
}

/// Replaces nested lists and maps of rows by entries with dotted keys; rows that have none stay. False, and nothing is changed,
/// where a row's keys get too long or a value is too deep.
pub fn flatten<P: AsRef<[u8]>>(
    arena: &mut Arena<P>,
    values: &Values,
    map: &mut Map,
    rows: Rows,
    flatten: Flatten,
    touched: &mut [bool],
) -> Result<bool, String> {
    let base = arena.end();
    let mut keys = Vec::new();
    let (mut changed, mut counts) = (Vec::new(), Vec::new());
    let (mut begins, mut sizes) = (Vec::new(), Vec::new());
    let mut cells = CellVec::default();
    let mut one = Flattened::default();
    for row in rows.iter() {
        if is_flat(map, row) && flatten.prefix.is_empty() {
            continue;
        }
        let (codes, entries) = map.row(row);
        one.clear();
        for (&code, entry) in codes.iter().zip(entries) {
            one.key.clear();
            push_prefix(&mut one.key, flatten.prefix);
            one.key.extend_from_slice(map.keys.get(code));
            one.add(arena, values, flatten, entry.cell(), 0)?;
        }
        if one.key_bytes > MAX_RESULT {
            return Ok(false);
        }
        for &(_, cell) in &one.entries {
            if deep(arena, values, cell, DEEPEST)? {
                return Ok(false);
            }
        }
        changed.push(i32::try_from(row).map_err(|_| "too many rows")?);
        counts.push(one.entries.len() as i32);
        for (key, cell) in one.entries.drain(..) {
            begins.push(base + keys.len() as i64);
            sizes.push(key.len() as u32);
            keys.extend_from_slice(&key);
            cells.push(cell);
        }
    }
    arena.add(&keys);
    let cells = Cells::new(&cells.tags, &cells.bits, &cells.lens, cells.tags.len())?;
    map.replace(arena, Rows::Some(&changed), &counts, (&begins, &sizes), cells, touched)?;
    Ok(true)
}

/// Whether flattening a row without a prefix leaves it as it is.
pub fn is_flat(map: &Map, row: usize) -> bool {
    let (codes, entries) = map.row(row);
    // A rewritten entry has a value and no unknown fields.
    let plain = |entry: &Entry| {
        matches!(entry.tag, tags::STRING | tags::BOOL | tags::INT | tags::DOUBLE | tags::BYTES)
            && entry.flags & flags::ODD == 0
    };
    entries.iter().all(plain) && !codes.iter().enumerate().any(|(at, code)| codes[..at].contains(code))
}

fn push_prefix(key: &mut Vec<u8>, prefix: &[u8]) {
    if !prefix.is_empty() {
        key.extend_from_slice(prefix);
        key.push(b'.');
    }
}

/// The entries of one row, in order, and the key being built.
#[derive(Default)]
struct Flattened {
    key: Vec<u8>,
    entries: Vec<(Vec<u8>, Cell)>,
    places: FxHashMap<Vec<u8>, usize>,
    conflicts: FxHashMap<Vec<u8>, u64>,
    key_bytes: usize,
}

impl Flattened {
    fn clear(&mut self) {
        self.entries.clear();
        self.places.clear();
        self.conflicts.clear();
        self.key_bytes = 0;
    }

    /// A value under the key that stands in `self.key`, which is the same afterwards.
    fn add<P: AsRef<[u8]>>(
        &mut self,
        arena: &Arena<P>,
        values: &Values,
        how: Flatten,
        cell: Cell,
        depth: usize,
    ) -> Result<(), String> {
        match cell.tag {
            tags::MAP if depth < how.depth => self.add_map(arena, values, how, cell, depth + 1),
            tags::LIST if depth < how.depth => self.add_list(arena, values, how, cell, depth + 1),
            _ => {
                self.put(how, self.key.len(), cell);
                Ok(())
            }
        }
    }

    fn add_map<P: AsRef<[u8]>>(
        &mut self,
        arena: &Arena<P>,
        values: &Values,
        how: Flatten,
        cell: Cell,
        depth: usize,
    ) -> Result<(), String> {
        let mut pairs = Vec::new();
        decode_map(arena, values, cell.bits, cell.len, |key, cell| pairs.push((key, cell)))?;
        let len = self.key.len();
        for (key, cell) in pairs {
            if len > 0 {
                self.key.push(b'.');
            }
            self.key.extend_from_slice(key);
            self.add(arena, values, how, cell, depth)?;
            self.key.truncate(len);
        }
        Ok(())
    }

    fn add_list<P: AsRef<[u8]>>(
        &mut self,
        arena: &Arena<P>,
        values: &Values,
        how: Flatten,
        cell: Cell,
        depth: usize,
    ) -> Result<(), String> {
        let len = self.key.len();
        for (index, item) in list_items(arena, values, cell)?.into_iter().enumerate() {
            self.key.extend_from_slice(format!(".{index}").as_bytes());
            match item.tag {
                tags::MAP if depth < how.depth => self.add_map(arena, values, how, item, depth + 1)?,
                tags::LIST if depth < how.depth => {
                    // No dot between a nested list's key and the index of its elements, as in the reference.
                    let inner_len = self.key.len();
                    for (inner, element) in list_items(arena, values, item)?.into_iter().enumerate() {
                        self.key.extend_from_slice(inner.to_string().as_bytes());
                        self.add(arena, values, how, element, depth + 2)?;
                        self.key.truncate(inner_len);
                    }
                }
                _ => self.put(how, if how.resolve { len } else { self.key.len() }, item),
            }
            self.key.truncate(len);
        }
        Ok(())
    }

    /// Puts a value under the first `len` bytes of the key.
    fn put(&mut self, how: Flatten, len: usize, cell: Cell) {
        let mut key = self.key.get(..len).unwrap_or_default().to_vec();
        if how.resolve {
            if self.places.contains_key(&key) {
                let count = self.conflicts.entry(key.clone()).or_insert(0);
                let number = *count;
                *count += 1;
                key.extend_from_slice(format!(".{number}").as_bytes());
            } else {
                self.conflicts.insert(key.clone(), 0);
            }
        }
        self.key_bytes += key.len();
        let cell = if cell.tag == tags::STRING_INDEX { Cell::EMPTY } else { cell };
        match self.places.get(&key) {
            Some(&place) => self.entries[place].1 = cell,
            None => {
                self.places.insert(key.clone(), self.entries.len());
                self.entries.push((key, cell));
            }
        }
    }
}

/// The elements of a list cell.
pub fn list_items<P: AsRef<[u8]>>(arena: &Arena<P>, values: &Values, cell: Cell) -> Result<Vec<Cell>, String> {
    let data = arena.cell(cell)?;
    let mut found = Vec::new();
    for item in Items::new(data, values.array_values) {
        let (from, to) = item.map_err(damaged)?;
        found.push(any_value(values, data, from, to, cell.bits).map_err(damaged)?.0);
    }
    Ok(found)
}

//! Editors over the maps of many rows: merged with other maps, and flattened.

use super::parse::DEEPEST;
use crate::arena::Arena;
use crate::json::numbers::write_integer;
use crate::maps::{damaged, decode_map, flags, Entry, Keys, Map, Rows, START};
use crate::schema::{tags, Values};
use crate::values::{any_value, Cell, Items};

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

    /// Whether an entry with a key is written into the map of a row.
    #[inline(always)]
    pub fn writes(self, map: &Map, row: usize, code: u32) -> bool {
        self == Strategy::Upsert || map.entry(row, code).is_some() == (self == Strategy::Update)
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
        if !strategy.writes(map, row, code) {
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
    if cell.tag == tags::LIST {
        for item in items_of(arena, values, cell)? {
            if deep(arena, values, item?, room - 1)? {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    let mut found = Ok(false);
    decode_map(arena, values, cell.bits, cell.len, |_, cell| {
        if found == Ok(false) {
            found = deep(arena, values, cell, room - 1);
        }
    })?;
    found
}

/// What `flatten` does: the prefix of all keys, how many levels are taken apart, whether taken keys get numbers, and
/// how many bytes the keys of a row may have in all.
#[derive(Debug, Clone, Copy)]
pub struct Flatten<'a> {
    pub prefix: &'a [u8],
    pub depth: usize,
    pub resolve: bool,
    pub longest: usize,
}

/// Replaces nested lists and maps of rows by entries with dotted keys; rows that have none stay. False, and nothing is changed,
/// where a row's keys get too long or a value is too deep.
pub fn flatten<P: AsRef<[u8]>>(
    arena: &Arena<P>,
    values: &Values,
    map: &mut Map,
    rows: Rows,
    how: Flatten,
    flattened: &mut Flattened,
    touched: &mut [bool],
) -> Result<bool, String> {
    flattened.codes.clear();
    flattened.entries.clear();
    flattened.rows.clear();
    for row in rows.iter() {
        if is_flat(map, row) && how.prefix.is_empty() {
            continue;
        }
        if !flattened.row(arena, values, map, row, how)? {
            return Ok(false);
        }
    }
    let mut begin = 0;
    for &(row, end) in &flattened.rows {
        map.rewrite(row, &flattened.codes[begin..end], &flattened.entries[begin..end], touched)?;
        begin = end;
    }
    Ok(true)
}

/// True for an entry that flattening leaves as it is: a rewritten one has a value and no unknown fields.
fn is_plain(entry: &Entry) -> bool {
    matches!(entry.tag, tags::STRING | tags::BOOL | tags::INT | tags::DOUBLE | tags::BYTES)
        && entry.flags & flags::ODD == 0
}

/// Whether flattening a row without a prefix leaves it as it is.
pub fn is_flat(map: &Map, row: usize) -> bool {
    let (codes, entries) = map.row(row);
    let mut seen = 0u128;
    let new = |(at, &code): (usize, &u32)| {
        if code >= 128 {
            return !codes[..at].contains(&code);
        }
        let before = seen;
        seen |= 1 << code;
        seen != before
    };
    entries.iter().all(is_plain) && codes.iter().enumerate().all(new)
}

fn push_prefix(key: &mut Vec<u8>, prefix: &[u8]) {
    if !prefix.is_empty() {
        key.extend_from_slice(prefix);
        key.push(b'.');
    }
}

/// The new entries of rows, in order, and the key being built.
#[derive(Debug, Default)]
pub struct Flattened {
    codes: Vec<u32>,
    entries: Vec<Entry>,
    /// Rows, and where the entries of each end.
    rows: Vec<(usize, usize)>,
    key: Vec<u8>,
    key_bytes: usize,
    /// By code of a key: the last row that has it, as a number from 1, its place there and the keys made from it so far.
    places: Vec<(usize, usize, u64)>,
    number: usize,
    before: u32,
}

impl Flattened {
    /// Adds the entries of a row; false where its keys get too long or a value is too deep.
    fn row<P: AsRef<[u8]>>(
        &mut self,
        arena: &Arena<P>,
        values: &Values,
        map: &mut Map,
        row: usize,
        how: Flatten,
    ) -> Result<bool, String> {
        let begin = self.entries.len();
        self.key_bytes = 0;
        self.number += 1;
        self.before = START;
        for at in 0..map.row(row).0.len() {
            let (codes, entries) = map.row(row);
            let (code, entry) = (codes[at], entries[at]);
            if is_plain(&entry) && how.prefix.is_empty() {
                self.key_bytes += map.keys.get(code).len();
                self.put_code(&mut map.keys, how, code, entry);
                continue;
            }
            self.key.clear();
            push_prefix(&mut self.key, how.prefix);
            self.key.extend_from_slice(map.keys.get(code));
            self.add(arena, values, &mut map.keys, how, entry.cell(), 0)?;
        }
        for entry in &self.entries[begin..] {
            if deep(arena, values, entry.cell(), DEEPEST)? {
                return Ok(false);
            }
        }
        self.rows.push((row, self.entries.len()));
        Ok(self.key_bytes <= how.longest)
    }

    /// A value under the key that stands in `self.key`, which is the same afterwards.
    fn add<P: AsRef<[u8]>>(
        &mut self,
        arena: &Arena<P>,
        values: &Values,
        keys: &mut Keys,
        how: Flatten,
        cell: Cell,
        depth: usize,
    ) -> Result<(), String> {
        match cell.tag {
            tags::MAP if depth < how.depth => self.add_map(arena, values, keys, how, cell, depth + 1),
            tags::LIST if depth < how.depth => self.add_list(arena, values, keys, how, cell, depth + 1),
            _ => {
                self.put(keys, how, self.key.len(), cell);
                Ok(())
            }
        }
    }

    fn add_map<P: AsRef<[u8]>>(
        &mut self,
        arena: &Arena<P>,
        values: &Values,
        keys: &mut Keys,
        how: Flatten,
        cell: Cell,
        depth: usize,
    ) -> Result<(), String> {
        let len = self.key.len();
        let mut done = Ok(());
        decode_map(arena, values, cell.bits, cell.len, |key, cell| {
            if len > 0 {
                self.key.push(b'.');
            }
            self.key.extend_from_slice(key);
            if done.is_ok() {
                done = self.add(arena, values, keys, how, cell, depth);
            }
            self.key.truncate(len);
        })?;
        done
    }

    fn add_list<P: AsRef<[u8]>>(
        &mut self,
        arena: &Arena<P>,
        values: &Values,
        keys: &mut Keys,
        how: Flatten,
        cell: Cell,
        depth: usize,
    ) -> Result<(), String> {
        let len = self.key.len();
        for (index, item) in (0..).zip(items_of(arena, values, cell)?) {
            let item = item?;
            self.key.push(b'.');
            write_integer(&mut self.key, index);
            match item.tag {
                tags::MAP if depth < how.depth => self.add_map(arena, values, keys, how, item, depth + 1)?,
                tags::LIST if depth < how.depth => {
                    // No dot between a nested list's key and the index of its elements, as in the reference.
                    let inner_len = self.key.len();
                    for (inner, element) in (0..).zip(items_of(arena, values, item)?) {
                        write_integer(&mut self.key, inner);
                        self.add(arena, values, keys, how, element?, depth + 2)?;
                        self.key.truncate(inner_len);
                    }
                }
                _ => self.put(keys, how, if how.resolve { len } else { self.key.len() }, item),
            }
            self.key.truncate(len);
        }
        Ok(())
    }

    /// Puts a value under the first `len` bytes of the key.
    fn put(&mut self, keys: &mut Keys, how: Flatten, len: usize, cell: Cell) {
        let key = self.key.get(..len).unwrap_or_default();
        let code = keys.code_after(self.before, key);
        self.before = code;
        self.key_bytes += key.len();
        let cell = if cell.tag == tags::STRING_INDEX { Cell::EMPTY } else { cell };
        self.put_code(keys, how, code, Entry::made(cell));
    }

    /// Puts an entry under a key. One that the row has already gets a number, or the entry takes its place.
    fn put_code(&mut self, keys: &mut Keys, how: Flatten, mut code: u32, mut entry: Entry) {
        if self.places.len() <= code as usize {
            self.places.resize(keys.len(), (0, 0, 0));
        }
        let number = self.number;
        if let Some((_, place, made)) = self.places.get_mut(code as usize).filter(|known| known.0 == number) {
            if !how.resolve {
                self.entries[*place] = entry;
                return;
            }
            let mut key = keys.get(code).to_vec();
            key.push(b'.');
            write_integer(&mut key, *made);
            *made += 1;
            self.key_bytes += key.len() - keys.get(code).len();
            entry = Entry::made(entry.cell()); // the payload has it under its old key
            code = keys.code(&key);
            self.places.resize(keys.len().max(self.places.len()), (0, 0, 0));
            if let Some(&(_, place, _)) = self.places.get(code as usize).filter(|known| known.0 == number) {
                self.entries[place] = entry;
                return;
            }
            self.places[code as usize] = (number, self.entries.len(), 0);
        } else if let Some(known) = self.places.get_mut(code as usize) {
            *known = (number, self.entries.len(), 0);
        }
        self.codes.push(code);
        self.entries.push(entry);
    }
}

/// The elements of a list cell.
pub fn items_of<'a, P: AsRef<[u8]>>(
    arena: &'a Arena<P>,
    values: &'a Values,
    cell: Cell,
) -> Result<impl Iterator<Item = Result<Cell, String>> + 'a, String> {
    let data = arena.cell(cell)?;
    Ok(Items::new(data, values.array_values).map(move |item| {
        let (from, to) = item.map_err(damaged)?;
        Ok(any_value(values, data, from, to, cell.bits).map_err(damaged)?.0)
    }))
}

/// As above, all at once.
pub fn list_items<P: AsRef<[u8]>>(arena: &Arena<P>, values: &Values, cell: Cell) -> Result<Vec<Cell>, String> {
    items_of(arena, values, cell)?.collect()
}

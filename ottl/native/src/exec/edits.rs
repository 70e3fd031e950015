//! Editors of maps, on the map of one row.

use super::calls::{entries, replaced};
use super::{is_no_container, known, Declined, Done, Failed, Function, Run, Slot};
use crate::kernels::nested::{self, Flatten, Strategy};
use crate::kernels::parse::DEEPEST;
use crate::kernels::{groups_of, Pattern, Piece, Searcher};
use crate::maps::{Keys, Rows};
use crate::schema::tags;
use crate::values::Cell;

/// Where an editor of a value writes.
#[derive(Debug)]
#[repr(u8)]
pub enum Place {
    Entry { map: u32, key: u32 },
    Column { column: u32 },
}

/// What is done with the map of a row.
#[derive(Debug)]
#[repr(u8)]
pub enum Editor {
    Delete {
        key: u32,
    },
    /// Removes the entries whose keys are not in a set.
    Keep {
        set: u32,
    },
    /// Keeps so many entries, those whose keys are in a set before the others.
    Limit {
        limit: usize,
        set: u32,
    },
    Truncate {
        limit: usize,
        whole_characters: bool,
        marker: Vec<u8>,
    },
    Merge {
        source: Slot,
        strategy: Strategy,
    },
    /// Merges what a parser finds in a text, without writing it down as a map.
    MergeCall {
        function: Function,
        text: Slot,
        strategy: Strategy,
    },
    Flatten {
        prefix: Vec<u8>,
        depth: usize,
        resolve: bool,
    },
    /// Replaces the matches of an expression in all strings.
    ReplaceAll {
        pattern: Pattern,
        template: Vec<Piece>,
    },
}

/// A set of keys of a map, by name or by expression.
#[derive(Debug)]
pub struct KeySet {
    pub names: Vec<Vec<u8>>,
    pub pattern: Option<Pattern>,
    /// Whether it is the others that are meant.
    pub complement: bool,
}

/// What is known so far of the keys of a map: whether each is in the set; 2 for a key that only the caller can tell.
#[derive(Debug, Default)]
pub struct Known {
    marks: Vec<u8>,
    unknown: bool,
    searcher: Option<Searcher>,
}

impl Known {
    /// Looks at the keys that have come since.
    #[inline(always)]
    fn learn(&mut self, set: &KeySet, keys: &Keys) {
        while self.marks.len() < keys.len() {
            let key = keys.get(self.marks.len() as u32);
            let mark = match &set.pattern {
                None => u8::from(set.names.iter().any(|name| name == key) != set.complement),
                Some(pattern) => match self.searcher.get_or_insert_with(|| pattern.searcher([])).is_match(key) {
                    Some(found) => u8::from(found != set.complement),
                    None => 2,
                },
            };
            self.unknown |= mark == 2;
            self.marks.push(mark);
        }
    }
}

impl<P: AsRef<[u8]>> Run<'_, '_, P> {
    /// Runs an editor on a row's map; whether it changed anything.
    #[inline(always)]
    pub(super) fn edit(&mut self, row: usize, map: u32, editor: &Editor) -> Done<bool> {
        match editor {
            Editor::Delete { key } => {
                let code = self.state.codes.get(*key as usize).copied().ok_or(Declined)?;
                let table = self.tables.get_mut(self.program.context).ok_or(Declined)?;
                let map = table.maps.get_mut(map as usize).ok_or(Declined)?;
                Ok(map.remove(row, code, &mut table.dirty))
            }
            Editor::Keep { set } => self.keep(row, map, *set),
            Editor::Limit { limit, set } => self.limit(row, map, *limit, *set),
            Editor::Truncate { limit, whole_characters, marker } => {
                self.truncate(row, map, *limit, *whole_characters, marker)
            }
            Editor::Merge { source, strategy } => self.merge(row, map, self.get(*source), *strategy),
            Editor::MergeCall { function, text, strategy } => self.merge_call(row, map, function, *text, *strategy),
            Editor::Flatten { prefix, depth, resolve } => {
                self.flatten(row, map, Flatten { prefix, depth: *depth, resolve: *resolve, longest: self.room.longest })
            }
            Editor::ReplaceAll { pattern, template } => self.replace_all(row, map, pattern, template),
        }
    }

    fn keep(&mut self, row: usize, map: u32, set: u32) -> Done<bool> {
        let table = self.tables.get_mut(self.program.context).ok_or(Declined)?;
        let map = table.maps.get_mut(map as usize).ok_or(Declined)?;
        let known = self.state.sets.get_mut(set as usize).ok_or(Declined)?;
        let keys = self.program.key_sets.get(set as usize).ok_or(Declined)?;
        known.learn(keys, &map.keys);
        let mark = |code: u32| known.marks.get(code as usize).copied().unwrap_or(0);
        if known.unknown && map.row(row).0.iter().any(|&code| mark(code) == 2) {
            return Err(Declined);
        }
        Ok(map.keep(row, |code| mark(code) == 1, &mut table.dirty))
    }

    fn limit(&mut self, row: usize, map: u32, limit: usize, set: u32) -> Done<bool> {
        let table = self.tables.get_mut(self.program.context).ok_or(Declined)?;
        let map = table.maps.get_mut(map as usize).ok_or(Declined)?;
        let codes = map.row(row).0;
        if codes.len() <= limit {
            return Ok(false);
        }
        let first = self.state.sets.get_mut(set as usize).ok_or(Declined)?;
        first.learn(self.program.key_sets.get(set as usize).ok_or(Declined)?, &map.keys);
        let is_first = |code: u32| first.marks.get(code as usize) == Some(&1);
        // A key that comes twice counts once, and both its entries stay.
        let new = |(at, code): (usize, &u32)| is_first(*code) && !codes[..at].contains(code);
        let left = std::cell::Cell::new(limit.saturating_sub(codes.iter().enumerate().filter(|&one| new(one)).count()));
        let wanted = |code: u32| {
            let stays = is_first(code) || left.get() > 0;
            if stays && !is_first(code) {
                left.set(left.get() - 1);
            }
            stays
        };
        map.keep(row, wanted, &mut table.dirty);
        Ok(true)
    }

    fn truncate(&mut self, row: usize, map: u32, limit: usize, whole: bool, marker: &[u8]) -> Done<bool> {
        let table = self.tables.get_mut(self.program.context).ok_or(Declined)?;
        let map = table.maps.get_mut(map as usize).ok_or(Declined)?;
        let arena = &mut *self.arena;
        let cut = limit - marker.len();
        let change = |cell: Cell| {
            if cell.tag != tags::STRING || cell.len as usize <= limit {
                return None;
            }
            let mut end = cut;
            if whole {
                let text = arena.get(cell.bits, cell.len)?;
                while end > 0 && text.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
                    end -= 1;
                }
            }
            if marker.is_empty() {
                return Some(Cell { len: end as u32, ..cell });
            }
            let begin = arena.copy(cell.bits, end as u32)?;
            arena.add(marker);
            Some(Cell::view(tags::STRING, begin, end + marker.len()))
        };
        Ok(map.update(row, change, &mut table.dirty))
    }

    fn merge_call(&mut self, row: usize, map: u32, function: &Function, text: Slot, strategy: Strategy) -> Done<bool> {
        let cell = self.get(text);
        let table = self.tables.get_mut(self.program.context).ok_or(Declined)?;
        let target = table.maps.get_mut(map as usize).ok_or(Declined)?;
        let found = entries(function, self.arena, &self.values, &mut self.state.scratch, cell, &mut target.keys)?;
        if !found {
            let source = self.call(function, &[text])?;
            return self.merge(row, map, source, strategy);
        }
        let pairs = &self.state.scratch.entries;
        target.reserve(row, pairs.len())?;
        let mut wrote = false;
        for &(code, cell) in pairs {
            if strategy == Strategy::Upsert || target.entry(row, code).is_some() == (strategy == Strategy::Update) {
                target.put(row, code, cell, &mut table.dirty)?;
                wrote = true;
            }
        }
        Ok(wrote)
    }

    fn merge(&mut self, row: usize, map: u32, source: Cell, strategy: Strategy) -> Done<bool> {
        if is_no_container(source.tag) {
            return Err(Failed);
        }
        if source.tag != tags::MAP || nested::deep(self.arena, &self.values, source, DEEPEST)? {
            return Err(Declined);
        }
        self.decode(map, source)?;
        let table = self.tables.get_mut(self.program.context).ok_or(Declined)?;
        let map = table.maps.get_mut(map as usize).ok_or(Declined)?;
        let mut wrote = false;
        for (code, cell) in self.state.decoded.pairs() {
            if strategy == Strategy::Upsert || map.entry(row, code).is_some() == (strategy == Strategy::Update) {
                map.put(row, code, known(cell), &mut table.dirty)?;
                wrote = true;
            }
        }
        Ok(wrote)
    }

    fn flatten(&mut self, row: usize, map: u32, how: Flatten) -> Done<bool> {
        let table = self.tables.get_mut(self.program.context).ok_or(Declined)?;
        let map = table.maps.get_mut(map as usize).ok_or(Declined)?;
        if !(nested::is_flat(map, row) && how.prefix.is_empty()) {
            let one = [i32::try_from(row).map_err(|_| Declined)?];
            let (rows, into) = (Rows::Some(&one), &mut self.state.flattened);
            if !nested::flatten(self.arena, &self.values, map, rows, how, into, &mut table.dirty)? {
                return Err(Declined);
            }
        }
        Ok(true)
    }

    fn replace_all(&mut self, row: usize, map: u32, pattern: &Pattern, template: &[Piece]) -> Done<bool> {
        let table = self.tables.get_mut(self.program.context).ok_or(Declined)?;
        let map = table.maps.get_mut(map as usize).ok_or(Declined)?;
        let (searcher, out) = self.state.scratch.searcher(pattern, groups_of(template));
        let longest = self.room.longest;
        let mut found: Vec<(usize, Cell)> = Vec::new();
        for (at, entry) in map.row(row).1.iter().enumerate().filter(|(_, entry)| entry.tag == tags::STRING) {
            if let Some(cell) = replaced(self.arena, (searcher, out), template, longest, entry.cell())? {
                found.push((at, cell));
            }
        }
        let (mut at, mut next) = (0, found.iter().peekable());
        let change = |_| {
            let here = at;
            at += 1;
            next.next_if(|(place, _)| *place == here).map(|&(_, cell)| cell)
        };
        Ok(map.update(row, change, &mut table.dirty))
    }

    /// A string of the row with all matches replaced: a field, or an entry of a map; whether there was one.
    pub(super) fn replace(
        &mut self,
        row: usize,
        place: &Place,
        value: Slot,
        pattern: &Pattern,
        template: &[Piece],
    ) -> Done<bool> {
        let cell = self.get(value);
        if cell.tag != tags::STRING {
            return Ok(false);
        }
        let room = self.state.scratch.searcher(pattern, groups_of(template));
        let Some(cell) = replaced(self.arena, room, template, self.room.longest, cell)? else {
            return Ok(false);
        };
        match place {
            Place::Entry { map, key } => self.store_entry(row, *map, *key, cell)?,
            Place::Column { column } => self.store_cell(row, *column, cell)?,
        }
        Ok(true)
    }
}

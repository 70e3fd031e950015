//! Editors of maps, on the map of one row.

use super::calls::{entries, replaced};
use super::inside::{opened, Glob};
use super::{is_no_container, known, Declined, Done, Failed, Function, Run, Slot};
use crate::kernels::nested::{self, Flatten, Strategy};
use crate::kernels::parse::DEEPEST;
use crate::kernels::{groups_of, Pattern, Piece, Replacement, Searcher};
use crate::maps::{Entry, Keys, Map, Rows, START};
use crate::schema::tags;
use crate::values::Cell;

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
    /// Merges another map of the row.
    MergeMap {
        source: u32,
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
    /// Replaces the matches of an expression in all keys.
    Rename {
        pattern: Pattern,
        template: Vec<Piece>,
    },
    /// Replaces the strings that a glob matches by one from a register.
    MatchAll {
        glob: Glob,
        new: Slot,
    },
    /// Replaces all values by their texts.
    Stringify,
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
                let (map, touched) = opened(self.tables, &mut self.state.taken, self.program.context, map)?;
                Ok(map.remove(row, code, touched))
            }
            Editor::Keep { set } => self.keep(row, map, *set),
            Editor::Limit { limit, set } => self.limit(row, map, *limit, *set),
            Editor::Truncate { limit, whole_characters, marker } => {
                self.truncate(row, map, *limit, *whole_characters, marker)
            }
            Editor::Merge { source, strategy } => self.merge(row, map, self.get(*source), *strategy),
            Editor::MergeMap { source, strategy } => self.merge_map(row, map, *source, *strategy),
            Editor::MergeCall { function, text, strategy } => self.merge_call(row, map, function, *text, *strategy),
            Editor::Flatten { prefix, depth, resolve } => {
                self.flatten(row, map, Flatten { prefix, depth: *depth, resolve: *resolve, longest: self.room.longest })
            }
            Editor::ReplaceAll { pattern, template } => self.replace_all(row, map, pattern, template),
            Editor::Rename { pattern, template } => self.rename(row, map, pattern, template),
            Editor::MatchAll { glob, new } => self.match_all(row, map, glob, *new),
            Editor::Stringify => self.stringify(row, map),
        }
    }

    fn keep(&mut self, row: usize, map: u32, set: u32) -> Done<bool> {
        let (map, touched) = opened(self.tables, &mut self.state.taken, self.program.context, map)?;
        let known = self.state.sets.get_mut(set as usize).ok_or(Declined)?;
        let keys = self.program.key_sets.get(set as usize).ok_or(Declined)?;
        known.learn(keys, &map.keys);
        let mark = |code: u32| known.marks.get(code as usize).copied().unwrap_or(0);
        if known.unknown && map.row(row).0.iter().any(|&code| mark(code) == 2) {
            return Err(Declined);
        }
        Ok(map.keep(row, |code| mark(code) == 1, touched))
    }

    fn limit(&mut self, row: usize, map: u32, limit: usize, set: u32) -> Done<bool> {
        let (map, touched) = opened(self.tables, &mut self.state.taken, self.program.context, map)?;
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
        map.keep(row, wanted, touched);
        Ok(true)
    }

    fn truncate(&mut self, row: usize, map: u32, limit: usize, whole: bool, marker: &[u8]) -> Done<bool> {
        let (map, touched) = opened(self.tables, &mut self.state.taken, self.program.context, map)?;
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
        Ok(map.update(row, change, touched))
    }

    fn merge_call(&mut self, row: usize, map: u32, function: &Function, text: Slot, strategy: Strategy) -> Done<bool> {
        let cell = self.get(text);
        let (target, _) = opened(self.tables, &mut self.state.taken, self.program.context, map)?;
        let found = entries(function, self.arena, &self.values, &mut self.state.scratch, cell, &mut target.keys)?;
        if !found {
            let source = self.call(function, &[text])?;
            return self.merge(row, map, source, strategy);
        }
        let (target, touched) = opened(self.tables, &mut self.state.taken, self.program.context, map)?;
        let pairs = &self.state.scratch.entries;
        target.reserve(row, pairs.len())?;
        let mut wrote = false;
        for &(code, cell) in pairs {
            if strategy.writes(target, row, code) {
                target.put(row, code, cell, touched)?;
                wrote = true;
            }
        }
        Ok(wrote)
    }

    fn merge_map(&mut self, row: usize, map: u32, source: u32, strategy: Strategy) -> Done<bool> {
        if map == source {
            return Err(Declined);
        }
        let (place, _) = opened(self.tables, &mut self.state.taken, self.program.context, source)?;
        let held = std::mem::take(place);
        let merged = self.merge_held(row, map, &held, strategy);
        *opened(self.tables, &mut self.state.taken, self.program.context, source)?.0 = held;
        merged
    }

    fn merge_held(&mut self, row: usize, map: u32, source: &Map, strategy: Strategy) -> Done<bool> {
        // The map that is changed may be one of a single row.
        let (codes, entries) = source.row(self.row(self.lane));
        for entry in entries {
            if nested::deep(self.arena, &self.values, entry.cell(), DEEPEST - 1)? {
                return Err(Declined);
            }
        }
        let (target, touched) = opened(self.tables, &mut self.state.taken, self.program.context, map)?;
        let (mut before, mut wrote) = (START, false);
        for (&code, entry) in codes.iter().zip(entries) {
            let code = target.keys.code_after(before, source.keys.get(code));
            before = code;
            if strategy.writes(target, row, code) {
                target.put(row, code, known(entry.cell()), touched)?;
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
        let (map, touched) = opened(self.tables, &mut self.state.taken, self.program.context, map)?;
        let mut wrote = false;
        for (code, cell) in self.state.decoded.pairs() {
            if strategy.writes(map, row, code) {
                map.put(row, code, known(cell), touched)?;
                wrote = true;
            }
        }
        Ok(wrote)
    }

    fn flatten(&mut self, row: usize, map: u32, how: Flatten) -> Done<bool> {
        let (map, touched) = opened(self.tables, &mut self.state.taken, self.program.context, map)?;
        if !(nested::is_flat(map, row) && how.prefix.is_empty()) {
            let one = [i32::try_from(row).map_err(|_| Declined)?];
            let (rows, into) = (Rows::Some(&one), &mut self.state.flattened);
            if !nested::flatten(self.arena, &self.values, map, rows, how, into, touched)? {
                return Err(Declined);
            }
        }
        Ok(true)
    }

    fn replace_all(&mut self, row: usize, map: u32, pattern: &Pattern, template: &[Piece]) -> Done<bool> {
        let longest = self.room.longest;
        let change = |run: &mut Self, cell: Cell| {
            if cell.tag != tags::STRING {
                return Ok(None);
            }
            replaced(run.arena, run.state.scratch.searcher(pattern, groups_of(template)), template, longest, cell)
        };
        self.update(row, map, change)
    }

    fn match_all(&mut self, row: usize, map: u32, glob: &Glob, new: Slot) -> Done<bool> {
        let new = self.get(new);
        self.text(new)?;
        self.update(row, map, |run, cell| Ok((cell.tag == tags::STRING && run.globbed(glob, cell)?).then_some(new)))
    }

    fn stringify(&mut self, row: usize, map: u32) -> Done<bool> {
        self.update(row, map, |run, cell| match cell.tag {
            tags::STRING => Ok(None),
            _ => run.text_of(cell).map(Some),
        })
    }

    /// Changes the values of a row where `change` gives a new one, once all are known; whether it did anywhere.
    fn update(
        &mut self,
        row: usize,
        map: u32,
        mut change: impl FnMut(&mut Self, Cell) -> Done<Option<Cell>>,
    ) -> Done<bool> {
        let mut found = std::mem::take(&mut self.state.found);
        found.clear();
        let (held, _) = opened(self.tables, &mut self.state.taken, self.program.context, map)?;
        found.extend(held.row(row).1.iter().map(|entry| (entry.cell(), false)));
        let mut done = Ok(());
        for (cell, changed) in &mut found {
            match change(self, *cell) {
                Ok(Some(new)) => (*cell, *changed) = (new, true),
                Ok(None) => {}
                // The scalar kernel may have changed some of the entries by then.
                Err(_) => {
                    done = Err(Declined);
                    break;
                }
            }
            if self.full() {
                done = Err(Declined);
                break;
            }
        }
        let (held, touched) = opened(self.tables, &mut self.state.taken, self.program.context, map)?;
        let mut next = found.iter();
        let changed = done
            .map(|()| held.update(row, |_| next.next().and_then(|&(cell, changed)| changed.then_some(cell)), touched));
        self.state.found = found;
        changed
    }

    /// Replaces matches in all keys.
    fn rename(&mut self, row: usize, map: u32, pattern: &Pattern, template: &[Piece]) -> Done<bool> {
        let (map, touched) = opened(self.tables, &mut self.state.taken, self.program.context, map)?;
        let mut renamed = self.state.scratch.take_renamed(pattern);
        let (searcher, out) = self.state.scratch.searcher(pattern, groups_of(template));
        let (arena, most) = (&mut *self.arena, self.room.most);
        let longest = self.room.longest;
        let new = |keys: &mut Keys, code: u32| {
            out.clear();
            match searcher.replace(keys.get(code), template, longest, out) {
                Replacement::Made => {
                    let known = keys.len();
                    let code = keys.code(out);
                    // A new key counts as what statements make.
                    if keys.len() > known {
                        arena.add(out);
                    }
                    (arena.end() <= most).then_some(code)
                }
                Replacement::None => Some(code),
                Replacement::Declined => None,
            }
        };
        let done = renamed.rename(map, row, self.room.items, new, touched);
        self.state.scratch.give_renamed(pattern, renamed);
        done
    }
}

/// What a map's keys become, as far as that is known, and the entries of a row under their new keys.
#[derive(Debug, Default)]
pub struct Renamed {
    /// By code the new one, [`UNKNOWN`] until it is asked for.
    new: Vec<u32>,
    /// By code the last row that has it, as a number from 1, and its place there.
    places: Vec<(usize, usize)>,
    number: usize,
    codes: Vec<u32>,
    entries: Vec<Entry>,
}

const UNKNOWN: u32 = u32::MAX;

impl Renamed {
    /// Gives a row's entries their new keys. The later of entries whose keys meet wins, in the place of the first.
    fn rename(
        &mut self,
        map: &mut Map,
        row: usize,
        items: usize,
        mut new: impl FnMut(&mut Keys, u32) -> Option<u32>,
        touched: &mut [bool],
    ) -> Done<bool> {
        let run = map.runs.get(row).copied().unwrap_or_default();
        let slots = run.begin as usize..(run.begin + run.count) as usize;
        self.codes.clear();
        self.entries.clear();
        self.number += 1;
        let (mut same, mut elements) = (true, slots.len());
        for slot in slots {
            let (Some(&code), Some(&entry)) = (map.codes.get(slot), map.entries.get(slot)) else {
                return Err(Declined);
            };
            if self.new.len() <= code as usize {
                self.new.resize(map.keys.len(), UNKNOWN);
            }
            let renamed = match self.new[code as usize] {
                UNKNOWN => new(&mut map.keys, code).ok_or(Declined)?,
                known => known,
            };
            self.new[code as usize] = renamed;
            if self.places.len() <= renamed as usize {
                self.places.resize(map.keys.len(), (0, 0));
            }
            let cell = known(entry.cell());
            if matches!(cell.tag, tags::LIST | tags::MAP) {
                elements += cell.len as usize / 2;
            }
            // The payload has it under its old key.
            let entry = if renamed == code { entry } else { Entry::made(cell) };
            let place = &mut self.places[renamed as usize];
            same &= renamed == code && place.0 != self.number;
            if place.0 == self.number {
                self.entries[place.1] = entry;
                continue;
            }
            *place = (self.number, self.codes.len());
            self.codes.push(renamed);
            self.entries.push(entry);
        }
        if elements > items {
            return Err(Declined);
        }
        if !same {
            map.rewrite(row, &self.codes, &self.entries, touched)?;
        }
        Ok(true)
    }
}

//! Buffers kept from payload to payload: memory from the system comes page by page, and costs more than what is written into it.

use std::sync::Mutex;

use crate::batch::Table;
use crate::pages;
use crate::patch::Rope;
use crate::schema::TableShape;

/// The buffers of one batch.
#[derive(Debug, Default)]
pub struct Spare {
    pub tables: Vec<Table>,
    pub extra: Vec<u8>,
    pub rope: Rope,
}

impl Spare {
    /// Leaves its memory to the system as far as that needs it; false if that can't be done.
    fn lend(&mut self) -> bool {
        self.clear();
        let tables = self.tables.iter_mut().map(Table::lend).fold(true, |all, one| all & one);
        tables & pages::lend_room(&mut self.extra) & self.rope.lend()
    }

    fn clear(&mut self) {
        self.tables.iter_mut().for_each(Table::clear);
        self.extra.clear();
        self.rope.clear();
    }

    /// Bytes that it holds on to.
    fn size(&self) -> usize {
        self.tables.iter().map(Table::capacity).sum::<usize>() + self.extra.capacity() + self.rope.capacity()
    }
}

/// As many batches of a plan are likely to be worked on at a time.
const MOST: usize = 4;

/// Buffers that a payload may need at a time: what was read, the result, and what is written of it.
const PIECES: usize = 3;

/// Larger buffers, in bytes, are lent to the system.
const LARGEST: usize = 256 << 20;

/// The buffers of the batches of one plan.
#[derive(Debug, Default)]
pub struct Pool {
    spares: Mutex<Vec<Spare>>,
}

impl Pool {
    /// Empty buffers for the tables of a plan.
    pub fn take(&self, shapes: &[TableShape]) -> Spare {
        let mut spare = self.spares.lock().ok().and_then(|mut spares| spares.pop()).unwrap_or_default();
        spare.clear();
        spare.tables.resize_with(shapes.len(), Table::default);
        for (table, shape) in spare.tables.iter_mut().zip(shapes) {
            table.shape(shape.columns as usize, &shape.detached);
        }
        spare
    }

    /// Takes buffers back.
    pub fn give(&self, mut spare: Spare) {
        let large = spare.size() > LARGEST;
        if large && !spare.lend() {
            return;
        }
        if let Ok(mut spares) = self.spares.lock() {
            let room = spares.len() < MOST && !(large && spares.iter().any(|other| other.size() > LARGEST));
            if room {
                spares.push(spare);
            }
        }
    }
}

/// Some things of a kind that are kept for whoever needs one next.
#[derive(Debug)]
pub struct Shelf<T> {
    things: Mutex<Vec<T>>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Shelf<T> {
        Shelf { things: Mutex::default() }
    }
}

impl<T> Shelf<T> {
    /// The one that was given last.
    pub fn take(&self) -> Option<T> {
        self.things.lock().ok()?.pop()
    }

    /// Takes one back.
    pub fn give(&self, thing: T) {
        if let Ok(mut things) = self.things.lock() {
            if things.len() < MOST {
                things.push(thing);
            }
        }
    }
}

/// Buffers for bytes that are made before their length is known.
#[derive(Debug, Default)]
pub struct Buffers {
    spares: Mutex<Vec<Vec<u8>>>,
}

impl Buffers {
    /// An empty buffer with room for so many bytes.
    pub fn take(&self, room: usize) -> Vec<u8> {
        let spare = self.spares.lock().ok().and_then(|mut spares| {
            let fitting = spares.iter().enumerate().filter(|(_, spare)| spare.capacity() >= room);
            let smallest = fitting.min_by_key(|(_, spare)| spare.capacity()).map(|(place, _)| place);
            // Where none is large enough, the one that will be made takes the place of one that is kept.
            let place = smallest.or(spares.len().checked_sub(1))?;
            Some(spares.swap_remove(place))
        });
        let spare = spare.filter(|spare| spare.capacity() >= room);
        spare.unwrap_or_else(|| {
            let mut fresh = Vec::with_capacity(room);
            pages::large_room(&mut fresh);
            fresh
        })
    }

    /// Takes a buffer back.
    pub fn give(&self, mut spare: Vec<u8>) {
        spare.clear();
        if spare.capacity() > LARGEST && !pages::lend_room(&mut spare) {
            return;
        }
        if let Ok(mut spares) = self.spares.lock() {
            let large = |other: &Vec<u8>| other.capacity() > LARGEST;
            if spares.len() < PIECES * MOST && !(large(&spare) && spares.iter().any(large)) {
                spares.push(spare);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_empty_if_they_have_the_room() {
        let buffers = Buffers::default();
        let mut first = buffers.take(100);
        first.extend_from_slice(b"abc");
        let place = first.as_ptr();
        buffers.give(first);
        let again = buffers.take(50);
        assert_eq!((again.len(), again.as_ptr()), (0, place));
        buffers.give(again);
        assert!(buffers.take(1000).capacity() >= 1000);
    }

    #[test]
    fn the_smallest_that_is_large_enough_is_taken() {
        let buffers = Buffers::default();
        [900, 300, 500].map(|room| buffers.take(room)).into_iter().for_each(|buffer| buffers.give(buffer));
        assert_eq!([400, 100, 800].map(|room| buffers.take(room).capacity()), [500, 300, 900]);
    }
}

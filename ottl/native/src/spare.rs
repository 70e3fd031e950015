//! Buffers kept from payload to payload: memory from the system comes page by page, and costs more than what is written into it.

use std::sync::Mutex;

use crate::batch::Table;
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
    /// Bytes that it holds on to.
    fn size(&self) -> usize {
        self.tables.iter().map(Table::capacity).sum::<usize>() + self.extra.capacity() + self.rope.capacity()
    }
}

/// As many batches of a plan are likely to be worked on at a time.
const MOST: usize = 4;

/// Larger buffers, in bytes, go back to the system: a payload of such a size pays for its memory by itself.
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
        spare.tables.resize_with(shapes.len(), Table::default);
        for (table, shape) in spare.tables.iter_mut().zip(shapes) {
            table.clear(shape.columns as usize, shape.maps as usize);
        }
        spare.extra.clear();
        spare.rope.clear();
        spare
    }

    /// Takes buffers back.
    pub fn give(&self, spare: Spare) {
        if spare.size() > LARGEST {
            return;
        }
        if let Ok(mut spares) = self.spares.lock() {
            if spares.len() < MOST {
                spares.push(spare);
            }
        }
    }
}

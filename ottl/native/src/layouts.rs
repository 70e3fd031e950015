//! Layouts: which keys a row of a map has, and in which order. Rows of one kind have the same keys, so that where one stands can be
//! looked up by the number of the layout instead of being looked for in each row; and a key that is added leads from one layout to
//! the next (Chambers, Ungar and Lee: An Efficient Implementation of SELF, 1989).

use rustc_hash::FxHashMap;

/// The layout of a row that nobody has asked about.
pub const UNKNOWN: u32 = 0;

/// The layout of a row whose keys are looked for.
pub const NONE: u32 = u32::MAX >> 1;

/// Entries of the table of places: what a processor's second cache holds besides the rows.
const MOST: usize = 1 << 16;

/// Keys for which it is worth while to keep layouts.
const MOST_KEYS: usize = MOST / 64;

/// Where a key stands in the rows of a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(u32);

impl Place {
    const UNKNOWN: Place = Place(0);
    const ABSENT: u32 = 1 << 31;

    /// At a position.
    pub fn at(position: usize) -> Place {
        Place(position as u32 + 1)
    }

    /// Nowhere, and which layout a row has once the key is added.
    pub fn absent(next: u32) -> Place {
        Place(Place::ABSENT | next)
    }

    /// Whether nobody has asked about it yet.
    #[inline(always)]
    pub fn is_unknown(self) -> bool {
        self == Place::UNKNOWN
    }

    /// The position, or the next layout.
    #[inline(always)]
    pub fn position(self) -> Result<usize, u32> {
        if self.0 & Place::ABSENT == 0 {
            Ok(self.0 as usize - 1)
        } else {
            Err(self.0 & !Place::ABSENT)
        }
    }
}

/// The layouts of the rows of a map.
#[derive(Debug, Default)]
pub struct Layouts {
    /// By layout and key.
    places: Vec<Place>,
    /// Keys of a layout that the table has room for; 0 while nobody uses it.
    width: usize,
    codes: Vec<Box<[u32]>>,
    numbers: FxHashMap<Box<[u32]>, u32>,
    /// The layout of the row that was last asked about.
    last: u32,
}

impl Layouts {
    /// Makes room for so many keys, unless few layouts would fit then; true if it has forgotten all layouts for that.
    pub fn fit(&mut self, keys: usize) -> bool {
        if keys <= self.width || keys > MOST_KEYS {
            return false;
        }
        *self = Layouts { width: keys.next_power_of_two(), ..Layouts::default() };
        self.places.resize(self.width, Place::UNKNOWN);
        self.codes.push(Box::default());
        true
    }

    /// Whether somebody uses them.
    #[inline(always)]
    pub fn are_used(&self) -> bool {
        self.width > 0
    }

    /// Where a key stands, as far as that has been asked before.
    #[inline(always)]
    pub fn place(&self, layout: u32, code: u32) -> Place {
        if code as usize >= self.width {
            return Place::UNKNOWN;
        }
        self.places.get(layout as usize * self.width + code as usize).copied().unwrap_or(Place::UNKNOWN)
    }

    /// The layout of a row with these keys; [`NONE`] if there are too many.
    #[inline]
    pub fn of(&mut self, codes: &[u32]) -> u32 {
        if self.codes.get(self.last as usize).is_some_and(|last| self.last != UNKNOWN && **last == *codes) {
            return self.last;
        }
        self.last = self.number(codes);
        self.last
    }

    #[inline(never)]
    fn number(&mut self, codes: &[u32]) -> u32 {
        if let Some(&number) = self.numbers.get(codes) {
            return number;
        }
        if self.places.len() + self.width > MOST {
            return NONE;
        }
        let number = self.codes.len() as u32;
        self.places.resize(self.places.len() + self.width, Place::UNKNOWN);
        self.codes.push(codes.into());
        self.numbers.insert(codes.into(), number);
        number
    }

    /// Finds out where a key stands in the rows of a layout, which has these.
    #[inline(never)]
    pub fn learn(&mut self, layout: u32, codes: &[u32], code: u32) -> Place {
        let place = match codes.iter().position(|&found| found == code) {
            Some(position) => Place::at(position),
            None => {
                let longer: Vec<u32> = codes.iter().copied().chain([code]).collect();
                Place::absent(self.number(&longer))
            }
        };
        let known = self.places.get_mut(layout as usize * self.width + code as usize);
        if let Some(known) = known.filter(|_| (code as usize) < self.width) {
            *known = place;
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layouts() -> Layouts {
        let mut layouts = Layouts::default();
        layouts.fit(5);
        layouts
    }

    #[test]
    fn rows_with_the_same_keys_in_the_same_order_have_one() {
        let mut layouts = layouts();
        let [a, b, c] = [&[1, 2][..], &[2, 1], &[1, 2, 1]].map(|codes| layouts.of(codes));
        assert!(a != b && b != c && a != c && ![a, b, c].contains(&UNKNOWN));
        assert_eq!([&[1, 2][..], &[2, 1], &[1, 2, 1]].map(|codes| layouts.of(codes)), [a, b, c]);
        assert_ne!(layouts.of(&[]), UNKNOWN);
    }

    #[test]
    fn a_key_stands_where_it_first_comes_or_leads_to_the_next() {
        let mut layouts = layouts();
        let layout = layouts.of(&[3, 4, 3]);
        assert!(layouts.place(layout, 3).is_unknown());
        for (code, expected) in [(3, Ok(0)), (4, Ok(1))] {
            assert_eq!(layouts.learn(layout, &[3, 4, 3], code).position(), expected);
            assert_eq!(layouts.place(layout, code).position(), expected);
        }
        let next = layouts.of(&[3, 4, 3, 0]);
        layouts.learn(layout, &[3, 4, 3], 0);
        assert_eq!(layouts.place(layout, 0).position(), Err(next));
    }

    #[test]
    fn there_are_only_so_many() {
        let mut layouts = layouts();
        let last = (0..MOST as u32).map(|key| layouts.of(&[key])).last();
        assert_eq!(last, Some(NONE));
        assert!(layouts.places.len() <= MOST);
        assert!(layouts.place(NONE, 1).is_unknown());
        // Keys that have come since have no place, nor one among those of another layout.
        layouts.learn(1, &[0], 8);
        assert!(layouts.place(1, 8).is_unknown() && layouts.place(2, 0).is_unknown());
        assert!(!layouts.fit(MOST_KEYS + 1) && layouts.fit(9));
    }
}

//! Mutated payloads by the million: no input panics, an untouched batch gives the payload back, and what is written is read again.

use std::sync::Arc;

use _native::arena;
use _native::batch::Batch;
use _native::maps::{child, child_count, Rows, Step};
use _native::patch::patch;
use _native::scan::{scan, Limits};
use _native::schema::{tags, types, Field, Plan, Schema};
use _native::values::{Cell, Cells};
use _native::wire::{self, put_bytes, put_tag, put_varint, Fault, Stop};

/// A small generator of random numbers (xorshift), seeded per test.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        ((self.next() >> 32) as usize) % limit.max(1)
    }
}

const ROOT: u32 = 0;
const GROUP: u32 = 1;
const META: u32 = 2;
const ITEM: u32 = 3;
const ANY: u32 = 4;
const KEY_VALUE: u32 = 5;
const ARRAY: u32 = 6;
const MAP: u32 = 7;
const STATUS: u32 = 8;

fn field(number: u32, field_type: u8, repeated: bool, message: Option<u32>, oneof: Option<u32>, name: &str) -> Field {
    Field { number, field_type, repeated, message, oneof, name: name.into(), json_name: name.into(), enum_values: None }
}

fn schema() -> Arc<Schema> {
    let message = |number, repeated, of, name| field(number, types::MESSAGE, repeated, Some(of), None, name);
    let scalar = |number, field_type, name| field(number, field_type, false, None, None, name);
    let member = |number, field_type, of| field(number, field_type, false, of, Some(0), "member");
    let common = |name: &str| format!("opentelemetry.proto.common.v1.{name}");
    let messages = vec![
        ("Root".into(), vec![message(1, true, GROUP, "groups")]),
        (
            "Group".into(),
            vec![message(1, false, META, "meta"), message(2, true, ITEM, "items"), scalar(3, types::STRING, "url")],
        ),
        ("Meta".into(), vec![message(1, true, KEY_VALUE, "attributes"), scalar(2, types::UINT32, "dropped")]),
        (
            "Item".into(),
            vec![
                scalar(1, types::BYTES, "id"),
                scalar(5, types::STRING, "name"),
                scalar(6, types::ENUM, "kind"),
                scalar(7, types::FIXED64, "start"),
                message(9, true, KEY_VALUE, "attributes"),
                message(10, false, STATUS, "status"),
                message(11, false, ANY, "body"),
                field(12, types::DOUBLE, false, None, Some(0), "as_double"),
                field(13, types::SFIXED64, false, None, Some(0), "as_int"),
                field(20, types::UINT64, true, None, None, "buckets"),
                scalar(21, types::SINT64, "delta"),
                scalar(22, types::FLOAT, "ratio"),
                message(23, true, STATUS, "others"),
                scalar(300, types::BOOL, "far"),
            ],
        ),
        (
            common("AnyValue"),
            vec![
                member(1, types::STRING, None),
                member(2, types::BOOL, None),
                member(3, types::INT64, None),
                member(4, types::DOUBLE, None),
                member(5, types::MESSAGE, Some(ARRAY)),
                member(6, types::MESSAGE, Some(MAP)),
                member(7, types::BYTES, None),
                member(8, types::INT32, None),
            ],
        ),
        (
            common("KeyValue"),
            vec![
                scalar(1, types::STRING, "key"),
                message(2, false, ANY, "value"),
                scalar(3, types::INT32, "key_strindex"),
            ],
        ),
        (common("ArrayValue"), vec![message(1, true, ANY, "values")]),
        (common("KeyValueList"), vec![message(1, true, KEY_VALUE, "values")]),
        ("Status".into(), vec![scalar(2, types::STRING, "message"), scalar(3, types::ENUM, "code")]),
    ];
    Arc::new(Schema::new(messages).expect("the descriptors are valid"))
}

/// Table 0 root, 1 groups (map 0), 2 items (columns and map 0).
fn plan(schema: &Schema) -> Arc<Plan> {
    let act = |number: u32, kind: &str, a: i64, b: i64| (number, kind.to_owned(), a, b);
    let nodes = vec![
        (ROOT, vec![act(1, "rows", 1, 1)]),
        (GROUP, vec![act(1, "inline", 2, 0), act(2, "rows", 2, 3)]),
        (META, vec![act(1, "entries", 0, 0), act(2, "column", 1, 0)]),
        (
            ITEM,
            vec![
                act(5, "column", 0, 0),
                act(6, "column", 1, 0),
                act(7, "column", 2, 0),
                act(9, "entries", 0, 0),
                act(10, "inline", 4, 3),
                act(11, "column", 5, 0),
                act(12, "column", 6, 0),
                act(13, "column", 7, 0),
                act(21, "column", 8, 0),
                act(22, "column", 9, 0),
                act(300, "column", 10, 0),
            ],
        ),
        (STATUS, vec![act(3, "column", 4, 0)]),
    ];
    Arc::new(Plan::new(schema, ROOT, nodes, vec![(0, 0), (2, 1), (11, 1)]).expect("the plan is valid"))
}

/// Columns of table 2: the type of the field, and whether its zero is written.
const COLUMNS: [(u8, bool); 11] = [
    (types::STRING, false),
    (types::ENUM, false),
    (types::FIXED64, false),
    (types::BOOL, true),
    (types::ENUM, false),
    (types::MESSAGE, true),
    (types::DOUBLE, true),
    (types::SFIXED64, true),
    (types::SINT64, false),
    (types::FLOAT, false),
    (types::BOOL, false),
];

const KEYS: [&str; 7] =
    ["http.method", "url", "", "status.code", "k", "a-key-of-more-than-thirty-two-bytes!", "http.route"];

fn value(random: &mut Random, depth: usize) -> Vec<u8> {
    let mut out = Vec::new();
    match random.below(if depth < 3 { 9 } else { 6 }) {
        0 => put_bytes(&mut out, 1, &b"some text of some length"[..random.below(25)]),
        1 => {
            put_tag(&mut out, 2, wire::VARINT);
            put_varint(&mut out, random.next() & 1);
        }
        2 => {
            put_tag(&mut out, 3, wire::VARINT);
            let shift = random.below(64);
            put_varint(&mut out, random.next() >> shift);
        }
        3 => {
            put_tag(&mut out, 4, wire::FIXED64);
            out.extend_from_slice(&random.next().to_le_bytes());
        }
        4 => put_bytes(&mut out, 7, &[0xff, 0, 1][..random.below(4)]),
        5 => {}
        6 => {
            let mut list = Vec::new();
            for _ in 0..random.below(3) {
                put_bytes(&mut list, 1, &value(random, depth + 1));
            }
            put_bytes(&mut out, 5, &list);
        }
        7 => {
            let mut map = Vec::new();
            for _ in 0..random.below(3) {
                put_bytes(&mut map, 1, &pair(random, depth + 1));
            }
            put_bytes(&mut out, 6, &map);
        }
        _ => put_bytes(&mut out, 1, &vec![b'x'; random.below(400)]),
    }
    if random.below(40) == 0 {
        put_bytes(&mut out, 15, b"later");
    }
    out
}

fn pair(random: &mut Random, depth: usize) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, 1, KEYS[random.below(KEYS.len())].as_bytes());
    put_bytes(&mut out, 2, &value(random, depth));
    if random.below(40) == 0 {
        put_bytes(&mut out, 9, b"later");
    }
    out
}

fn item(random: &mut Random) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, 1, &random.next().to_le_bytes());
    if random.below(3) > 0 {
        put_bytes(&mut out, 5, &b"GET /api/users/by-name"[..random.below(23)]);
        put_tag(&mut out, 6, wire::VARINT);
        put_varint(&mut out, random.next() >> 61);
        put_tag(&mut out, 7, wire::FIXED64);
        out.extend_from_slice(&random.next().to_le_bytes());
    }
    for _ in 0..random.below(5) {
        put_bytes(&mut out, 9, &pair(random, 0));
    }
    if random.below(2) == 0 {
        put_bytes(&mut out, 10, &[0x12, 2, b'o', b'k', 0x18, 2][..[0, 4, 6][random.below(3)]]);
        put_bytes(&mut out, 11, &value(random, 1));
    }
    match random.below(3) {
        0 => {
            put_tag(&mut out, 12, wire::FIXED64);
            out.extend_from_slice(&random.next().to_le_bytes());
        }
        1 => {
            put_tag(&mut out, 13, wire::FIXED64);
            out.extend_from_slice(&0u64.to_le_bytes());
        }
        _ => {}
    }
    if random.below(2) == 0 {
        put_bytes(&mut out, 20, &[1, 0x80, 1, 3]);
        put_tag(&mut out, 21, wire::VARINT);
        put_varint(&mut out, random.next());
        put_tag(&mut out, 22, wire::FIXED32);
        out.extend_from_slice(&1.5f32.to_le_bytes());
        put_bytes(&mut out, 23, &[0x18, 1]);
        put_bytes(&mut out, 99, b"unknown");
        put_tag(&mut out, 300, wire::VARINT);
        put_varint(&mut out, 1);
    }
    out
}

fn payload(random: &mut Random) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..random.below(3) + 1 {
        let mut group = Vec::new();
        if random.below(4) > 0 {
            let mut meta = Vec::new();
            for _ in 0..random.below(3) {
                put_bytes(&mut meta, 1, &pair(random, 0));
            }
            put_bytes(&mut group, 1, &meta);
        }
        for _ in 0..random.below(4) {
            put_bytes(&mut group, 2, &item(random));
        }
        put_bytes(&mut group, 3, b"schema");
        put_bytes(&mut out, 1, &group);
    }
    out
}

fn mutate(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let at = random.below(bytes.len());
    match random.below(7) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.next() as u8,
        2 => bytes.truncate(at),
        3 => {
            let from = random.below(other.len());
            let to = from + random.below(other.len() - from).min(64);
            bytes.splice(at..at, other[from..to].iter().copied());
        }
        4 => {
            let bomb: &[&[u8]] = &[
                &[0xff, 0xff, 0xff, 0xff, 0x0f],
                &[0xff, 0xff, 0xff, 0xff, 0x07],
                &[0x80; 11],
                &[0xff; 10],
                &[0x7f],
                &[0xca, 0x00],
                &[0x8a, 0x80, 0x00],
                &[3],
                &[4],
            ];
            let bomb = bomb[random.below(bomb.len())];
            let end = (at + bomb.len()).min(bytes.len());
            bytes.splice(at..end, bomb.iter().copied());
        }
        5 => {
            let end = at + random.below(bytes.len() - at).min(16);
            bytes.drain(at..end);
        }
        _ => {
            let end = at + random.below(bytes.len() - at).min(64);
            let copy = bytes[at..end].to_vec();
            bytes.splice(at..at, copy);
        }
    }
}

const LIMITS: Limits = Limits { messages: 10_000, depth: 100 };

fn flatten(batch: &mut Batch<Vec<u8>>) -> Vec<u8> {
    if !patch(batch).expect("a checked batch can be patched") {
        return batch.arena.payload.clone();
    }
    let out: Vec<u8> = batch.rope.pieces(&batch.arena).flatten().copied().collect();
    assert_eq!(out.len() as u64, batch.rope.len());
    out
}

/// Everything that a batch shows of one row, views resolved, default values as absent.
fn row_of(batch: &Batch<Vec<u8>>, table: usize, row: usize) -> Vec<(Vec<u8>, u8, i64, Vec<u8>)> {
    let found = &batch.tables[table];
    let show = |cell: Cell| {
        let bytes = batch.arena.cell(cell).expect("views lie in the arena").to_vec();
        (cell.tag, if tags::is_view(cell.tag) { 0 } else { cell.bits }, bytes)
    };
    let mut out = Vec::new();
    for (id, column) in found.columns.iter().enumerate() {
        let cell = column.get(row);
        let explicit = if table == 2 { COLUMNS[id].1 } else { id == 0 };
        let zero = if tags::is_view(cell.tag) { cell.len == 0 } else { cell.bits == 0 };
        let shown = if zero && !explicit { Cell::EMPTY } else { cell };
        let (tag, bits, bytes) = show(shown);
        out.push((vec![id as u8], tag, bits, bytes));
    }
    for map in &found.maps {
        let (codes, entries) = map.row(row);
        for (&code, entry) in codes.iter().zip(entries) {
            let (tag, bits, bytes) = show(entry.cell());
            out.push((map.keys.get(code).to_vec(), tag, bits, bytes));
        }
    }
    out
}

fn cell_for(random: &mut Random, batch: &mut Batch<Vec<u8>>, field_type: u8) -> Cell {
    if random.below(5) == 0 {
        return Cell::EMPTY;
    }
    let text = |random: &mut Random, batch: &mut Batch<Vec<u8>>, tag: u8| {
        let long = random.below(20) == 0;
        let len = random.below(if long { 600 } else { 12 });
        let begin = batch.arena.add(&vec![b'w'; len]);
        Cell::view(tag, begin, len)
    };
    match field_type {
        types::STRING => text(random, batch, tags::STRING),
        types::BOOL => Cell::scalar(tags::BOOL, (random.next() & 1) as i64),
        types::DOUBLE => Cell::scalar(tags::DOUBLE, random.next() as i64),
        types::FLOAT => Cell::scalar(tags::DOUBLE, 0.25f64.to_bits() as i64),
        types::ENUM => Cell::scalar(tags::INT, i64::from(random.next() as i32)),
        types::MESSAGE => match random.below(6) {
            0 => Cell::scalar(tags::INT, random.next() as i64),
            1 => Cell::scalar(tags::DOUBLE, random.next() as i64),
            2 => Cell::scalar(tags::BOOL, 1),
            3 => Cell::scalar(tags::STRING_INDEX, 7),
            4 => text(random, batch, tags::BYTES),
            _ => text(random, batch, tags::STRING),
        },
        _ => Cell::scalar(tags::INT, random.next() as i64),
    }
}

fn edit(random: &mut Random, batch: &mut Batch<Vec<u8>>) {
    let table = 1 + random.below(2);
    let count = batch.tables[table].len();
    if count == 0 {
        return;
    }
    let chosen: Vec<i32> = (0..count as i32).filter(|_| random.below(2) == 0).collect();
    let rows = Rows::new(Some(&chosen), count).expect("the rows exist");
    let key = KEYS[random.below(KEYS.len())].as_bytes();
    let values = batch.values().expect("the schema has values");
    match random.below(9) {
        0 | 1 if table == 2 => {
            let column = random.below(COLUMNS.len());
            let cell = cell_for(random, batch, COLUMNS[column].0);
            // A stored member of the oneof removes the other one, as the caller does.
            if column == 6 || column == 7 {
                let empty = Cells::new(&[0], &[0], &[0], chosen.len()).expect("one cell");
                batch.store(table, 13 - column, rows, empty).expect("empty fits");
            }
            // Of a submessage that is removed, the columns say so too.
            let (tag, bits, len) = ([cell.tag], [cell.bits], [cell.len]);
            let cells = Cells::new(&tag, &bits, &len, chosen.len()).expect("one cell");
            if column == 3 && cell != Cell::scalar(tags::BOOL, 1) {
                let empty = Cells::new(&[0], &[0], &[0], chosen.len()).expect("one cell");
                batch.store(table, 4, rows, empty).expect("empty fits");
                batch.store(table, 3, rows, empty).expect("empty fits");
            } else {
                batch.store(table, column, rows, cells).expect("the cell fits");
                if column == 4 {
                    let yes = Cells::new(&[tags::BOOL], &[1], &[0], chosen.len()).expect("one cell");
                    batch.store(table, 3, rows, yes).expect("a bool fits");
                }
            }
        }
        2 | 3 => {
            let cell = cell_for(random, batch, types::MESSAGE);
            let (tag, bits, len) = ([cell.tag], [cell.bits], [cell.len]);
            let cells = Cells::new(&tag, &bits, &len, chosen.len()).expect("one cell");
            let (_, map, touched) = batch.edit(table, 0).expect("the map exists");
            map.set(key, rows, cells, touched).expect("there is room");
        }
        4 => {
            let (_, map, touched) = batch.edit(table, 0).expect("the map exists");
            map.delete(key, rows, touched);
        }
        5 => {
            let (_, map, touched) = batch.edit(table, 0).expect("the map exists");
            let keep: Vec<bool> = (0..map.keys.len()).map(|_| random.below(3) > 0).collect();
            map.retain(rows, &keep, touched).expect("one mark a key");
        }
        6 => {
            let (arena, map, touched) = batch.edit(table, 0).expect("the map exists");
            let (bits, lens) = map.encode(arena, &values, rows).expect("maps can be encoded");
            let before: Vec<_> = chosen.iter().map(|&row| map.row(row as usize).0.to_vec()).collect();
            map.assign(arena, &values, rows, (&bits, &lens), touched).expect("what was encoded can be read");
            for (codes, &row) in before.iter().zip(&chosen) {
                assert_eq!(codes, map.row(row as usize).0);
            }
        }
        7 => {
            let (_, map, touched) = batch.edit(table, 0).expect("the map exists");
            let all = map.all(rows);
            let cells = Cells::new(&[tags::INT], &[5], &[0], all.slots.len()).expect("one cell");
            map.put_slots(&all.slots, cells, touched).expect("the slots are live");
        }
        8 => {
            let (arena, map, touched) = batch.edit(table, 0).expect("the map exists");
            let all = map.all(rows);
            let begin = arena.add(key);
            let counts: Vec<i32> = chosen.iter().map(|_| random.below(4) as i32).collect();
            let total = counts.iter().sum::<i32>() as usize;
            let keys = (vec![begin; total], vec![key.len() as u32; total]);
            let cells = Cells::new(&[tags::BOOL], &[1], &[0], total).expect("one cell");
            map.replace(arena, rows, &counts, (&keys.0, &keys.1), cells, touched).expect("the counts fit");
            drop(all);
        }
        _ => {}
    }
}

fn look_inside(batch: &Batch<Vec<u8>>) {
    let values = batch.values().expect("the schema has values");
    let entries = batch.map(2, 0).expect("the map exists").all(Rows::All(batch.tables[2].len()));
    for at in 0..entries.codes.len() {
        let cells = &entries.cells;
        let cell = Cell { tag: cells.tags[at], bits: cells.bits[at], len: cells.lens[at] };
        let count = child_count(&batch.arena, &values, cell).expect("lists and maps were checked");
        for step in [Step::Key(b"url"), Step::Index(0), Step::Index(count - 1), Step::Index(count)] {
            let (_, error) = child(&batch.arena, &values, cell, step).expect("lists and maps were checked");
            let past = matches!(step, Step::Index(index) if index == count || index < 0) && cell.tag == tags::LIST;
            assert_eq!(past, error == 2);
        }
    }
    let (bits, lens) = (&entries.cells.bits, &entries.cells.lens);
    let kinds = Some(entries.cells.tags.as_slice());
    let (codes, first) = arena::intern(&batch.arena, kinds, bits, lens).expect("views lie in the arena");
    for (at, &code) in codes.iter().enumerate().filter(|(_, &code)| code >= 0) {
        let seen = first[code as usize] as usize;
        assert_eq!(batch.arena.get(bits[at], lens[at]), batch.arena.get(bits[seen], lens[seen]));
    }
}

#[test]
fn a_million_mutations() {
    let schema = schema();
    let plan = plan(&schema);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    // Without optimisation there are fewer, and arithmetic overflow is a panic.
    let rounds = if cfg!(debug_assertions) { 30_000 } else { 1_000_000 };
    let (mut regular, mut odd, mut bad) = (0, 0, 0);
    let mut base = payload(&mut random);
    let mut other = payload(&mut random);
    for round in 0..rounds {
        if round % 64 == 0 {
            other = std::mem::replace(&mut base, payload(&mut random));
        }
        let mut bytes = base.clone();
        let mutations = random.below(3);
        for _ in 0..mutations {
            mutate(&mut random, &mut bytes, &other);
        }
        let mut batch = match scan(&schema, &plan, bytes, LIMITS) {
            Ok(batch) => batch,
            Err(Stop::Irregular) => {
                odd += 1;
                continue;
            }
            Err(Stop::Malformed(..)) => {
                bad += 1;
                continue;
            }
        };
        regular += 1;
        assert!(!patch(&mut batch).expect("an untouched batch can be patched"));
        if round % 16 == 0 {
            look_inside(&batch);
        }
        for table in 0..3 {
            batch.touch(table, Rows::All(batch.tables[table].len())).expect("the table exists");
        }
        if mutations == 0 {
            assert_eq!(flatten(&mut batch), batch.arena.payload); // a mutated length may be longer than it need be
        }
        for _ in 0..1 + random.below(4) {
            edit(&mut random, &mut batch);
        }
        let mask: Vec<bool> = (0..batch.tables[2].len()).map(|_| random.below(8) == 0).collect();
        batch.drop_rows(2, &mask).expect("one mark a row");
        let out = flatten(&mut batch);
        let again = scan(&schema, &plan, out, LIMITS).expect("what was patched is regular");
        let kept: Vec<usize> = (0..mask.len()).filter(|&row| !mask[row]).collect();
        assert_eq!(kept.len(), again.tables[2].len());
        assert_eq!(batch.tables[1].len(), again.tables[1].len());
        for (new, &old) in kept.iter().enumerate() {
            assert_eq!(row_of(&batch, 2, old), row_of(&again, 2, new), "round {round}");
        }
        for row in 0..again.tables[1].len() {
            let (mut old, new) = (row_of(&batch, 1, row), row_of(&again, 1, row));
            if old.len() > 2 {
                old[0] = new[0].clone(); // entries may have created the submessage, which no presence was stored for
            }
            assert_eq!(old, new, "round {round}");
        }
    }
    println!("{regular} regular, {odd} irregular, {bad} malformed");
    assert!(regular > rounds / 10 && odd > rounds / 100 && bad > rounds / 10);
}

#[test]
fn unknown_fields_survive_a_changed_value() {
    let schema = schema();
    let plan = plan(&schema);
    let (mut any, mut pair, mut item, mut group, mut bytes) = (vec![], vec![], vec![], vec![], vec![]);
    put_bytes(&mut any, 1, b"old");
    put_bytes(&mut any, 15, b"any-later");
    put_bytes(&mut pair, 1, b"k");
    put_bytes(&mut pair, 2, &any);
    put_bytes(&mut pair, 9, b"pair-later");
    put_bytes(&mut item, 9, &pair);
    put_bytes(&mut item, 77, b"item-later");
    put_bytes(&mut group, 2, &item);
    put_bytes(&mut bytes, 1, &group);
    let mut batch = scan(&schema, &plan, bytes, LIMITS).expect("a regular payload");
    let cells = Cells::new(&[tags::INT], &[7], &[0], 1).expect("one cell");
    let (_, map, touched) = batch.edit(2, 0).expect("the map exists");
    map.set(b"k", Rows::All(1), cells, touched).expect("there is room");
    let out = flatten(&mut batch);
    for kept in ["any-later", "pair-later", "item-later"] {
        assert!(out.windows(kept.len()).any(|window| window == kept.as_bytes()), "{kept}");
    }
    assert!(!out.windows(3).any(|window| window == b"old"));
}

#[test]
fn limits_hold() {
    let schema = schema();
    let plan = plan(&schema);
    let mut nested = Vec::new();
    for _ in 0..200 {
        let mut list = Vec::new();
        put_bytes(&mut list, 1, &nested);
        nested.clear();
        put_bytes(&mut nested, 5, &list);
    }
    let (mut item, mut group, mut bytes) = (vec![], vec![], vec![]);
    put_bytes(&mut item, 11, &nested);
    put_bytes(&mut group, 2, &item);
    put_bytes(&mut bytes, 1, &group);
    let stop = scan(&schema, &plan, bytes.clone(), LIMITS).expect_err("too deep");
    assert!(matches!(stop, Stop::Malformed(Fault::Depth, _)));
    assert!(scan(&schema, &plan, bytes, Limits { messages: 10_000, depth: 403 }).is_ok());
    let many = [0x0a, 0x00].repeat(1000);
    let few = Limits { messages: 999, depth: 100 };
    assert!(matches!(scan(&schema, &plan, many.clone(), few), Err(Stop::Malformed(Fault::Messages, 1998))));
    assert_eq!(scan(&schema, &plan, many, LIMITS).expect("1000 empty groups").tables[1].len(), 1000);
}

#[test]
fn colliding_keys_stay_fast() {
    // The first word cancels FxHash's seed, so that all of these have one hash.
    let key = |number: u64| [0x243f_6a88_85a3_08d3u64.to_le_bytes(), number.to_le_bytes()].concat();
    let keys: Vec<Vec<u8>> = (0..200_000).map(key).collect();
    let mut table = arena::Codes::default();
    for (number, key) in keys.iter().enumerate() {
        let string = |code: u32| keys[code as usize].as_slice();
        assert_eq!(table.code(key, string), (number as u32, true));
        assert_eq!(table.code(key, string), (number as u32, false));
    }
    assert!(table.is_keyed());
}

//! Message descriptors as handed over from Python, and plans: which fields of which messages become columns, rows and maps.

use rustc_hash::FxHashMap;

use crate::signal::Probe;
use crate::spare::Pool;
use crate::wire;

/// `google.protobuf.FieldDescriptorProto.Type`.
pub mod types {
    pub const DOUBLE: u8 = 1;
    pub const FLOAT: u8 = 2;
    pub const INT64: u8 = 3;
    pub const UINT64: u8 = 4;
    pub const INT32: u8 = 5;
    pub const FIXED64: u8 = 6;
    pub const FIXED32: u8 = 7;
    pub const BOOL: u8 = 8;
    pub const STRING: u8 = 9;
    pub const GROUP: u8 = 10;
    pub const MESSAGE: u8 = 11;
    pub const BYTES: u8 = 12;
    pub const UINT32: u8 = 13;
    pub const ENUM: u8 = 14;
    pub const SFIXED32: u8 = 15;
    pub const SFIXED64: u8 = 16;
    pub const SINT32: u8 = 17;
    pub const SINT64: u8 = 18;
}

/// The wire type that a field of this type has when it is not packed.
pub fn wire_of(field_type: u8) -> u8 {
    match field_type {
        types::DOUBLE | types::FIXED64 | types::SFIXED64 => wire::FIXED64,
        types::FLOAT | types::FIXED32 | types::SFIXED32 => wire::FIXED32,
        types::STRING | types::BYTES | types::MESSAGE => wire::LEN,
        types::GROUP => wire::GROUP,
        _ => wire::VARINT,
    }
}

/// One field of a message.
#[derive(Debug, Clone)]
pub struct Field {
    pub number: u32,
    /// `google.protobuf.FieldDescriptorProto.Type`, see [`types`].
    pub field_type: u8,
    pub repeated: bool,
    /// Index of the message of a message field.
    pub message: Option<u32>,
    /// Index of the oneof within the message.
    pub oneof: Option<u32>,
    pub name: String,
    pub json_name: String,
    pub enum_values: Option<Vec<(String, i64)>>,
}

/// One message type.
#[derive(Debug, Clone)]
pub struct Message {
    pub full_name: String,
    pub fields: Vec<Field>,
    /// Field index + 1 by number, for numbers below its length.
    dense: Vec<u16>,
    /// Field index by number, for the others.
    sparse: FxHashMap<u32, u16>,
    /// By one-byte tag: 0 nothing to look into, otherwise field index + 1 of a message or packed field; 255 look it up.
    pub(crate) looks: [u8; 128],
    /// By one-byte tag, what tells whether a value fits.
    pub(crate) probes: [Probe; 128],
}

/// Largest field number found by index.
const DENSE: u32 = 256;

impl Message {
    fn new(full_name: String, fields: Vec<Field>) -> Message {
        let mut dense = Vec::new();
        let mut sparse = FxHashMap::default();
        let mut looks = [0u8; 128];
        for (index, field) in fields.iter().enumerate() {
            if field.number < DENSE {
                let at = field.number as usize;
                if dense.len() <= at {
                    dense.resize(at + 1, 0);
                }
                dense[at] = index as u16 + 1;
            } else {
                sparse.insert(field.number, index as u16);
            }
            let tag = field.number << 3 | u32::from(wire::LEN);
            if field.look().is_some() && tag < 128 {
                looks[tag as usize] = if index < 254 { index as u8 + 1 } else { 255 };
            }
        }
        let mut probes = [Probe::Unknown; 128];
        for field in fields.iter().filter(|field| field.number < 16) {
            for (wire_type, probe) in (0..8).zip(probes.iter_mut().skip(field.number as usize * 8)) {
                *probe = Probe::of(field, wire_type);
            }
        }
        Message { full_name, fields, dense, sparse, looks, probes }
    }

    /// The index of the field with this number.
    #[inline]
    pub fn field_index(&self, number: u32) -> Option<usize> {
        match self.dense.get(number as usize) {
            Some(&found) => usize::from(found).checked_sub(1),
            None if number < DENSE => None,
            None => self.sparse.get(&number).map(|&index| usize::from(index)),
        }
    }

    /// The field with this number.
    #[inline]
    pub fn field(&self, number: u32) -> Option<&Field> {
        self.fields.get(self.field_index(number)?)
    }
}

/// What a length-delimited value of a field holds besides bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    Message(u32),
    /// Packed values of this wire type.
    Packed(u8),
}

impl Field {
    /// What to look at inside a length-delimited value of this field.
    #[inline]
    pub fn look(&self) -> Option<Look> {
        match (self.field_type, self.message) {
            (types::MESSAGE, Some(message)) => Some(Look::Message(message)),
            (types::MESSAGE | types::GROUP | types::STRING | types::BYTES, _) => None,
            (scalar, _) if self.repeated => Some(Look::Packed(wire_of(scalar))),
            _ => None,
        }
    }
}

/// The message types of `opentelemetry.proto.common.v1` that attribute values are made of.
#[derive(Debug, Clone, Copy)]
pub struct Values {
    pub any: u32,
    pub key_value: u32,
    pub array: u32,
    pub map: u32,
    /// Cell tag by field number of AnyValue, for numbers 1 to 15; 0 where there is no such member.
    pub kinds: [u8; 16],
    /// Field number of AnyValue by cell tag.
    pub members: [u8; 16],
    pub key: u8,
    pub value: u8,
    /// Their tags.
    pub key_tag: u8,
    pub value_tag: u8,
    /// Tag of the member of AnyValue that is a string.
    pub string_tag: u8,
    /// Number of the dictionary-indexed key, 0 if the descriptors have none.
    pub key_index: u8,
    /// Field numbers of ArrayValue.values and KeyValueList.values.
    pub array_values: u8,
    pub map_values: u8,
}

/// All message types.
#[derive(Debug, Clone)]
pub struct Schema {
    pub messages: Vec<Message>,
    by_name: FxHashMap<String, u32>,
    pub values: Option<Values>,
}

/// Tags of cells, the one value format.
pub mod tags {
    pub const EMPTY: u8 = 0;
    pub const STRING: u8 = 1;
    pub const BOOL: u8 = 2;
    pub const INT: u8 = 3;
    pub const DOUBLE: u8 = 4;
    pub const BYTES: u8 = 5;
    pub const LIST: u8 = 6;
    pub const MAP: u8 = 7;
    pub const STRING_INDEX: u8 = 8;

    /// True for the tags whose bits and length are a view into the arena.
    #[inline(always)]
    pub fn is_view(tag: u8) -> bool {
        matches!(tag, STRING | BYTES | LIST | MAP)
    }
}

const COMMON: &str = "opentelemetry.proto.common.v1.";

impl Schema {
    /// Checks and indexes the descriptors.
    pub fn new(messages: Vec<(String, Vec<Field>)>) -> Result<Schema, String> {
        let count = messages.len();
        for (name, fields) in &messages {
            if fields.len() >= usize::from(u16::MAX) {
                return Err(format!("{name}: too many fields"));
            }
            for field in fields {
                let known = field.message.is_none_or(|message| (message as usize) < count);
                let number = field.number > 0 && field.number < 1 << 29;
                let kind = (types::DOUBLE..=types::SINT64).contains(&field.field_type);
                let typed = field.field_type != types::MESSAGE || field.message.is_some();
                if !(known && number && kind && typed) {
                    return Err(format!("{name}.{}: not a valid field", field.name));
                }
            }
        }
        let messages: Vec<Message> = messages.into_iter().map(|(name, fields)| Message::new(name, fields)).collect();
        let by_name = messages.iter().enumerate().map(|(index, message)| (message.full_name.clone(), index as u32));
        let mut schema = Schema { by_name: by_name.collect(), messages, values: None };
        schema.values = schema.find_values();
        Ok(schema)
    }

    /// The index of a message by its full name.
    pub fn message_index(&self, full_name: &str) -> Option<u32> {
        self.by_name.get(full_name).copied()
    }

    fn find_values(&self) -> Option<Values> {
        let index = |name: &str| self.message_index(&format!("{COMMON}{name}"));
        let (any, key_value, array, map) =
            (index("AnyValue")?, index("KeyValue")?, index("ArrayValue")?, index("KeyValueList")?);
        let small = |message: u32, wanted: &dyn Fn(&Field) -> bool| {
            let found = self.messages.get(message as usize)?.fields.iter().find(|field| wanted(field))?;
            (found.number < 16).then_some(found.number as u8)
        };
        let mut kinds = [tags::EMPTY; 16];
        let mut members = [0u8; 16];
        for field in &self.messages.get(any as usize)?.fields {
            let tag = match (field.field_type, field.message) {
                (types::STRING, _) => tags::STRING,
                (types::BOOL, _) => tags::BOOL,
                (types::INT64, _) => tags::INT,
                (types::DOUBLE, _) => tags::DOUBLE,
                (types::BYTES, _) => tags::BYTES,
                (types::INT32, _) => tags::STRING_INDEX,
                (types::MESSAGE, message) if message == Some(array) => tags::LIST,
                (types::MESSAGE, message) if message == Some(map) => tags::MAP,
                _ => return None,
            };
            *kinds.get_mut(field.number as usize)? = tag;
            members[usize::from(tag)] = field.number as u8;
        }
        if members[1..8].contains(&0) {
            return None;
        }
        let key = small(key_value, &|field| field.name == "key")?;
        let value = small(key_value, &|field| field.message == Some(any))?;
        Some(Values {
            any,
            key_value,
            array,
            map,
            kinds,
            members,
            key,
            value,
            key_tag: key << 3 | wire::LEN,
            value_tag: value << 3 | wire::LEN,
            string_tag: members[usize::from(tags::STRING)] << 3 | wire::LEN,
            key_index: small(key_value, &|field| field.name == "key_strindex").unwrap_or(0),
            array_values: small(array, &|field| field.message == Some(any))?,
            map_values: small(map, &|field| field.message == Some(key_value))?,
        })
    }
}

/// What a node does with one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Well-formedness only.
    Pass,
    /// Scalar, string or bytes to a column.
    Column { column: u32 },
    /// AnyValue to a column.
    Any { column: u32 },
    /// Submessage of the same row.
    Inline { node: u32, presence: Option<u32> },
    /// One row of a table for each submessage.
    Rows { table: u32, node: u32 },
    /// KeyValue entries of a map.
    Entries { map: u32 },
}

/// A field as a node sees it.
#[derive(Debug, Clone, Copy)]
pub struct Slot {
    pub number: u32,
    pub field_type: u8,
    /// Wire type when not packed.
    pub wire: u8,
    /// Zero values are written: members of a oneof, proto3 `optional` fields.
    pub explicit: bool,
    pub repeated: bool,
    pub action: Action,
    pub look: Option<Look>,
    /// Bit that this field sets in the row's mask of fields seen, and those that must not be set yet.
    pub bit: u64,
    pub conflict: u64,
}

/// How one message is visited.
#[derive(Debug, Clone)]
pub struct Node {
    pub message: u32,
    pub table: u32,
    pub slots: Vec<Slot>,
    /// Slot index + 1 by tag of the right wire type, for the fields up to 31.
    by_tag: [u8; 256],
    /// The fields that nothing looks at.
    passes: Passes,
    /// Slot index + 1 by field number below [`DENSE`], and the others.
    dense: Vec<u8>,
    sparse: FxHashMap<u32, u8>,
    /// Columns, maps and tables that this node and the inline nodes below it feed.
    pub columns: Vec<u32>,
    pub maps: Vec<u32>,
    pub tables: Vec<u32>,
}

/// A field of a length of less than 128 bytes.
const TEXT: u8 = 1;
/// A varint.
const NUMBER: u8 = 2;

/// Fields to pass over, in the common form of their encoding: by first byte the fixed size with the tag, [`TEXT`], [`NUMBER`], or 0
/// for all others.
#[derive(Debug, Clone)]
pub struct Passes([u8; 256]);

impl Passes {
    /// The fields of the slots, as far as they have one-byte tags.
    pub fn new<'s>(slots: impl Iterator<Item = &'s Slot>) -> Passes {
        let mut kinds = [0; 256];
        for slot in slots {
            let tag = slot.number << 3 | u32::from(slot.wire);
            if let Some(kind) = kinds.get_mut(tag as usize).filter(|_| tag < 128) {
                *kind = match slot.wire {
                    wire::VARINT => NUMBER,
                    wire::LEN => TEXT,
                    wire::FIXED64 => 9,
                    wire::FIXED32 => 5,
                    _ => 0,
                };
            }
        }
        Passes(kinds)
    }

    /// The position behind a field to pass over; None for all other fields. `data` ends with the message.
    #[inline(always)]
    pub fn behind(&self, data: &[u8], pos: usize) -> Option<usize> {
        let (&first, rest) = data.get(pos..)?.split_first()?;
        let size = match self.0[usize::from(first)] {
            0 => return None,
            TEXT => 2 + usize::from(*rest.first().filter(|&&len| len < 0x80)?),
            NUMBER => 2 + rest.iter().take(9).position(|&byte| byte < 0x80)?,
            size => usize::from(size),
        };
        (size <= rest.len() + 1).then_some(pos + size)
    }
}

impl Node {
    /// The position behind a field that nothing looks at, in the common form of its encoding; None for all other fields. `data` ends
    /// with the message.
    #[inline(always)]
    pub fn passed(&self, data: &[u8], pos: usize) -> Option<usize> {
        self.passes.behind(data, pos)
    }

    /// The slot of a tag with the wire type that the field should have.
    #[inline(always)]
    pub fn by_tag(&self, tag: u32) -> Option<&Slot> {
        self.slots.get(self.index_by_tag(tag)?)
    }

    /// The index of that slot.
    #[inline(always)]
    pub fn index_by_tag(&self, tag: u32) -> Option<usize> {
        usize::from(*self.by_tag.get(tag as usize)?).checked_sub(1)
    }

    /// The slot of a field number.
    #[inline]
    pub fn by_number(&self, number: u32) -> Option<&Slot> {
        self.slots.get(self.index_by_number(number)?)
    }

    /// The index of that slot.
    #[inline]
    pub fn index_by_number(&self, number: u32) -> Option<usize> {
        let index = match self.dense.get(number as usize) {
            Some(&index) => index,
            None if number < DENSE => 0,
            None => *self.sparse.get(&number)?,
        };
        usize::from(index).checked_sub(1)
    }
}

/// The shape of one table.
#[derive(Debug, Clone)]
pub struct TableShape {
    pub columns: u32,
    pub parent: Option<u32>,
    /// For each column, a bit for each cell tag that may be stored.
    pub accepts: Vec<u16>,
    /// For each map, whether no field feeds it.
    pub detached: Vec<bool>,
}

/// What a scan extracts.
#[derive(Debug)]
pub struct Plan {
    pub nodes: Vec<Node>,
    pub tables: Vec<TableShape>,
    /// Tables in an order in which parents come before children.
    pub order: Vec<u32>,
    /// Buffers of earlier batches.
    pub spares: Pool,
}

/// One action as Python gives it: field number, kind, a, b.
pub type RawAction = (u32, String, i64, i64);

fn accepted(field_type: u8) -> u16 {
    let tag = match field_type {
        types::DOUBLE | types::FLOAT => tags::DOUBLE,
        types::STRING => tags::STRING,
        types::BYTES => tags::BYTES,
        types::BOOL => tags::BOOL,
        types::MESSAGE => return 0x1ff,
        _ => tags::INT,
    };
    1 | 1 << tag
}

impl Plan {
    /// Checks a plan against the schema.
    pub fn new(
        schema: &Schema,
        root: u32,
        nodes: Vec<(u32, Vec<RawAction>)>,
        tables: Vec<(u32, u32)>,
    ) -> Result<Plan, String> {
        if nodes.is_empty() || nodes.len() > usize::from(u16::MAX) || tables.is_empty() {
            return Err("a plan needs between 1 and 65535 nodes, and tables".into());
        }
        if nodes[0].0 != root {
            return Err("node 0 must be the root message".into());
        }
        let mut shapes: Vec<TableShape> = tables
            .iter()
            .map(|&(columns, maps)| {
                let (accepts, detached) = (vec![0; columns as usize], vec![true; maps as usize]);
                TableShape { columns, parent: None, accepts, detached }
            })
            .collect();
        let mut table_of: Vec<Option<u32>> = vec![None; nodes.len()];
        table_of[0] = Some(0);
        let mut built = Vec::with_capacity(nodes.len());
        for (index, (message, actions)) in nodes.iter().enumerate() {
            let table = table_of[index].ok_or_else(|| format!("node {index} is used by no node before it"))?;
            let node = build_node(schema, index, *message, table, actions, &nodes, &mut shapes, &mut table_of)?;
            built.push(node);
        }
        collect_below(&mut built)?;
        let order = table_order(&shapes)?;
        Ok(Plan { nodes: built, tables: shapes, order, spares: Pool::default() })
    }
}

#[allow(clippy::too_many_arguments)]
fn build_node(
    schema: &Schema,
    index: usize,
    message: u32,
    table: u32,
    actions: &[RawAction],
    nodes: &[(u32, Vec<RawAction>)],
    shapes: &mut [TableShape],
    table_of: &mut [Option<u32>],
) -> Result<Node, String> {
    let descriptor = schema.messages.get(message as usize).ok_or("no such message")?;
    let say = |number: u32, what: &str| format!("node {index} ({}), field {number}: {what}", descriptor.full_name);
    if descriptor.fields.len() >= 255 {
        return Err(format!("{}: too many fields for a plan", descriptor.full_name));
    }
    let mut node = Node {
        message,
        table,
        slots: Vec::new(),
        by_tag: [0; 256],
        passes: Passes([0; 256]),
        dense: Vec::new(),
        sparse: FxHashMap::default(),
        columns: Vec::new(),
        maps: Vec::new(),
        tables: Vec::new(),
    };
    for field in &descriptor.fields {
        let mut found = actions.iter().filter(|action| action.0 == field.number);
        let action = match found.next() {
            Some(raw) => parse_action(schema, index, table, field, raw, nodes, shapes, table_of)
                .map_err(|what| say(field.number, &what))?,
            None => Action::Pass,
        };
        if found.next().is_some() {
            return Err(say(field.number, "named twice"));
        }
        match action {
            Action::Column { column } | Action::Any { column } => node.columns.push(column),
            Action::Inline { presence: Some(column), .. } => node.columns.push(column),
            Action::Rows { table, .. } => node.tables.push(table),
            Action::Entries { map } => node.maps.push(map),
            _ => {}
        }
        let slot = Slot {
            number: field.number,
            field_type: field.field_type,
            wire: wire_of(field.field_type),
            explicit: field.oneof.is_some(),
            repeated: field.repeated,
            action,
            look: field.look(),
            bit: 0,
            conflict: 0,
        };
        node.slots.push(slot);
        let at = node.slots.len() as u8;
        let tag = field.number << 3 | u32::from(slot.wire);
        if let Some(place) = node.by_tag.get_mut(tag as usize) {
            *place = at;
        }
        if field.number < DENSE {
            if node.dense.len() <= field.number as usize {
                node.dense.resize(field.number as usize + 1, 0);
            }
            node.dense[field.number as usize] = at;
        } else {
            node.sparse.insert(field.number, at);
        }
    }
    if let Some(unknown) = actions.iter().find(|action| descriptor.field(action.0).is_none()) {
        return Err(say(unknown.0, "no such field"));
    }
    track_fields(descriptor, &mut node.slots).map_err(|what| format!("{}: {what}", descriptor.full_name))?;
    let ignored = |slot: &&Slot| slot.action == Action::Pass && slot.look.is_none() && slot.bit | slot.conflict == 0;
    node.passes = Passes::new(node.slots.iter().filter(ignored));
    Ok(node)
}

/// Gives a bit to the fields whose repetition or company makes a message irregular.
fn track_fields(descriptor: &Message, slots: &mut [Slot]) -> Result<(), String> {
    let mut next = 1u64;
    let watched = |slot: &Slot| {
        let single = !slot.repeated && slot.field_type == types::MESSAGE;
        single && slot.action != Action::Pass
    };
    for (slot, field) in slots.iter_mut().zip(&descriptor.fields) {
        let company = field.oneof.is_some() && descriptor.fields.iter().filter(|f| f.oneof == field.oneof).count() > 1;
        if watched(slot) || company {
            if next == 0 {
                return Err("more than 64 fields to watch".into());
            }
            slot.bit = next;
            next = next.wrapping_shl(1) & !1;
        }
    }
    let bits: Vec<u64> = slots.iter().map(|slot| slot.bit).collect();
    for (index, (slot, field)) in slots.iter_mut().zip(&descriptor.fields).enumerate() {
        if !slot.repeated && slot.field_type == types::MESSAGE {
            slot.conflict |= slot.bit;
        }
        if field.oneof.is_some() {
            for (other, bit) in
                descriptor.fields.iter().zip(&bits).enumerate().filter(|(at, _)| *at != index).map(|p| p.1)
            {
                if other.oneof == field.oneof {
                    slot.conflict |= bit;
                }
            }
        }
    }
    Ok(())
}

#[allow(clippy::too_many_arguments)]
fn parse_action(
    schema: &Schema,
    index: usize,
    table: u32,
    field: &Field,
    raw: &RawAction,
    nodes: &[(u32, Vec<RawAction>)],
    shapes: &mut [TableShape],
    table_of: &mut [Option<u32>],
) -> Result<Action, String> {
    let (_, kind, a, b) = raw;
    let number = u32::try_from(*a).map_err(|_| "a negative id")?;
    let shape = shapes.get_mut(table as usize).ok_or("no such table")?;
    let any = schema.values.map(|values| values.any);
    let key_value = schema.values.map(|values| values.key_value);
    match kind.as_str() {
        "column" => {
            let accepts = shape.accepts.get_mut(number as usize).ok_or("no such column")?;
            *accepts |= accepted(field.field_type);
            if field.repeated {
                Err("a column cannot be repeated".into())
            } else if field.field_type == types::MESSAGE {
                if any.is_none() || field.message != any {
                    return Err("a column of messages must be of AnyValue".into());
                }
                Ok(Action::Any { column: number })
            } else if field.field_type == types::GROUP {
                Err("a column cannot be a group".into())
            } else {
                Ok(Action::Column { column: number })
            }
        }
        "entries" => {
            let fits = field.repeated && key_value.is_some() && field.message == key_value;
            let Some(detached) = shape.detached.get_mut(number as usize).filter(|_| fits) else {
                return Err("entries need a map of the table and a repeated KeyValue".into());
            };
            *detached = false;
            Ok(Action::Entries { map: number })
        }
        "inline" | "rows" => {
            let node = if kind == "inline" { *a } else { *b };
            let node = usize::try_from(node).map_err(|_| "a negative node")?;
            if node <= index {
                return Err("a node may only lead to nodes after it".into());
            }
            let target = nodes.get(node).ok_or("no such node")?;
            if field.field_type != types::MESSAGE || field.message != Some(target.0) {
                return Err("the node is of another message".into());
            }
            let feeds = if kind == "inline" { table } else { number };
            if table_of[node].is_some_and(|known| known != feeds) {
                return Err("the node already feeds another table".into());
            }
            table_of[node] = Some(feeds);
            if kind == "inline" {
                let presence = u32::try_from(*b).ok();
                if let Some(column) = presence {
                    *shape.accepts.get_mut(column as usize).ok_or("no such presence column")? |= 1 | 1 << tags::BOOL;
                }
                if field.repeated {
                    return Err("a repeated field cannot be inline".into());
                }
                return Ok(Action::Inline { node: node as u32, presence });
            }
            if !field.repeated {
                return Err("rows need a repeated field".into());
            }
            let child = shapes.get_mut(number as usize).ok_or("no such table")?;
            if number == 0 || child.parent.is_some_and(|known| known != table) {
                return Err("a table has one parent table, and table 0 none".into());
            }
            child.parent = Some(table);
            Ok(Action::Rows { table: number, node: node as u32 })
        }
        other => Err(format!("unknown kind {other:?}")),
    }
}

/// Adds to each node what the inline nodes below it feed.
fn collect_below(nodes: &mut [Node]) -> Result<(), String> {
    for index in (0..nodes.len()).rev() {
        let below: Vec<u32> = nodes[index]
            .slots
            .iter()
            .filter_map(|slot| match slot.action {
                Action::Inline { node, .. } => Some(node),
                _ => None,
            })
            .collect();
        for child in below {
            let Some(Node { columns, maps, tables, .. }) = nodes.get(child as usize).cloned() else {
                return Err("no such node".into());
            };
            nodes[index].columns.extend(columns);
            nodes[index].maps.extend(maps);
            nodes[index].tables.extend(tables);
        }
        for ids in [&nodes[index].columns, &nodes[index].maps] {
            let mut sorted = ids.clone();
            sorted.sort_unstable();
            if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
                return Err(format!("node {index}: a column or map is fed twice in one row"));
            }
        }
    }
    Ok(())
}

fn table_order(shapes: &[TableShape]) -> Result<Vec<u32>, String> {
    let mut order = vec![0u32];
    let mut at = 0;
    while let Some(&table) = order.get(at) {
        at += 1;
        order.extend((0..shapes.len() as u32).filter(|&child| shapes[child as usize].parent == Some(table)));
    }
    if let Some(table) =
        (1..shapes.len()).find(|&table| !order.contains(&(table as u32)) && shapes[table].parent.is_some())
    {
        return Err(format!("table {table} is its own ancestor"));
    }
    Ok(order)
}
